"""Checks of the jobs of a constraint; of traced ones, shapes and dtypes alone."""

from typing import Any

import numpy as np

from jfool.arguments import check_images
from jfool.numbers import brief, in_32_bits, is_real, known, values_of


def check_image(jobs: Any) -> None:
    """Raises TypeError or ValueError unless `jobs.image` is `[N, H, W, C]` floats in [0, 1]."""
    _check_present(jobs, "image")
    check_images("jobs.image", jobs.image)


def check_radius(jobs: Any, *, largest: float = np.inf, whole: bool = False) -> None:
    """Raises TypeError or ValueError unless `jobs.epsilon` is `[N]` finite numbers of at least 0.

    Args:
      largest: the most that makes sense in image units.
      whole: only whole numbers.
    """
    _check_present(jobs, "epsilon")
    radii = known(jobs.epsilon)
    if radii.ndim != 1 or not is_real(radii):
        got = f"{radii.dtype} {list(radii.shape)}"
        raise TypeError(f"jobs.epsilon: expected numbers [N], got {got}")
    if len(radii) != np.shape(jobs.image)[0]:
        raise ValueError(
            f"jobs.epsilon: expected one for each of {np.shape(jobs.image)[0]} images, "
            f"got {len(radii)}"
        )
    if (values := values_of(radii)) is None:
        return
    held = in_32_bits(values)
    bad = ~(np.isfinite(held) & (held >= 0))
    odd = bad | (held != np.floor(held)) if whole else bad
    if odd.any():
        expected = (
            "numbers of pixels (whole, at least 0)" if whole else "finite radii of at least 0"
        )
        got = brief(values[odd][0].item())
        raise ValueError(f"jobs.epsilon: expected {expected}, got {got}")
    if (held > largest).any():
        raise ValueError(
            "jobs.epsilon: expected a radius in image units (8 gray levels are 8/255), "
            f"got {held.max()} (divide by 255)"
        )


def _check_present(jobs: Any, name: str) -> None:
    if getattr(jobs, name, None) is None:
        raise TypeError(
            "jobs: expected image (the center) and epsilon (the radius), "
            f"got {type(jobs).__name__} without {name}"
        )
