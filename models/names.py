"""Names that are offered in errors."""

import difflib
from collections.abc import Iterable

_MOST_CHARACTERS = 160
_NEAREST = 3


def one_of(known: Iterable[str], given: object) -> str:
    """`one of a, b, c`; of too many for a sentence, those that are most like the given one."""
    names = list(known)
    if len(", ".join(names)) <= _MOST_CHARACTERS:
        return f"one of {', '.join(names)}"
    near = difflib.get_close_matches(str(given)[:60], names, _NEAREST, cutoff=0.0)
    return f"one of {', '.join(near)} or {len(names) - len(near)} others"
