"""The results of a sweep: a table with one row per finished job, readable as plain Parquet.

An array, such as a genotype, is a list of fixed length, row-major; the field's metadata hold its
shape. For large arrays the table of a run folder holds names of files (`large.py`). `R` rows.
"""

import dataclasses
import difflib
import functools
import json
import operator
import platform
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from jfool.arguments import check_attack, is_whole
from jfool.base import KEY_TYPE, Attack, reference_class
from jfool.jobs import gathered
from jfool.loop import strong
from jfool.model_outputs import first_line
from jfool.numbers import brief, known
from jfool.rows import Rows
from jfool.sweeps.fingerprint import describe
from jfool.sweeps.large import FILES, is_large, read_row, set_apart
from jfool.version import __version__

PROVENANCE = ("seconds", "device", "host", "versions")  # where and how a row was computed
_BYTES_AT_ONCE = 2**24  # of images; what decodes them takes several times as much
_NEAREST = 3  # names that are offered


@dataclasses.dataclass(frozen=True)
class Results:
    """Finished jobs.

    Attributes:
      table: one row per job, by ascending `job_id`: the job (`job.target`, ..., and of `jfool.Rows`
        the index, such as `job.base.index`), the fields of
        `jfool.AttackResult` (`confidence`, `success`, `num_queries`, ...), its `genotype`, and
        where it was computed (`seconds`, `device`, `host`, `versions`).
      missing: ids of the jobs that are not finished.
      settings: of the sweep.
      beside: the folder with the columns too large for the table; None if there is none.
    """

    table: pa.Table
    missing: Int[np.ndarray, " M"]
    settings: Mapping[str, Any]
    beside: Any = None

    def __len__(self) -> int:
        return self.table.num_rows

    def column(self, name: str, rows: Any = None) -> np.ndarray:
        """One column as an array `[R, ...]`.

        Args:
          rows: indices into the table, a mask of it `[len(self)]`, or None for all.
        Raises:
          TypeError, ValueError: there is no such column or row, or a file beside the table is
            damaged.
        """
        names = self.table.column_names
        if not isinstance(name, str) or name not in names:
            near = difflib.get_close_matches(str(name)[:60], names, _NEAREST, cutoff=0.0)
            others = f" or {len(names) - len(near)} others (see table.column_names)"
            raise ValueError(f"name: expected one of {', '.join(near)}{others}, got {brief(name)}")
        column = _to_numpy(self.table, name)
        column = column if rows is None else column[self._numbers(rows)]
        field = self.table.schema.field(name)
        if FILES not in (field.metadata or {}):
            return column
        arrays = [read_row(self.beside, file) for file in column]
        if wrong := [a.shape for a in arrays if [*a.shape] != row_shape(field)]:
            raise ValueError(
                f"{name}: expected files of {row_shape(field)}, got {[*wrong[0]]!s:.60}"
            )
        return np.stack(arrays) if arrays else np.zeros((0, *row_shape(field)))

    def images(
        self, attack: Attack, job_type: type, rows: Any = None, **data: Any
    ) -> Float[np.ndarray, "R *cells H W C"]:
        """The images of some rows, or of all, decoded from their genotypes.

        Args:
          attack: that of the sweep; its encoding decodes.
          job_type: of the sweep's jobs, e.g. `jfool.SparseJob`.
          rows: as for `column`.
          data: of fields that were `jfool.Rows`, the data set, e.g. `base=photos`.
        Raises:
          TypeError, ValueError: the attack or the type of jobs is not that of the sweep, there is
            no such row, or a data set is missing.
        """
        encoding = getattr(attack, "encoding", None)
        if encoding is None:
            raise TypeError(
                f"attack: expected that of the sweep, with an encoding, got {attack!r:.80}"
            )
        check_attack(attack)
        rows = self._numbers(rows)
        jobs = self._jobs(job_type, rows, data)
        genotypes = self.genotypes(attack, job_type, rows, **data)
        cells = reference_class(jobs, attack.targeted).shape[1:]
        images = np.zeros((len(rows), *cells, *attack.image_shape), np.float32)
        at_once = max(1, _BYTES_AT_ONCE // (images[:1].nbytes or 1))
        for start in range(0, len(rows), at_once):
            part = np.arange(start, min(start + at_once, len(rows)))
            picked = gathered(jax.tree.map(operator.itemgetter(part), (jobs, genotypes)))
            images[part] = _paint(encoding, *picked, in_cells=bool(cells))
        return images

    def genotypes(self, attack: Attack, job_type: type, rows: Any = None, **data: Any) -> Any:
        """The genotypes of some rows, or of all, as the attack represents them.

        Args: as for `images`.
        Returns:
          A pytree of NumPy arrays `[R, ...]`.
        """
        check_attack(attack)
        rows = None if rows is None else self._numbers(rows)
        first = gathered(self._jobs(job_type, np.arange(1), data))
        first = jax.tree.map(lambda leaf: leaf[0], first)
        key = jax.random.key(0, impl=KEY_TYPE)
        try:
            form = jax.eval_shape(
                lambda key, job: attack.best(job, attack.init(key, job)).genotype,
                key,
                strong(first),
            )
        except Exception as error:
            raise self._other(attack, first_line(error)) from error
        for path, leaf in jax.tree_util.tree_leaves_with_path(form):
            name = _named("genotype", path)
            if name not in self.table.column_names:
                raise self._other(attack, f"it has {name}")
            if [*leaf.shape] != (held := row_shape(self.table.schema.field(name))):
                raise self._other(attack, f"{name} is {[*leaf.shape]}, not {held}")
        shape, swept = str(getattr(attack, "image_shape", "")), self.settings.get("attack")
        if swept and shape in describe(attack) and shape not in swept[0]:
            raise self._other(attack, "of other images")
        return jax.tree.map_with_path(
            lambda path, _: self.column(_named("genotype", path), rows), form
        )

    def _numbers(self, rows: Any) -> np.ndarray:
        """The numbers of rows `[R]`."""
        given = np.arange(len(self)) if rows is None else known(rows)
        if isinstance(given, np.ndarray) and given.dtype == bool and given.shape == (len(self),):
            return np.flatnonzero(given)
        empty = isinstance(given, np.ndarray) and given.shape == (0,)
        if not empty and not (np.issubdtype(given.dtype, np.integer) and given.ndim <= 1):
            raise TypeError(
                f"rows: expected numbers [R] or a mask [{len(self)}], got {brief(rows)}"
            )
        if given.size and not (given.min() >= 0 and given.max() < len(self)):
            got = f"{given.min()} to {given.max()}"
            raise ValueError(f"rows: expected numbers from 0 to {len(self) - 1}, got {got}")
        return given.astype(int).reshape(-1)

    @staticmethod
    def _other(attack: Any, why: str) -> ValueError:
        got = type(attack).__name__
        return ValueError(f"attack: expected that of the sweep, got another {got} ({why:.160})")

    def _jobs(self, job_type: type, rows: np.ndarray, data: Mapping[str, Any]) -> Any:
        names, values = self.table.column_names, {}
        if not (isinstance(job_type, type) and dataclasses.is_dataclass(job_type)):
            raise TypeError(
                "job_type: expected the class of the sweep's jobs, such as jfool.SparseJob, got "
                f"{brief(job_type)}"
            )
        for field in dataclasses.fields(job_type):
            name, index = field.name, f"job.{field.name}.index"
            if index in names:
                if name not in data:
                    raise ValueError(
                        f"{name}: expected the data set that the rows point into, such as "
                        f"{name}=photos, got none"
                    )
                values[name] = Rows(data[name], self.column(index, rows))
            elif field.default is not None or f"job.{name}" in names:
                if f"job.{name}" not in names:
                    raise ValueError(
                        "job_type: expected the class of the sweep's jobs, got "
                        f"{job_type.__name__:.60}, which has {name:.60}"
                    )
                values[name] = self.column(f"job.{name}", rows)
        return job_type(**values)


@functools.partial(jax.jit, static_argnames="in_cells")
def _paint(encoding: Any, jobs: Any, genotypes: Any, *, in_cells: bool) -> jax.Array:
    decode = jax.vmap(encoding.decode, (None, 0)) if in_cells else encoding.decode
    return jax.vmap(decode)(jobs, genotypes)


def to_table(parts: Sequence[Mapping[str, Any]], same: Mapping[str, str]) -> pa.Table:
    """Rows as a table.

    Args:
      parts: columns of some rows each, arrays `[R, ...]` or pytrees of them.
      same: texts that all rows share.
    """
    flat = [_flat(part) for part in parts]
    columns = {name: np.concatenate([part[name] for part in flat]) for name in flat[0]}
    fields, arrays = [], []
    for name, column in columns.items():
        shape = column.shape[1:]
        if 0 in shape:  # e.g. a record of no generations; Parquet has no empty fixed-size lists
            continue
        array = pa.array(np.ascontiguousarray(column).reshape(-1))
        if shape:
            array = pa.FixedSizeListArray.from_arrays(array, int(np.prod(shape)))
        fields.append(pa.field(name, array.type, metadata={"shape": json.dumps(shape)}))
        arrays.append(array)
    for name, text in same.items():
        array = pa.array([text] * len(arrays[0]), pa.string())
        fields.append(pa.field(name, array.type))
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema(fields))


