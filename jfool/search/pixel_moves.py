"""Moves of one row (x, y, c) of a sparse image, from which `GreedySearch` makes proposals.

Every move is `f(key, rows [P, genes], others [P, genes], size) -> rows [P, genes]`, where `others`
are rows of other good images and `size` is (W, H). The encoding repairs positions outside the image
and intensities outside [0, 1].
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import PRNGKey

Rows = Float[Array, "P genes"]
Size = Float[Array, " 2"]
Move = Callable[[PRNGKey, Rows, Rows, Size], Rows]

_KEEPS_COLOR = 0.3  # share of the jumps
_WIDEST = 0.25  # of the image, the reach of a near move to each side
_SPREAD = 0.3  # standard deviation of the intensities' noise


def corners(key: PRNGKey, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Intensities 0 or 1, the corners of the color cube, all equally likely."""
    return jax.random.bernoulli(key, jnp.float32(0.5), shape).astype(jnp.float32)


def size_of(image_shape: tuple[int, int, int]) -> Size:
    """(W, H)."""
    height, width, _ = image_shape
    return jnp.array([width, height], jnp.float32)


def anywhere(
    key: PRNGKey, count: tuple[int, int], image_shape: tuple[int, int, int]
) -> Float[Array, "P k genes"]:
    """Rows at random pixels in random corner colors; `count` is (P, k)."""
    position_key, color_key = jax.random.split(key)
    u = jax.random.uniform(position_key, (*count, 2), jnp.float32)
    positions = jnp.floor(u * size_of(image_shape)[None, None])
    return jnp.concatenate([positions, corners(color_key, (*count, image_shape[2]))], axis=-1)


def jump(key: PRNGKey, rows: Rows, others: Rows, size: Size) -> Rows:
    """To a random pixel, with a new corner color, or less often the old color."""
    del others
    at_key, color_key, keep_key = jax.random.split(key, 3)
    positions = jnp.floor(jax.random.uniform(at_key, rows[:, :2].shape, jnp.float32) * size[None])
    keep = jax.random.bernoulli(keep_key, jnp.float32(_KEEPS_COLOR), (len(rows), 1))
    colors = jnp.where(keep, rows[:, 2:], corners(color_key, rows[:, 2:].shape))
    return jnp.concatenate([positions, colors], axis=1)


def near(key: PRNGKey, rows: Rows, others: Rows, size: Size) -> Rows:
    """To a pixel within a distance drawn log-uniformly from 1 to a quarter of the image, so that no
    scale has to be chosen."""
    del others
    how_far, where = jax.random.split(key)
    u = jax.random.uniform(how_far, (len(rows), 1), jnp.float32)
    reach = jnp.maximum(_WIDEST * size, 1.0)[None] ** u + 0.5
    offsets = jax.random.uniform(where, rows[:, :2].shape, jnp.float32, -1.0, 1.0) * reach
    return rows.at[:, :2].add(jnp.round(offsets))


def flip(key: PRNGKey, rows: Rows, others: Rows, size: Size) -> Rows:
    """One intensity to the farther end of [0, 1]."""
    del others, size
    channels = rows.shape[1] - 2
    channel = jax.random.randint(key, (len(rows), 1), 0, channels, jnp.int32)
    flipped = channel == jnp.arange(channels, dtype=jnp.int32)[None]
    opposite = jnp.where(rows[:, 2:] > 0.5, 0.0, 1.0)
    return rows.at[:, 2:].set(jnp.where(flipped, opposite, rows[:, 2:]))


def shade(key: PRNGKey, rows: Rows, others: Rows, size: Size) -> Rows:
    """Normal noise on the intensities; not all are best at a corner."""
    del others, size
    return rows.at[:, 2:].add(_SPREAD * jax.random.normal(key, rows[:, 2:].shape, jnp.float32))


def borrow(key: PRNGKey, rows: Rows, others: Rows, size: Size) -> Rows:
    """A row of another good image."""
    del key, rows, size
    return others


MOVES: Mapping[str, Move] = MappingProxyType(
    {"jump": jump, "near": near, "flip": flip, "shade": shade, "borrow": borrow}
)
