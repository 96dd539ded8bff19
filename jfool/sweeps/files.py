"""Files that are written whole or not at all, on a disk or in an object store."""

import os
import secrets
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from etils import epath

from jfool.numbers import brief
from jfool.texts import told

# Of object stores, what reaches them.
_PACKAGES = {"gs": "gcsfs", "s3": "s3fs", "az": "adlfs", "hf": "huggingface_hub"}


def open_path(path: Any) -> epath.Path:
    """A local path, made absolute, `~` as the home folder, or an object store's (`gs://...`).

    Raises:
      TypeError, ValueError: no path, or of a store that cannot be reached; the sentence is on
        `folder`.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeError(f"folder: expected a path, got {brief(path)} (give a str or Path)")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = ""
    if not text or "\0" in text:
        raise ValueError(f"folder: expected a path, got {brief(path)}, which no folder can have")
    scheme = text.partition("://")[0] if is_remote(text) else None
    if scheme is not None and scheme not in _PACKAGES:
        known = ", ".join(f"{name}://" for name in _PACKAGES)
        raise ValueError(f"folder: expected a path on a disk or {known}, got {brief(text)}")
    if scheme is not None and not any(map(find_spec, (_PACKAGES[scheme], "tensorflow"))):
        raise ValueError(
            f"folder: expected a path that can be reached, got {brief(text)} without its package "
            f"(pip install {_PACKAGES[scheme]})"
        )
    path = epath.Path(path)
    return path if is_remote(path) else epath.Path(os.path.abspath(os.path.expanduser(path)))


def is_remote(path: Any) -> bool:
    return "://" in os.fspath(path)


def is_inside(path: Any, folder: Any) -> bool:
    """Whether a path of a run's folder leads nowhere else, by a link."""
    if is_remote(path):
        return True
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_inside(path: Any, folder: Any) -> bytes:
    """The content of a file in a run's folder.

    Raises:
      OSError: there is none, it cannot be read, or it is a pipe or a link out of the folder.
    """
    if not is_inside(path, folder):
        raise OSError("a link out of the folder")
    if not is_remote(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("no file")
    return path.read_bytes()


def children(folder: epath.Path, within: epath.Path) -> list[epath.Path]:
    """What lies in a folder of a run, by name; none where there is no such folder. Files of the
    system, whose names begin with a dot, are left out.

    Raises:
      ValueError: it is a file, or a link out of the run's folder.
    """
    if not folder.exists():
        return []
    if not (folder.is_dir() and is_inside(folder, within)):
        raise ValueError(
            f"{told(folder)}: expected a folder inside that of the sweep, got "
            f"{'a link' if folder.is_dir() else 'a file'} (remove it)"
        )
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


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
