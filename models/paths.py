"""Paths as users give them, and names from files as messages show them."""

import os
from pathlib import Path


def given_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """A path with `~` expanded.

    Args:
      path: as the user gave it.
      name: of the argument in errors.
    Raises:
      TypeError: neither a string nor a path.
      ValueError: it can name no file, or the home folder that it begins with is unknown.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(text := os.fspath(path), str):
        raise TypeError(f"{name}: expected a path, got {type(path).__name__} (give a str or Path)")
    try:
        if not text or "\0" in text:
            raise ValueError("empty, or with a zero byte")
        expanded = Path(os.fsdecode(os.fsencode(text))).expanduser()
        expanded.exists()  # the system refuses names that are too long
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{name}: expected a path that can exist, got {shown(text) or 'nothing'!r} "
            f"({shown(str(reason))})"
        ) from None
    return expanded


def shown(text: object, most: int = 60) -> str:
    """A name or path as messages show it: its end, if it is long, and no control characters."""
    text = str(text)[-4 * most :]
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return text if len(text) <= most else f"...{text[3 - most :]}"
