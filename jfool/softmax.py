"""Softmax of logits that may be broken: NaN comes out wherever NaN or infinity has to.

XLA's CPU compiler (jax 0.10) may fuse `jax.nn.softmax` with the network before it, and its fused
exponential makes ordinary numbers of NaN: a candidate that broke the network would have a fitness.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Probabilities in float32; all NaN where a logit is NaN or infinite, or all are -infinite."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.softmax(logits))


def log_softmax(logits: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Their logarithms."""
    logits = logits.astype(jnp.float32)
    return jnp.where(broken(logits), jnp.nan, jax.nn.log_softmax(logits))


def broken(logits: Float[Array, "*batch K"]) -> Bool[Array, "*batch 1"]:
    """Whether they have no softmax: one is NaN or infinite, or all are -infinite."""
    none = (logits == -jnp.inf).all(-1, keepdims=True)
    return none | (jnp.isnan(logits) | (logits == jnp.inf)).any(-1, keepdims=True)
