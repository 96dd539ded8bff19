"""Steps along the gradient inside a constraint.

  g <- mu g + dL/dx / ||dL/dx||_1      with momentum; else g = dL/dx
  x <- project(x + alpha direction(g))

`direction` and `project` are the constraint's, such as the sign and the clipping of `jfool.Linf`.
FGSM, BIM, PGD and MI-FGSM are this with other numbers.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Candidate, Image, Info, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.encodings.pixels import Pixels
from jfool.numbers import check_number


@pytree
class StepsState:
    """
    image: `[H, W, C]`, to be shown next.
    momentum: `[H, W, C]`; None without.
    best: `[H, W, C]`, the fittest image shown so far.
    fitness: `[]`, that of `best`; -inf at the start.
    logits: `[K]`, those of `best`; NaN at the start.
    """

    image: Array
    momentum: Array | None
    best: Array
    fitness: Array
    logits: Array


@pytree
class ProjectedSteps:
    """
    Attributes:
      step_size: alpha, in image units; or, if `relative`, as a multiple of `job.epsilon`.
      momentum: mu; None for none.
      relative: the unit of the step size.
      random_start: start anywhere in the constraint instead of at `job.image`.
    """

    step_size: ArrayLike
    momentum: ArrayLike | None = None
    relative: bool = static(default=False)
    random_start: bool = static(default=False)

    needs = Pixels

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self, key: PRNGKey, task: Task) -> StepsState:
        image = jnp.asarray(task.job.image, jnp.float32)
        if self.random_start:
            image = task.constraint.start(key, task.job)
        return StepsState(
            image=image,
            momentum=None if self.momentum is None else jnp.zeros_like(image),
            best=image,
            fitness=jnp.full((), -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
        )

    def step(self, key: PRNGKey, task: Task, state: StepsState) -> tuple[StepsState, Info]:
        del key
        image, job, constraint = state.image, task.job, task.constraint
        fitness, gradient, logits = task.gradient(image)
        better = fitness > state.fitness  # strictly; a NaN never wins

        gradient, momentum = jnp.nan_to_num(gradient), None
        if state.momentum is not None:
            momentum = jnp.asarray(self.momentum, jnp.float32) * state.momentum + _unit(gradient)
            gradient = momentum
        moved = image + self._step_size(job) * constraint.direction(job, image, gradient)
        stepped = StepsState(
            image=constraint.project(job, moved),
            momentum=momentum,
            best=jnp.where(better, image, state.best),
            fitness=jnp.where(better, fitness, state.fitness),
            logits=jnp.where(better, logits.astype(jnp.float32), state.logits),
        )
        return stepped, Info(stepped.fitness)

    def best(self, task: Task, state: StepsState) -> Candidate:
        del task
        return Candidate(state.best, state.logits, state.fitness, state.best)

    def last(self, task: Task, state: StepsState) -> Candidate:
        """The image after the last step, which was not shown to the model."""
        del task
        unknown = jnp.full_like(state.logits, jnp.nan)
        return Candidate(state.image, unknown, jnp.full_like(state.fitness, jnp.nan), state.image)

    def check(self) -> None:
        """Raises ValueError on numbers that cannot work."""
        check_number("step_size", self.step_size, "a positive number", above=0)
        if self.momentum is not None:
            expected = "None or a number of at least 0"
            check_number("momentum", self.momentum, expected, least=0)

    def _step_size(self, job: Any) -> Array:
        size = jnp.asarray(self.step_size, jnp.float32)
        return size * jnp.asarray(job.epsilon, jnp.float32) if self.relative else size


def _unit(gradient: Image) -> Image:
    """With L1 norm 1, without under- or overflow; zero if the gradient is."""
    largest = jnp.abs(gradient).max()
    scaled = gradient / jnp.where(largest > 0, largest, 1)
    length = jnp.abs(scaled).sum()
    return scaled / jnp.where(length > 0, length, 1)
