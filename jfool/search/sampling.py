"""Start populations and donors, drawn in O(P)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jfool.base import PRNGKey

UnitDraw = Callable[[PRNGKey, tuple[int, ...]], Float[Array, "P ..."]]


def uniform(key: PRNGKey, shape: tuple[int, ...]) -> Float[Array, "P ..."]:
    """Independent, uniform in [0, 1)."""
    return jax.random.uniform(key, shape, jnp.float32)


def latin_hypercube(key: PRNGKey, shape: tuple[int, ...]) -> Float[Array, "P ..."]:
    """Uniform in [0, 1), with one member in each of P equal strata of every gene."""
    within, order = jax.random.split(key)
    size = shape[0]
    strata = jnp.broadcast_to(
        jnp.arange(size, dtype=jnp.float32).reshape((-1,) + (1,) * (len(shape) - 1)), shape
    )
    shuffled = jax.random.permutation(order, strata, axis=0, independent=True)
    drawn = (shuffled + jax.random.uniform(within, shape, jnp.float32)) / size
    return jnp.minimum(drawn, jnp.nextafter(jnp.float32(1), jnp.float32(0)))  # rounding up to 1


STARTS: Mapping[str, UnitDraw] = MappingProxyType(
    {"uniform": uniform, "latin_hypercube": latin_hypercube}
)


def donors(key: PRNGKey, size: int) -> tuple[Int[Array, " P"], Int[Array, " P"], Int[Array, " P"]]:
    """Three distinct other members for each member, every triple equally likely.

    Distinct offsets a, b, c in 1..P-1 are added to the member's index modulo P: b is drawn from the
    P-2 offsets other than a, and c from the P-3 other than both, by stepping over them.
    """
    ka, kb, kc = jax.random.split(key, 3)
    a = jax.random.randint(ka, (size,), 1, size, jnp.int32)
    b = jax.random.randint(kb, (size,), 1, size - 1, jnp.int32)
    b = jnp.where(b >= a, b + 1, b)
    c = jax.random.randint(kc, (size,), 1, size - 2, jnp.int32)
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    c = jnp.where(c >= low, c + 1, c)
    c = jnp.where(c >= high, c + 1, c)
    self_index = jnp.arange(size, dtype=jnp.int32)
    return (self_index + a) % size, (self_index + b) % size, (self_index + c) % size
