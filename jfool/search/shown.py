"""Images that a gradient search has shown to the model, one a step."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jfool.base import Candidate, Image, Truth, pytree
from jfool.composition import Task
from jfool.numbers import check_number


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


class PlannedSteps:
    """The methods of searches that are planned for `num_steps` and whose state has an `answer`."""

    @property
    def images_at_once(self) -> int:
        return 1

    def best(self, task: Task, state: Any) -> Candidate:
        del task
        answer = state.answer
        return Candidate(answer.image, answer.logits, answer.fitness, answer.image)

    last = best

    def check(self: Any) -> None:
        """Raises ValueError on a number that cannot work."""
        expected = "a whole number of at least 1"
        check_number("num_steps", self.num_steps, expected, least=1, whole=True)
