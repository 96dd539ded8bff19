"""Softmax that returns NaN for logits that are NaN or infinite.

XLA's CPU compiler (jax 0.10) may fuse `jax.nn.softmax` with the network, and its fused exponential
turns NaN into ordinary numbers: a candidate with NaN logits would get a fitness.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Probabilities in float32; NaN where the logits are `broken`."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.softmax(logits))


def log_softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Log-probabilities in float32; NaN where the logits are `broken`."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.log_softmax(logits))


def broken(logits: Float[Array, "*batch K"]) -> Bool[Array, "*batch 1"]:
    """Whether the logits have no softmax: one is NaN or infinity, or all are -infinity."""
    none = (logits == -jnp.inf).all(-1, keepdims=True)
    return none | (jnp.isnan(logits) | (logits == jnp.inf)).any(-1, keepdims=True)
