"""Numbers among arguments, checked as programs use them: in 32 bits.

Programs hold floats in float32 and whole numbers in int32. There 1e39 is infinite, and 1e-50 is 0;
so is a subnormal number such as 1e-45, which processors may flush to zero.
"""

from collections.abc import Iterable
from typing import Any, TypeGuard

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.rows import Rows

LARGEST = 2**31 - 1  # of int32
_TINY = np.finfo(np.float32).tiny


def is_whole(value: Any, least: int) -> bool:
    """A whole number (no bool, no float) of at least `least` that int32 holds."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(least <= value <= LARGEST)


def is_number(
    value: Any,
    *,
    least: Any = -np.inf,
    above: Any = -np.inf,
    most: Any = np.inf,
    below: Any = np.inf,
    whole: bool = False,
    ndim: int = 0,
) -> TypeGuard[float]:
    """One finite real number of any type within bounds, or an array of them with `ndim` axes; in 32
    bits. If it is traced, the bounds are not checked."""
    array = known(value)
    if array.ndim != ndim or not is_real(array):
        return False
    if isinstance(array, Tracer):
        return True
    array = in_32_bits(array)
    least, above, most, below = (in_32_bits(np.asarray(at)) for at in (least, above, most, below))
    inside = (least <= array) & (array <= most) & (above < array) & (array < below)
    fits = np.isfinite(array) & inside
    if whole:
        fits &= (array % 1 == 0) & (np.abs(array) <= LARGEST)
    return bool(np.all(fits))


def check_number(name: str, value: Any, expected: str, **bounds: Any) -> None:
    """Raises ValueError unless it `is_number` within bounds, which `expected` has in words."""
    if not is_number(value, **bounds):
        raise ValueError(f"{name}: expected {expected}, got {brief(value)}")


def check_whole(name: str, value: Any, least: int, expected: str = "") -> None:
    """Raises ValueError unless it `is_whole`."""
    if not is_whole(value, least):
        expected = expected or f"a whole number of at least {least}"
        raise ValueError(f"{name}: expected {expected}, got {brief(value)}")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raises ValueError unless it is one of a few words."""
    words = list(choices)
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{name}: expected one of {words}, got {brief(value)}")


def in_32_bits(array: np.ndarray) -> np.ndarray:
    """Real numbers as programs hold them; whole ones that int32 does not hold are infinite."""
    if is_kind(array, np.integer):
        held = (array >= -LARGEST - 1) & (array <= LARGEST)
        return np.where(held, array.astype(np.float64), np.inf)
    with np.errstate(over="ignore", under="ignore"):
        single = array.astype(np.float32)
    return np.where(np.abs(single) < _TINY, np.float32(0), single)


def brief(value: Any) -> str:
    """A value as messages show it: on one line, short, and with what 32 bits make of it."""
    try:
        text = f"{' '.join(repr(value).split()):.60}"
    except Exception:  # whose repr fails, such as a whole number of 5000 digits
        return type(value).__name__
    array = known(value)
    if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
        return f"{text} (beyond 32 bits)"
    if isinstance(array, (Tracer, Rows)) or array.ndim or not is_real(array):
        return text
    held = in_32_bits(array)
    if np.isfinite(array) and not np.isfinite(held):
        return f"{text} (infinite in 32 bits)"
    return f"{text} (0 in 32 bits)" if array != 0 and held == 0 else text


def known(value: Any) -> Any:
    """As NumPy, to compute with at once also inside a user's `jit`; a traced array, and rows of a
    data set, as they are; what is no array, as one object."""
    if isinstance(value, (Tracer, Rows)):
        return value
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # ragged, or partly traced
        array = np.empty((), object)
        array[()] = value
        return array


def values_of(value: Any) -> np.ndarray | None:
    """As NumPy; None for a traced array."""
    return None if isinstance(value, Tracer) else np.asarray(value)


def is_kind(array: Any, kind: type) -> bool:
    """Whether it is of a kind of dtype such as `np.integer`."""
    return bool(jnp.issubdtype(array.dtype, kind))


def is_real(array: Any) -> bool:
    """Whether it is of floats of any size, or of whole numbers."""
    return is_kind(array, np.floating) or is_kind(array, np.integer)
