"""What a model returns: logits `[B, K]`, or a sentence on what came instead."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jfool.base import Images, Logits

_TWO_LOGITS = "make two of a sigmoid's logit z: jnp.concatenate([jnp.zeros_like(z), z], -1)"
_UNTRACEABLE = (
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.ConcretizationTypeError,
)


def logits_of(
    model: Callable[..., Any], images: Images, *keys: Array, num_classes: int | None = None
) -> Logits:
    """`model(images, *keys)`. What is wrong with the model is found here, at the batch that is
    shown, while JAX traces it.

    Args:
      num_classes: K; None where it was checked before.
    Raises:
      ValueError: the model does not take the images, or its logits have another shape.
      TypeError: it returns something else.
    """
    try:
        logits = model(images, *keys)
    except _UNTRACEABLE as error:
        raise TypeError(
            "model: expected one that JAX can trace, got one that needs the values of the images "
            f"({type(error).__name__}; write it with jax.numpy, or, for attacks without gradients, "
            "call it by jax.pure_callback)"
        ) from error
    except FloatingPointError:  # what a user asked of jax_debug_nans
        raise
    except Exception as error:
        if str(error).startswith("model:"):  # a model of models
            raise
        raise ValueError(
            f"model: expected it to take images {list(images.shape)}, got {first_line(error):.160}"
        ) from error
    return as_logits(logits, len(images), num_classes)


def as_logits(logits: Any, batch: int, num_classes: int | None = None) -> Logits:
    """What a model returned for `batch` images, if it is logits `[batch, K]`.

    Raises:
      TypeError, ValueError: it is something else.
    """
    wanted = f"model: expected logits [{batch}, {num_classes or 'K'}] for {batch} images"
    if not isinstance(logits, jax.Array):
        raise TypeError(f"{wanted}, got {_told(logits)}")
    fits = logits.ndim == 2 and len(logits) == batch and logits.shape[1] > 1
    if not fits or num_classes not in (None, logits.shape[1]):
        known = "" if num_classes is None else f" (num_classes = {num_classes})"
        remedy = _remedy(logits.shape, batch, num_classes)
        raise ValueError(f"{wanted}{known}, got shape {list(logits.shape)}{remedy}")
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise TypeError(
            f"{wanted} in floating point, got {logits.dtype} (return them before they are rounded, "
            "compared or turned into classes)"
        )
    return logits


def _told(logits: Any) -> str:
    """What came instead of an array, and how to take the logits."""
    if logits is None:
        return "None (does the model return its result?)"
    if isinstance(logits, np.ndarray):
        return "a NumPy array, which cannot depend on traced images (write it with jax.numpy)"
    kind = type(logits).__name__
    if isinstance(logits, dict):
        names = list(logits)
        name = "logits" if "logits" in names else names[0] if names else "logits"
        return (
            f"dict {names!r:.60} (take one: jfool.wrap(lambda w, x: apply(w, x)[{name!r:.20}], w))"
        )
    if isinstance(logits, (tuple, list)):
        return f"{kind} of {len(logits)} (take one: jfool.wrap(lambda w, x: apply(w, x)[0], w))"
    return f"{kind} (take the logits out of it: jfool.wrap(lambda w, x: apply(w, x).logits, w))"


def _remedy(shape: tuple[int, ...], batch: int, num_classes: int | None) -> str:
    if shape in ((batch,), (batch, 1)):
        return f" ({_TWO_LOGITS})"
    if len(shape) == 1:
        return " (keep the axis of images, also of a single one: no squeeze)"
    if len(shape) == 2 and shape[1] == batch and num_classes in (None, shape[0]):
        return " (transpose them)"
    if len(shape) > 2:
        return " (return one row per image, such as the mean over further axes)"
    return ""


def first_line(error: Exception) -> str:
    """The error's type, and what it says first."""
    return f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
