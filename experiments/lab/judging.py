"""What networks say of finished images, and how sure a measured rate is."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from jfool.softmax import softmax

_BATCH = 100


def probabilities(model: Any, images: Float[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N K"]:
    """Softmax in float32 at the highest matmul precision, of images in [0, 1]."""
    padding = [(0, -len(images) % _BATCH)] + [(0, 0)] * 3  # so that one batch shape is compiled
    batches = np.pad(images, padding).reshape(-1, _BATCH, *images.shape[1:])
    with jax.default_matmul_precision("highest"):
        judged = _probabilities(model, jnp.asarray(batches, jnp.float32))
    return np.asarray(judged).reshape(-1, judged.shape[-1])[: len(images)]


@jax.jit
def _probabilities(model: Any, batches: jax.Array) -> jax.Array:
    def judge(batch: jax.Array) -> jax.Array:
        return softmax(model(batch))

    return lax.map(judge, batches)


def wilson(rate: float, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate measured in independent trials.

    (E. B. Wilson, 1927.) It lies in [0, 1], and has a width also at rates of 0 and 1.
    """
    z = 1.959963984540054
    spread = z * math.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2)
    low, high = ((rate + z**2 / (2 * trials) + s) / (1 + z**2 / trials) for s in (-spread, spread))
    return max(low, 0.0), min(high, 1.0)