def num_bytes(parts: Sequence[Mapping[str, Any]]) -> int:
    """What the columns of `to_table` take."""
    return sum(column.nbytes for part in parts for column in _flat(part).values())


def without_large(table: pa.Table, folder: Any) -> pa.Table:
    """The same rows, with large columns written as files."""
    for field in table.schema:
        shape = row_shape(field)
        element = field.type.value_type.to_pandas_dtype() if shape else None
        if shape and is_large(shape, element):
            table = set_apart(table, field.name, _to_numpy(table, field.name), folder)
    return table


def collected(
    tables: Sequence[pa.Table],
    ids: np.ndarray,
    settings: Mapping[str, Any],
    source: Any,
    beside: Any = None,
) -> Results:
    """The rows of all tables, as `Results`.

    Args:
      ids: of the jobs that are expected.
      source: name of the tables in errors.
      beside: the folder with columns too large for the table.
    Raises:
      ValueError: a job occurs twice.
    """
    if not tables:
        return Results(
            pa.table({"job_id": pa.array([], pa.int32())}), np.sort(ids), settings, beside
        )
    if any(not table.schema.equals(tables[0].schema, check_metadata=True) for table in tables):
        raise ValueError(
            f"{source}: expected parts with the same columns, got others, as of two versions of "
            "jfool (delete the older ones, and their jobs will run again)"
        )
    table = pa.concat_tables(tables).sort_by("job_id")
    found = table["job_id"].to_numpy()
    if len(double := found[1:][found[1:] == found[:-1]]):
        raise ValueError(
            f"{source}: expected each job once, got {double[:5].tolist()} twice (delete one of the "
            "parts that have them)"
        )
    if len(unknown := np.setdiff1d(found, ids)):
        raise ValueError(
            f"{source}: expected jobs of this sweep, got {unknown[:5].tolist()} (delete the part "
            "that has them)"
        )
    return Results(table, np.setdiff1d(ids, found), settings, beside)


