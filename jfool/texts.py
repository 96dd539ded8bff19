"""Texts from files and names of files, as they may be shown."""

import os
import unicodedata
from typing import Any

_MOST_TOLD = 120  # characters of a path


def told(path: Any) -> str:
    """A path in an error: without control characters, and of a long one the end."""
    text = visible(os.fspath(path))
    return text if len(text) <= _MOST_TOLD else f"...{text[-_MOST_TOLD:]}"


def visible(text: str) -> str:
    """A text in one line, with escapes in place of what would control a terminal or a page."""
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text
    )
