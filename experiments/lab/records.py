"""Tidy records: what an experiment measured, one row for each case, in an Arrow table."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jfool.texts import told, visible
from models.cache import replacing

_FORM = b"form"  # in the metadata of a file


class Records:
    """An Arrow table whose columns are read as NumPy arrays `[R, ...]`.

    Example:
      >>> found = Records.of(network=["a", "a", "b"], confidence=[0.2, 0.9, 0.4])
      >>> {name: part["confidence"].max().item() for name, part in found.groups("network")}
      {'a': 0.9, 'b': 0.4}
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @classmethod
    def of(cls, **columns: Any) -> "Records":
        """From arrays with a leading axis of rows; a scalar stands in every row.

        Raises:
          ValueError: they have different lengths.
        """
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
        count = max(lengths.values(), default=0)
        if other := [f"{name} with {length}" for name, length in lengths.items() if length < count]:
            raise ValueError(f"columns: expected {count} rows in each, got {', '.join(other)}")
        whole = {n: a if a.ndim else np.repeat(a, count) for n, a in arrays.items()}
        return cls(pa.table({name: _to_arrow(array) for name, array in whole.items()}))

    @classmethod
    def joined(cls, parts: Sequence["Records"]) -> "Records":
        """The rows of all parts, one part after another."""
        return cls(pa.concat_tables([part.table for part in parts]).combine_chunks())

    @classmethod
    def read(cls, path: Path) -> "Records":
        """What `write` wrote.

        Raises:
          ValueError: the file is damaged.
        """
        try:
            table = pq.read_table(path, page_checksum_verification=True)
            table.validate(full=True)
            if (table.schema.metadata or {}).get(_FORM, form := _form(table)) != form:
                raise ValueError("its columns are not what was written")
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = visible(str(error).partition("\n")[0])
            raise ValueError(
                f"{told(path)}: expected records, got another file ({reason:.100}): run the "
                "section's command again"
            ) from error
        return cls(table.replace_schema_metadata(None))

    def __len__(self) -> int:
        return self.table.num_rows

    def __contains__(self, name: str) -> bool:
        return name in self.table.column_names

    def __getitem__(self, name: str) -> np.ndarray:
        return _to_numpy(self.table.column(name))

    def columns(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Some columns, row by row, in Python's types where they are scalars."""
        arrays = [self[name] for name in names]
        yield from zip(*(a.tolist() if a.ndim == 1 else a for a in arrays), strict=True)

    def rows(self, which: Any) -> "Records":
        """Some rows, by index, slice or mask `[R]`.

        Raises:
          ValueError: the mask has another length, or there is no such row.
        """
        which = np.arange(len(self))[which] if isinstance(which, slice) else np.asarray(which)
        if which.dtype == bool and which.shape != (len(self),):
            raise ValueError(f"which: expected a mask [{len(self)}], got one {[*which.shape]}")
        indices = np.flatnonzero(which) if which.dtype == bool else which
        outside = indices[(indices < 0) | (indices >= len(self))]
        if outside.size:
            raise ValueError(f"which: expected rows from 0 to {len(self) - 1}, got {outside[0]}")
        return Records(self.table.take(pa.array(indices.astype(np.int64))))

    def where(self, **equal: Any) -> "Records":
        """The rows in which each of these columns has this value."""
        kept = np.ones(len(self), bool)
        for name, value in equal.items():
            kept &= self[name] == value
        return self.rows(kept)

    def groups(self, *names: str) -> Iterator[tuple[Any, "Records"]]:
        """Rows that agree in some columns, in the order in which they first appear.

        Yields:
          The value of the column (of several columns: a tuple), and its rows.
        """
        found: dict[Any, list[int]] = {}
        for i, values in enumerate(self.columns(*names)):
            found.setdefault(values if len(names) > 1 else values[0], []).append(i)
        yield from ((value, self.rows(np.array(rows))) for value, rows in found.items())

    def best(self, *names: str, by: str = "confidence") -> "Records":
        """Of each group the row with the highest value, the first of equal ones; NaN comes last."""
        value = self[by]
        best: dict[tuple[Any, ...], int] = {}
        for i, group in enumerate(self.columns(*names)):
            held = value[best.setdefault(group, i)]
            if value[i] > held or (np.isnan(held) and not np.isnan(value[i])):
                best[group] = i
        return self.rows(np.array(list(best.values()), int))

    def pivot(
        self, row: str, column: str, values: Sequence[str], columns: Sequence[Any] | None = None
    ) -> np.ndarray:
        """Means `[rows, columns, values]` over the records of each cell, NaN where there are none;
        rows (and columns, unless they are given) in the order in which they first appear.

        Raises:
          ValueError: the records have a column that is not among those given.
        """
        rows = list(dict.fromkeys(self[row].tolist()))
        columns = list(dict.fromkeys(self[column].tolist())) if columns is None else list(columns)
        if lacking := [x for x in dict.fromkeys(self[column].tolist()) if x not in columns]:
            raise ValueError(f"columns: expected all of {column}, got none for {lacking[0]}")
        means = np.full((len(rows), len(columns), len(values)), np.nan)
        for (i, j), of in self.groups(row, column):
            means[rows.index(i), columns.index(j)] = [of[value].mean() for value in values]
        return means

    def ordered(self, order: Any) -> "Records":
        """All rows, sorted by an array `[R]`."""
        return self.rows(np.argsort(np.asarray(order), kind="stable"))

    def plus(self, **columns: Any) -> "Records":
        """With more columns, or with others in place of those of the same name.

        Raises:
          ValueError: a column has another length.
        """
        lengths = {n: len(c) for n, c in columns.items() if np.ndim(c)}
        if other := [f"{n} with {length}" for n, length in lengths.items() if length != len(self)]:
            raise ValueError(f"columns: expected {len(self)} rows in each, got {', '.join(other)}")
        more = Records.of(**columns, _=np.zeros(len(self)))
        kept = [name for name in self.table.column_names if name not in columns]
        table = self.table.select(kept)
        for name in columns:
            table = table.append_column(name, more.table.column(name))
        return Records(table)

    def without(self, *names: str) -> "Records":
        """All columns but some."""
        return Records(self.table.drop_columns(list(names)))

    def write(self, path: Path) -> None:
        """As Parquet, whole or not at all, without images."""
        kept = [f.name for f in self.table.schema if _ndim(f.type) < 3]
        table = self.table.select(kept)
        table = table.replace_schema_metadata({_FORM: _form(table)})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, write_page_checksum=True)


