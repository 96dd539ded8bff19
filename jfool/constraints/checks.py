"""Checks of the jobs of a constraint; of traced ones, shapes and dtypes alone."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jfool.arguments import is_traced


def check_image(jobs: Any) -> None:
    """Raises TypeError or ValueError unless `jobs.image` is `[N, H, W, C]` floats in [0, 1]."""
    _check_present(jobs, "image")
    images = jobs.image
    shape, dtype = np.shape(images), _dtype(images)
    if len(shape) != 4:
        raise ValueError(f"jobs.image: expected floats [N, H, W, C], got shape {list(shape)}")
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"jobs.image: expected floats in [0, 1], got {dtype} (divide 8-bit by 255)")
    if is_traced(images):
        return
    values = np.asarray(images)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"jobs.image: expected values in [0, 1], got {values.min():g} to {values.max():g}"
        )


def check_radius(jobs: Any, *, largest: float = np.inf, whole: bool = False) -> None:
    """Raises TypeError or ValueError unless `jobs.epsilon` is `[N]` finite numbers of at least 0.

    Args:
      largest: the most that makes sense in image units.
      whole: only whole numbers.
    """
    _check_present(jobs, "epsilon")
    shape, dtype = np.shape(jobs.epsilon), _dtype(jobs.epsilon)
    number = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
    if len(shape) != 1 or not number:
        raise TypeError(f"jobs.epsilon: expected numbers [N], got {dtype} {list(shape)}")
    if shape[0] != np.shape(jobs.image)[0]:
        raise ValueError(
            f"jobs.epsilon: expected one for each of {np.shape(jobs.image)[0]} images, "
            f"got {shape[0]}"
        )
    if is_traced(jobs.epsilon):
        return
    values = np.asarray(jobs.epsilon, np.float64)
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


def _dtype(values: Any) -> Any:
    return values.dtype if is_traced(values) else np.asarray(values).dtype
