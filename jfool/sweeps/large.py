"""Columns with large rows, such as the champions of an archive of a thousand classes. Each row is a
file of its own, and the table holds its name.

A file is named by the digest of its content. So a sweep that was killed between writing the files
and their table writes the same files again.
"""

import hashlib
import io
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from etils import epath

from jfool.sweeps.files import read_inside, write_whole
from jfool.texts import told, visible

MOST_BYTES = 2**22  # of a row's array in the table
_NAME = re.compile(r"[0-9a-f]{16}\.npy")
FILES = b"files"  # marks the field of such a column


def is_large(shape: Sequence[int], dtype: Any) -> bool:
    """Whether arrays of this shape are stored as files, one per row."""
    return math.prod(shape) * np.dtype(dtype).itemsize > MOST_BYTES


def digest_of(content: bytes) -> str:
    """The digest that names a file with this content."""
    return hashlib.sha256(content).hexdigest()[:16]


def set_apart(table: pa.Table, name: str, rows: np.ndarray, folder: epath.Path) -> pa.Table:
    """Writes the rows of a column as files, and replaces them by the names of the files.

    Raises:
      OSError: one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for row in rows:
        buffer = io.BytesIO()
        np.save(buffer, row, allow_pickle=False)
        names.append(f"{digest_of(buffer.getvalue())}.npy")
        write_whole(folder / names[-1], buffer.getvalue())
    index = table.schema.get_field_index(name)
    metadata = {**(table.schema.field(name).metadata or {}), FILES: b"npy"}
    return table.set_column(
        index, pa.field(name, pa.string(), metadata=metadata), pa.array(names, pa.string())
    )


def read_row(folder: epath.Path, name: str) -> np.ndarray:
    """Reads a file written by `set_apart`.

    Raises:
      ValueError: it is damaged or missing.
    """
    path = folder / name
    try:
        if not _NAME.fullmatch(name):
            raise ValueError("no name of such a file")
        content = read_inside(path, folder.parent)
        if digest_of(content) != path.stem:
            raise ValueError("its content is not what was written")
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # a header that was made up raises many kinds of errors
        reason = visible(str(error) or type(error).__name__)
        raise ValueError(
            f"{told(path)} is damaged ({reason:.80}): delete the part whose table names it, and "
            "its jobs will run again"
        ) from error
