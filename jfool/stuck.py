"""Gradient attacks that do not move, because the gradient of what they maximize is exactly zero."""

import warnings
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Bool


def stuck(
    prediction: Any, classes: Any, targeted: bool, num_gradients: Any, num_zero_gradients: Any
) -> Bool[np.ndarray, " N"]:
    """Which jobs are not at their goal, and had no gradient in half of their steps or more.

    Beyond the goal a gradient may well be zero: nothing is to be gained.

    Args:
      prediction, num_gradients, num_zero_gradients: of an `AttackResult`, or columns of a sweep's.
      classes: `[N]` or `[N, cells]`, the targets or, untargeted, the labels.
      targeted: which of them.
    """
    prediction, classes = np.asarray(prediction), np.asarray(classes)
    short = (prediction != classes) if targeted else (prediction == classes)
    num_zero = np.asarray(num_zero_gradients)
    still = (num_zero > 0) & (2 * num_zero >= np.asarray(num_gradients))
    return short.reshape(len(still), -1).any(1) & still


def warn_if_stuck(*columns: Any) -> None:
    """Warns of jobs that are `stuck`, unless it cannot be known: inside a user's `jit`, or where
    other processes hold some of them. Called by what users call, over `undisturbed`."""
    arrays = [x for x in columns if isinstance(x, jax.Array)]
    if any(isinstance(x, Tracer) or not x.is_fully_addressable for x in arrays):
        return
    if num := int((found := stuck(*columns)).sum()):
        warnings.warn(
            f"num_zero_gradients: expected gradients, got exactly zero for {num} of {len(found)} "
            "jobs, whose images did not move (maximize jfool.Margin(), which does not saturate; "
            "pass roundings by jfool.straight_through; or search without gradients, as "
            "jfool.OnePixel does)",
            stacklevel=4,
        )
