"""Where a monotone condition ends, to the last bit."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jfool.base import Truth

_BITS = 31  # of a float32 without its sign


def last_where(
    holds: Callable[[Float[Array, ""]], Truth], largest: Float[Array, ""]
) -> Float[Array, ""]:
    """The largest float32 in [0, largest] where `holds`, which is true up to some number and false
    from there on; 0 if it is false everywhere.

    Positive floats are ordered as their bits are, so halving the bits finds a threshold of any
    magnitude to the last place in 31 evaluations.
    """

    def halve(_: ArrayLike, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = low + (high - low) // 2
        here = holds(lax.bitcast_convert_type(middle, jnp.float32))
        return jnp.where(here, middle, low), jnp.where(here, high, middle)

    ends = jnp.zeros((), jnp.int32), lax.bitcast_convert_type(largest, jnp.int32) + 1
    return lax.bitcast_convert_type(lax.fori_loop(0, _BITS, halve, ends)[0], jnp.float32)
