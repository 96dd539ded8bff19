"""A part of a sweep's results: some finished jobs as Parquet, in a file that nothing changes later.

Its name holds the digest of its content, and its content the sweep that wrote it.
"""

import io
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from jfool.sweeps.files import read_inside
from jfool.sweeps.large import FILES, digest_of
from jfool.sweeps.results import row_shape
from jfool.sweeps.stored_settings import SWEEP
from jfool.texts import told, visible

_KINDS = pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string
_SWEEP = b"sweep"  # in the metadata of the table


def part_of(table: pa.Table, sweep: str) -> tuple[str, bytes]:
    """Name and content of a part.

    Args:
      table: rows of finished jobs.
      sweep: that writes it.
    """
    ids = table["job_id"].to_numpy()
    buffer = io.BytesIO()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _SWEEP: sweep})
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    return f"jobs-{ids.min():010d}-{len(ids)}-{digest_of(content)}.parquet", content


def read_part(
    path: epath.Path,
    folder: epath.Path,
    settings: Mapping[str, Any],
    columns: list[str] | None = None,
) -> pa.Table:
    """The rows of a part.

    Args:
      path: of the part.
      folder: of the sweep.
      settings: of the sweep.
      columns: names; all by default.
    Raises:
      ValueError: it is damaged, or another sweep wrote it.
    """
    try:
        content = read_inside(path, folder)
        if digest_of(content) != path.stem.rpartition("-")[2]:
            raise ValueError("its content is not what was written")
        table = _decoded(content, settings["num_jobs"], columns)
    except (pa.ArrowException, OSError, KeyError, ValueError, MemoryError) as error:
        reason = visible(str(error).partition("\n")[0])
        raise ValueError(
            f"{told(path)} is damaged ({reason:.80}): delete it, and its jobs will run again"
        ) from error
    wrote = (table.schema.metadata or {}).get(_SWEEP, b"").decode(errors="replace")
    if settings.get(SWEEP) not in (None, wrote):
        raise ValueError(
            f"{told(path)}: expected a part of this sweep, got one of another (move it to its own "
            "folder, or delete it)"
        )
    return table.replace_schema_metadata(None)


def _decoded(content: bytes, most: int, columns: list[str] | None) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows > most:  # a few bytes can stand for billions
        raise ValueError(f"expected at most {most} rows, got {file.metadata.num_rows}")
    table = file.read(columns)
    table.validate(full=True)
    _check_columns(table)
    return table


def _check_columns(table: pa.Table) -> None:
    """Raises ValueError if a column cannot be read as an array."""
    if len(set(table.column_names)) < table.num_columns or table.schema.get_field_index("job_id"):
        raise ValueError("expected different columns, job_id first")
    for column, field in zip(table.columns, table.schema, strict=True):
        shape, kind = row_shape(field), field.type
        listed = pa.types.is_fixed_size_list(kind)
        size = kind.list_size if listed else 1
        plain = kind.value_type if listed else kind
        is_file = FILES in (field.metadata or {}) and pa.types.is_string(kind)
        if not (is_file or (listed == bool(shape) and size == math.prod(shape))):
            raise ValueError(f"expected {field.name!r:.30} as its shape says")
        if column.null_count or not any(is_kind(plain) for is_kind in _KINDS):
            raise ValueError(f"expected numbers or texts in {field.name!r:.30}")
    if table.schema.field("job_id").type != pa.int32():
        raise ValueError("expected job_id in 32 bits")
