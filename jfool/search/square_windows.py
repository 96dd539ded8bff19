"""Random search that moves the budget of an L2 or L1 ball between windows. (Andriushchenko et al.,
2020, algorithm 3; for L1, the code of AutoAttack does the same)

What two random windows hold of the perturbation, and what the ball has left, all goes to one of
them: as a bump of random sign per channel, on top of what was there. A bump is two pyramids side by
side, of opposite sign. The start is a grid of bumps. x' replaces x if it is fitter, or the first
that fools the model.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Image, PRNGKey, pytree
from jfool.composition import Task
from jfool.draws import heads, signs
from jfool.search.random_search import RandomSearch
from jfool.search.square_flips import centered, side, window

_TILES = 5  # bumps along the height of the start
_LEAST_SIDE = 3


@pytree
class SquareWindows(RandomSearch):
    """
    Attributes:
      share: of the image that a window covers at the start.
      power: 2 in the L2 ball, 1 in the L1 ball.
    """

    share: ArrayLike = 0.8
    power: ArrayLike = 2.0

    def first(self, key: PRNGKey, task: Task) -> Image:
        image, epsilon = centered(task.job)
        height, width, num_channels = image.shape
        length = max(min(height, width) // _TILES, 1)
        rows, columns = height // length, width // length
        place = jnp.arange(length, dtype=jnp.int32)
        flip_key, sign_key = jax.random.split(key)
        flips = heads(flip_key, (rows, 1, columns, 1, 1))
        bump = self._bump(place[:, None, None], place[None, :, None], jnp.int32(length))
        flipped = jnp.where(flips, bump.swapaxes(0, 1)[None, :, None], bump[None, :, None])
        sign = signs(sign_key, (rows, 1, columns, 1, num_channels))
        grid = (sign * flipped).reshape(rows * length, columns * length, num_channels)
        around = [(rest // 2, rest - rest // 2) for rest in (height % length, width % length)]
        start = jnp.pad(grid, (*around, (0, 0)))
        start = start * epsilon / self._size(start) ** (1 / self._power)
        return task.constraint.project(task.job, image + start)

    def proposed(self, key: PRNGKey, task: Task, image: Image, share: Array) -> Image:
        to_key, from_key, flip_key, sign_key = jax.random.split(key, 4)
        original, epsilon = centered(task.job)
        delta, length = image - original, side(image, share, _LEAST_SIDE)
        length = length + 1 - length % 2  # odd
        length = jnp.where(length > min(image.shape[:2]), length - 2, length)
        to, other = window(to_key, image, length), window(from_key, image, length)

        sign = signs(sign_key, (1, 1, image.shape[2]))
        flip = heads(flip_key)
        row, column = jnp.where(flip, to.column, to.row), jnp.where(flip, to.row, to.column)
        bump = self._bump(row, column, length)
        there = jnp.where(to.inside, delta, 0)
        new = self._unit(sign * bump + self._unit(there, (0, 1)), (0, 1))
        left = jnp.maximum(epsilon**self._power - self._size(delta), 0)
        held = self._size(jnp.where(to.inside | other.inside, delta, 0))
        amount = ((left + held) / image.shape[2]) ** (1 / self._power)
        kept = jnp.where(to.inside | other.inside, 0, delta)
        return task.constraint.project(task.job, original + kept + amount * new)

    @property
    def _power(self) -> Array:
        return jnp.asarray(self.power, jnp.float32)

    def _bump(self, row: Array, column: Array, length: Array) -> Array:
        """Of norm 1 in the square of this side, by places in it; 0 elsewhere."""
        inside = (row >= 0) & (row < length) & (column >= 0) & (column < length)
        half = length // 2
        upper = _pyramid(row, column, half, length)
        lower = _pyramid(row - half, column, length - half, length)
        upper = self._unit(jnp.where(inside & (row < half), upper, 0))
        lower = self._unit(jnp.where(inside & (row >= half), lower, 0))
        return self._unit(upper - lower)

    def _unit(self, values: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Divided by the norm over these axes; zero stays zero."""
        norm = self._size(values, axes) ** (1 / self._power)
        return values / jnp.where(norm > 0, norm, 1)

    def _size(self, values: Array, axes: tuple[int, ...] | None = None) -> Array:
        """The sum of powers over axes, which are kept."""
        return (jnp.abs(values) ** self._power).sum(axes, keepdims=True)


def _pyramid(row: Array, column: Array, height: Array, width: Array) -> Array:
    """Layers of 1/1, 1/4, 1/9, ..., each a square around the middle one pixel wider to every side,
    up to the edge that is farthest."""
    layer = jnp.maximum(jnp.abs(row - height // 2), jnp.abs(column - width // 2))
    num_layers = jnp.maximum(height, width) // 2 + 1
    most = int(np.sum([*row.shape, *column.shape]))
    sums = jnp.asarray(np.cumsum([0, *(1 / np.arange(1, most) ** 2)]), jnp.float32)
    return sums[num_layers] - sums[layer]
