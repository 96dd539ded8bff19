"""Random search over squares at the corners of the Linf ball. (Andriushchenko et al., 2020)

  x' = project(x + 2 epsilon sign),    sign = +-1 per channel inside a random square, else 0

x' replaces x if it is fitter, or the first that fools the model. The start has vertical stripes of
+-epsilon, one pixel wide. The square covers a share p of the image, which is halved again and
again.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Image, PRNGKey, pytree
from jfool.composition import Task
from jfool.draws import signs
from jfool.search.random_search import RandomSearch


@pytree
class SquareFlips(RandomSearch):
    """
    Attributes:
      share: p at the start.
    """

    share: ArrayLike = 0.8

    def first(self, key: PRNGKey, task: Task) -> Image:
        image, epsilon = centered(task.job)
        stripes = signs(key, (1, *image.shape[1:]))
        return task.constraint.project(task.job, image + epsilon * stripes)

    def proposed(self, key: PRNGKey, task: Task, image: Image, share: Array) -> Image:
        place_key, sign_key = jax.random.split(key)
        _, epsilon = centered(task.job)
        inside = window(place_key, image, side(image, share, 1)).inside
        sign = signs(sign_key, (1, 1, image.shape[2]))
        return task.constraint.project(task.job, image + 2 * epsilon * jnp.where(inside, sign, 0))


def centered(job: Any) -> tuple[Image, Array]:
    """The original, and the radius."""
    return jnp.asarray(job.image, jnp.float32), jnp.asarray(job.epsilon, jnp.float32)


def side(image: Image, share: Array, least: int) -> Array:
    """Of a square that covers a share of the image."""
    height, width, _ = image.shape
    pixels = jnp.round(jnp.sqrt(share * (height * width))).astype(jnp.int32)
    return jnp.clip(pixels, min(least, height, width), min(height, width))


@pytree
class Window:
    """
    inside: `[H, W, 1]` bool, of a square.
    row, column: `[H, W, 1]`, the place in it, from its upper left corner.
    """

    inside: Array
    row: Array
    column: Array


def window(key: PRNGKey, image: Image, side: Array) -> Window:
    """A square anywhere in the image."""
    height, width, _ = image.shape
    most = jnp.array([height, width], jnp.int32) - side
    top, left = jax.random.randint(key, (2,), 0, most + 1, jnp.int32)
    row = jnp.arange(height, dtype=jnp.int32)[:, None, None] - top
    column = jnp.arange(width, dtype=jnp.int32)[None, :, None] - left
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    return Window(inside, row, column)
