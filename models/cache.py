"""The cache folder for trained networks and decoded data, and safe writing of files."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.paths import given_path, shown


def home(path: str | Path) -> Path:
    """The path with `~` as the home folder; as it is where there is no such user."""
    return Path(os.path.expanduser(path))


def cache_folder() -> Path:
    """`$JFOOL_CACHE`, else `$XDG_CACHE_HOME/jfool`, else `~/.cache/jfool`; it need not exist."""
    if chosen := os.environ.get("JFOOL_CACHE"):
        return given_path(chosen, "JFOOL_CACHE")
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return given_path(shared, "XDG_CACHE_HOME") / "jfool"
    return Path.home() / ".cache" / "jfool"


def check_writable(folder: Path, name: str) -> None:
    """Creates a folder, before the work whose results go there.

    Args:
      name: of the setting in errors.
    Raises:
      ValueError: it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        message = f"{name}: expected a folder to write to, got {shown(folder)} ({reason})"
        raise ValueError(message) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provides a temporary file that replaces `path` when the block ends without an error.

    Readers see the old file or the complete new one, and a block that raises leaves nothing.
    Missing folders are created. The file gets the permissions of the user's umask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        os.replace(temporary, path)
