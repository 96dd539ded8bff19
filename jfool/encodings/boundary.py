"""Rules for pixel positions that a search moved out of the image.

A rule is `f(key, x, size) -> x` with the result in [0, size), so that `floor(x)` is a valid row or
column. Positions inside do not change, up to one unit in the last place at the upper end.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import PRNGKey

Positions = Float[Array, "*population"]
Sizes = Float[Array, "*axes"]  # broadcasts against the positions
BoundaryRule = Callable[[PRNGKey, Positions, Sizes], Positions]


def clip(key: PRNGKey, x: Positions, size: Sizes) -> Positions:
    """To the nearest pixel of the image."""
    del key
    return jnp.clip(x, 0, jnp.nextafter(size, 0))


def wrap(key: PRNGKey, x: Positions, size: Sizes) -> Positions:
    """Around the torus."""
    return clip(key, x - size * jnp.floor(x / size), size)


def reflect(key: PRNGKey, x: Positions, size: Sizes) -> Positions:
    """Mirrored at the edge that it crossed."""
    folded = jnp.abs(x - 2 * size * jnp.round(x / (2 * size)))  # triangle wave of period 2 size
    return clip(key, folded, size)


def resample(key: PRNGKey, x: Positions, size: Sizes) -> Positions:
    """Drawn again, uniformly over the image (SciPy's rule)."""
    drawn = jax.random.uniform(key, x.shape, jnp.float32) * size
    return clip(key, jnp.where((x >= 0) & (x < size), x, drawn), size)


BOUNDARIES: Mapping[str, BoundaryRule] = MappingProxyType(
    {"clip": clip, "wrap": wrap, "reflect": reflect, "resample": resample}
)
