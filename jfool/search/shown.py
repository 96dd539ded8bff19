"""Images that a gradient search has shown to the model."""

import jax
import jax.numpy as jnp
from jax import Array

from jfool.base import Image, Truth, pytree
from jfool.composition import Task


@pytree
class Shown:
    """An image `[H, W, C]` that was shown to the model, and what it said.

    gradient: `[H, W, C]`, of the fitness; NaN as 0.
    fitness, logits: `[]`, `[K]`.
    """

    image: Array
    gradient: Array
    fitness: Array
    logits: Array


def differentiated(task: Task, image: Image) -> Shown:
    """Shows an image, for one gradient."""
    fitness, gradient, logits = task.gradient(image)
    return Shown(image, jnp.nan_to_num(gradient), fitness, logits.astype(jnp.float32))


def not_yet(task: Task, image: Image) -> Shown:
    """An image before it is shown: any other is fitter."""
    logits = jnp.full(task.num_classes, jnp.nan, jnp.float32)
    return Shown(image, jnp.zeros_like(image), jnp.full((), -jnp.inf, jnp.float32), logits)


def chosen(condition: Truth, one: Shown, other: Shown) -> Shown:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