def provenance(devices: Sequence[Any]) -> dict[str, str]:
    """Where rows were computed."""
    packages = {"jfool": __version__, "jax": jax.__version__, "numpy": np.__version__}
    return {
        "device": devices[0].device_kind,
        "host": socket.gethostname(),
        "versions": json.dumps({"python": platform.python_version(), **packages}),
    }


def without_provenance(table: pa.Table) -> pa.Table:
    """The columns that do not depend on when and where a sweep runs."""
    return table.drop_columns([name for name in PROVENANCE if name in table.column_names])


def _flat(columns: Mapping[str, Any]) -> dict[str, Any]:
    """`{"job": Job(target, base)}` as `{"job.target": ..., "job.base": ...}`; of `Rows`, the index
    as `job.base.index`."""
    flat = {}
    for name, column in columns.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(column):
            if isinstance(leaf, Rows):
                flat[f"{_named(name, path)}.index"] = leaf.index
            else:
                flat[_named(name, path)] = np.asarray(leaf)
    return flat


def _named(name: str, path: Any) -> str:
    inner = jax.tree_util.keystr(path, simple=True, separator=".")
    return f"{name}.{inner}" if inner else name


def _to_numpy(table: pa.Table, name: str) -> np.ndarray:
    column = table[name].combine_chunks()
    if pa.types.is_string(column.type):
        return np.asarray(column.to_pylist(), dtype=object)
    shape = row_shape(table.schema.field(name))
    flat = column.flatten() if shape else column
    return flat.to_numpy(zero_copy_only=False).reshape(table.num_rows, *shape)


def row_shape(field: pa.Field) -> list[int]:
    """The shape of a row's array; empty for a number."""
    shape = json.loads((field.metadata or {}).get(b"shape", b"[]"))
    if not (isinstance(shape, list) and all(is_whole(length, 1) for length in shape)):
        raise ValueError(f"expected a shape of {field.name!r:.30}, got {shape!r:.30}")
    return shape
