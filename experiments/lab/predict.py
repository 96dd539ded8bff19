"""What networks say of finished images, at the precision at which results are judged.

`N` images, `K` classes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Num

from jfool.softmax import softmax

_BATCH = 100


def as_floats(images: Num[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """Images of 256 levels as floats in [0, 1]; floats as they are."""
    return images / np.float32(255) if images.dtype == np.uint8 else images


def logits(model: Any, images: Num[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N K"]:
    """Logits in float32 at the highest matmul precision, in batches of one shape."""
    images = np.asarray(as_floats(images), np.float32)
    size = min(_BATCH, 1 << max(len(images) - 1, 0).bit_length())  # a power of two if they are few
    padding = [(0, -len(images) % size)] + [(0, 0)] * 3
    batches = np.pad(images, padding).reshape(-1, size, *images.shape[1:])
    with jax.default_matmul_precision("highest"):
        found = _logits(model, jnp.asarray(batches))
    return np.asarray(found, np.float32).reshape(-1, found.shape[-1])[: len(images)]


def probabilities(model: Any, images: Num[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N K"]:
    """Softmax of the logits; NaN where they have none."""
    return np.asarray(softmax(jnp.asarray(logits(model, images))))


@jax.jit
def _logits(model: Any, batches: jax.Array) -> jax.Array:
    return lax.map(lambda batch: model(batch), batches)
