"""Names that are offered in errors."""

import difflib
import os
from collections.abc import Iterable
from typing import Any

_MOST_CHARACTERS = 160
_NEAREST = 3
_LONGEST = 100


def is_word(name: Any) -> bool:
    """Whether it is a text that can be the name of a file."""
    plain = isinstance(name, str) and name.isprintable() and os.path.basename(name) == name
    return plain and name not in (".", "..") and 0 < len(name) <= _LONGEST


def one_of(known: Iterable[str], given: object) -> str:
    """`one of a, b, c`; of too many for a sentence, those that are most like the given one."""
    names = list(known)
    if len(", ".join(names)) <= _MOST_CHARACTERS:
        return f"one of {', '.join(names)}"
    text = str(given)[:60]
    alike = [name for name in names if text and text in name]
    near = [*alike, *difflib.get_close_matches(text, names, len(names), cutoff=0.0)]
    near = [*dict.fromkeys(near)][:_NEAREST]
    return f"one of {', '.join(near)} or {len(names) - len(near)} others"
