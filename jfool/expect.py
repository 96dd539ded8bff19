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


def check_num_classes(value: Any) -> None:
    """Raises ValueError naming `num_classes`, if it is no number of classes."""
    if not is_whole(value, 1):
        raise ValueError(f"num_classes: expected a whole number of at least 1, got {value!r}")


def check_targeted(objective: Any) -> None:
    """Raises TypeError naming `objective`, if it does not seek a class."""
    if getattr(objective, "targeted", None) is not True:
        raise TypeError(
            "objective: expected one that seeks a class, such as jfool.Confidence(), "
            f"got {objective!r}"
        )


def check_part(name: str, part: Any, protocol: type, example: str) -> None:
    """Refuses what is no part of an attack, a class in place of its instance among it.

    Raises:
      TypeError, ValueError: naming the part; or what its own `check()` says, if it has one.
    """
    if isinstance(part, type) or not isinstance(part, protocol):
        raise TypeError(f"{name}: expected one such as {example}, got {part!r:.60}")
    if callable(check := getattr(part, "check", None)):
        check()


def check_labels(label: Any, num_classes: int, axes: str = "N") -> None:
    """Refuses what are no classes, axis by axis as named.

    Raises:
      TypeError, ValueError: naming the jobs' label.
    """
    label = np.asarray(label)
    whole = np.issubdtype(label.dtype, np.integer)
    if label.ndim != len(axes.split(", ")) or not label.size or not whole:
        raise TypeError(f"jobs.label: expected integers [{axes}], got {label.dtype} {label.shape}")
    if label.min() < 0 or label.max() >= num_classes:
        raise ValueError(
            f"jobs.label: expected classes 0 to {num_classes - 1}, "
            f"got {label.min()} to {label.max()}"
        )


def check_image_shape(shape: Any) -> None:
    """Refuses what is not (height, width, channels).

    Raises:
      ValueError: naming it.
    """
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(is_whole(n, 1) for n in shape)):
        raise ValueError(f"image_shape: expected (height, width, channels), got {shape!r}")
