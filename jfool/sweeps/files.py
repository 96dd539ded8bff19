"""Files that are written whole or not at all, on a disk or in an object store."""

import os
import secrets
from pathlib import Path
from typing import Any

from etils import epath


def open_path(path: Any) -> epath.Path:
    """A local path, made absolute, `~` as the home folder, or an object store's (`gs://...`)."""
    path = epath.Path(path)
    return path if is_remote(path) else epath.Path(os.path.abspath(os.path.expanduser(path)))


def is_remote(path: epath.Path) -> bool:
    return "://" in os.fspath(path)


def write_whole(path: epath.Path, content: bytes) -> None:
    """Writes a file to the disk, then gives it its name; object stores are atomic by themselves.

    Raises:
      OSError: it cannot be written; an older file of that name is unchanged.
    """
    if is_remote(path):
        path.write_bytes(content)
        return
    folder = Path(path).parent
    temporary = folder / f".{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the name
    finally:
        os.close(handle)
