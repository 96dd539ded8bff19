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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lends a temporary file that takes `path`'s place when the block ends well.

    A reader sees the old file or the whole new one, and a block that raises leaves no trace.
    Folders on the way are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        os.replace(temporary, path)
