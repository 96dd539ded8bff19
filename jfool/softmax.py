"""Softmax that returns NaN for logits that are NaN or infinite.

XLA's CPU compiler (jax 0.10) may fuse `jax.nn.softmax` with the network, and its fused exponential
turns NaN into ordinary numbers: a candidate with NaN logits would get a fitness.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jfool.base import ClassIndex


def softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Probabilities in float32; NaN where the logits are `broken`."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.softmax(logits))


def log_softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Log-probabilities in float32; NaN where the logits are `broken`."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.log_softmax(logits))


@jax.custom_jvp
def log_softmax_of(logits: Float[Array, "*batch K"], index: ClassIndex) -> Float[Array, "*batch"]:
    """The log-probability of one class. Where it is certain its gradient is exactly zero:

      d log p_t = sum over j != t of p_j (d z_t - d z_j)

    In 1 - p_t, the same by arithmetic, a fused program leaves the rounding of the logits.
    """
    return log_softmax(logits)[..., index]


@log_softmax_of.defjvp
def _(given: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (logits, index), change = given, tangents[0].astype(jnp.float32)
    is_it = (jnp.arange(logits.shape[-1]) == index).reshape((1,) * (logits.ndim - 1) + (-1,))
    others = jnp.where(is_it, 0, softmax(logits))
    gap = change[..., index][..., None] - change
    return log_softmax_of(logits, index), (others * gap).sum(-1)


def broken(logits: Float[Array, "*batch K"]) -> Bool[Array, "*batch 1"]:
    """Whether the logits have no softmax: one is NaN or infinity, or all are -infinity."""
    none = (logits == -jnp.inf).all(-1, keepdims=True)
    return none | (jnp.isnan(logits) | (logits == jnp.inf)).any(-1, keepdims=True)
