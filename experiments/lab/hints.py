"""What the annotation of a setting takes: in words, and whether a value is one."""

from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

_TYPES = {int: Integral, float: Real, bool: bool, str: str, Path: Path, NoneType: NoneType}
_WORDS = {int: "whole number", float: "number", str: "value", Path: "path"}


def bare(hint: Any) -> Any:
    """A type without its annotations."""
    return bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def expected(hint: Any) -> str:
    """What a value has to be, in words."""
    hint, inside = bare(hint), get_args(bare(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("None" if inner is NoneType else expected(inner) for inner in inside)
    if get_origin(hint) is tuple:
        count = "" if inside[-1] is Ellipsis else f"{len(inside)} "
        return f"{count}{_WORDS[bare(inside[0])]}s"
    return "True or False" if hint is bool else f"a {_WORDS[hint]}"


def fits(hint: Any, value: Any) -> bool:
    """Whether a value has the type of an annotation; a bool is no number."""
    hint, inside = bare(hint), get_args(bare(hint))
    if get_origin(hint) in (Union, UnionType):
        return any(fits(inner, value) for inner in inside)
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        inners = [inside[0]] * len(value) if inside[-1] is Ellipsis else inside
        return len(inners) == len(value) and all(map(fits, inners, value))
    return isinstance(value, _TYPES[hint]) and isinstance(value, bool) <= (hint is bool)