def _form(table: pa.Table) -> bytes:
    """Names, types and number of rows, which the checksums of a file's pages do not cover."""
    told = [table.num_rows, *((field.name, str(field.type)) for field in table.schema)]
    return hashlib.sha256(repr(told).encode()).hexdigest().encode()


def _to_arrow(array: np.ndarray) -> pa.Array:
    if array.ndim <= 1:
        if array.dtype.kind == "U":
            return pa.array(array.tolist(), pa.string())
        return pa.array(array.tolist() if array.dtype.kind == "O" else array)
    if array.dtype == bool:
        raise TypeError(f"columns: expected numbers in arrays [R, ...], got bool {array.shape}")
    if not array.size:
        kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(array.dtype), array.shape[1:])
        return pa.ExtensionArray.from_storage(kind, pa.array([], kind.storage_type))
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(array))


def _to_numpy(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no rows, or of several chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if isinstance(column.type, pa.FixedShapeTensorType):
        if not len(array):
            return np.zeros((0, *column.type.shape), column.type.value_type.to_pandas_dtype())
        return array.to_numpy_ndarray()
    return array.to_numpy(zero_copy_only=False)


def _ndim(kind: pa.DataType) -> int:
    return len(kind.shape) if isinstance(kind, pa.FixedShapeTensorType) else 0
