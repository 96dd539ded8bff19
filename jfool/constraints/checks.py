"""Checks of the jobs of a constraint; of traced ones, shapes and dtypes alone."""

from typing import Any

import numpy as np

from jfool.arguments import check_in_box, is_kind, known, values_of


def check_image(jobs: Any) -> None:
    """Raises TypeError or ValueError unless `jobs.image` is `[N, H, W, C]` floats in [0, 1]."""
    _check_present(jobs, "image")
    images = known(jobs.image)
    if images.ndim != 4:
        got = list(images.shape)
        raise ValueError(f"jobs.image: expected floats [N, H, W, C], got shape {got}")
    if not is_kind(images, np.floating):
        got = images.dtype
        raise TypeError(f"jobs.image: expected floats in [0, 1], got {got} (divide 8-bit by 255)")
    check_in_box("jobs.image", images)


def check_radius(jobs: Any, *, largest: float = np.inf, whole: bool = False) -> None:
    """Raises TypeError or ValueError unless `jobs.epsilon` is `[N]` finite numbers of at least 0.

    Args:
      largest: the most that makes sense in image units.
      whole: only whole numbers.
    """
    _check_present(jobs, "epsilon")
    radii = known(jobs.epsilon)
    number = is_kind(radii, np.floating) or is_kind(radii, np.integer)
    if radii.ndim != 1 or not number:
        got = f"{radii.dtype} {list(radii.shape)}"
        raise TypeError(f"jobs.epsilon: expected numbers [N], got {got}")
    if len(radii) != np.shape(jobs.image)[0]:
        raise ValueError(
            f"jobs.epsilon: expected one for each of {np.shape(jobs.image)[0]} images, "
            f"got {len(radii)}"
        )
    if (values := values_of(radii)) is None:
        return
    values = values.astype(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if whole and (bad | (values != np.floor(values))).any():
        odd = values[bad | (values != np.floor(values))][0]
        raise ValueError(
            f"jobs.epsilon: expected numbers of pixels (whole, at least 0), got {odd:g}"
        )
    if bad.any():
        raise ValueError(
            f"jobs.epsilon: expected finite radii of at least 0, got {values[bad][0]:g}"
        )
    if (values > largest).any():
        raise ValueError(
            "jobs.epsilon: expected a radius in image units (8 gray levels are 8/255), "
            f"got {values.max()} (divide by 255)"
        )


def _check_present(jobs: Any, name: str) -> None:
    if getattr(jobs, name, None) is None:
        raise TypeError(
            "jobs: expected image (the center) and epsilon (the radius), "
            f"got {type(jobs).__name__} without {name}"
        )
