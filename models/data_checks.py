"""Checks of images of 256 levels and of labels; errors name the argument and what to do.

`N` images of `H` x `W` pixels with `C` channels.
"""

from typing import Any

import numpy as np

_CHANNELS = (1, 3, 4)


def as_images(name: str, images: Any) -> np.ndarray:
    """uint8 `[N, H, W, C]`, at least one.

    Raises:
      TypeError, ValueError: naming the argument.
    """
    array = _array(name, images, "uint8 images [N, H, W, C]")
    shape = list(array.shape)
    if array.dtype != np.uint8:
        hint = "convert with .astype(np.uint8)"
        if array.dtype.kind not in "iub":
            hint = "floats in [0, 1]: np.rint(255 * images).astype(np.uint8)"
        got = f"{array.dtype} {shape}"
        raise TypeError(f"{name}: expected uint8 [N, H, W, C] of 0 to 255, got {got} ({hint})")
    if array.ndim != 4 or not array.size:
        hint = " (add channels: images[..., None])" if array.ndim == 3 else ""
        raise ValueError(f"{name}: expected uint8 [N, H, W, C], at least one, got {shape}{hint}")
    if shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        raise ValueError(
            f"{name}: expected [N, H, W, C], channels last, got {shape} "
            "(transpose with images.transpose(0, 2, 3, 1))"
        )
    return array


def as_labels(name: str, labels: Any, count: int, num_classes: int | None = None) -> np.ndarray:
    """int32 `[N]`, of at least 0.

    Args:
      count: of the images, N.
      num_classes: labels are less; None: not known.
    Raises:
      TypeError, ValueError: naming the argument.
    """
    array = _array(name, labels, f"integers [{count}]")
    got = f"{array.dtype} {list(array.shape)}"
    if array.ndim == 2 and len(array) == count:
        raise ValueError(f"{name}: expected integers [{count}], got {got} (one-hot: argmax(1))")
    if array.dtype.kind not in "iu":
        hint = "convert with .astype(np.int32)"
        raise TypeError(f"{name}: expected integers [{count}], got {got} ({hint})")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected one for each image, [{count}], got {got}")
    most = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    if array.min() < 0 or array.max() > most:
        expected = "0 on" if num_classes is None and array.min() < 0 else f"0 to {most}"
        got = f"{array.min()} to {array.max()}"
        raise ValueError(f"{name}: expected classes from {expected}, got {got}")
    return array.astype(np.int32)


def as_names(name: str, names: Any) -> tuple[str, ...]:
    """One or more texts.

    Raises:
      TypeError: naming the argument.
    """
    is_list = isinstance(names, (tuple, list)) and len(names) > 0
    if not is_list or not all(isinstance(item, str) for item in names):
        raise TypeError(f"{name}: expected a tuple of one name for each class, got {names!r:.60}")
    return tuple(names)


def is_whole(value: Any, least: int, below: int = 2**31) -> bool:
    """Whether it is a whole number (no bool) from `least` on, below a limit."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and least <= int(value) < below


def is_image_shape(shape: Any) -> bool:
    """Whether it is (height, width, channels), each at least 1."""
    is_list = isinstance(shape, (tuple, list)) and len(shape) == 3
    return is_list and all(is_whole(length, 1, 2**63) for length in shape)


def is_number(value: Any) -> bool:
    """Whether it is a real number (no bool) that is finite in float32."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return real and bool(abs(value) <= float(np.finfo(np.float32).max))


def _array(name: str, value: Any, expected: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # ragged, or no array at all
        raise TypeError(f"{name}: expected {expected}, got {value!r:.60}") from error
