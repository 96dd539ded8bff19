"""Where this package keeps what is dear to make, and how it writes files there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """`$JFOOL_CACHE`, else `$XDG_CACHE_HOME/jfool`, else `~/.cache/jfool`; it need not exist."""
    if chosen := os.environ.get("JFOOL_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "jfool"
    return Path.home() / ".cache" / "jfool"


def check_writable(folder: Path, name: str) -> None:
    """Makes a folder, before the work whose results it is to hold.

    Args:
      name: of what the user set, for the message.
    Raises:
      ValueError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(
            f"{name}: expected a folder to write to, got {folder} ({reason})"
        ) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lends a temporary file that takes `path`'s place when the block ends well.

    A reader sees the old file or the whole new one, and a block that raises leaves no trace.
    Folders on the way are made. The file may be read by whom the user's mask lets, whatever wrote
    it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)
        os.replace(temporary, path)
