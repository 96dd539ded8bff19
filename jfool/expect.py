"""What arguments are, asked before they are used."""

from typing import Any, TypeGuard

import numpy as np


def is_whole(value: Any, least: int) -> bool:
    """A whole number (no bool, no float) of at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= least)


def is_number(value: Any) -> TypeGuard[float]:
    """One finite real number, whatever holds it."""
    array = np.asarray(value)
    real = np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)
    return array.ndim == 0 and bool(real) and bool(np.isfinite(array))
