"""Gradient ascent on one image in [0, 1], with any optax optimizer."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Candidate, Image, Info, PRNGKey, pytree
from jfool.composition import Task
from jfool.encodings.pixels import Pixels
from jfool.functions import as_pytree
from jfool.jobs import original
from jfool.numbers import brief, check_number
from jfool.renamed import renamed
from jfool.search.confidence_steps import confidence_steps


@runtime_checkable
class Penalty(Protocol):
    """A penalty or regularizer of the steps; see `jfool.penalties`, `jfool.regularizers`."""

    def penalty(self, job: Any, image: Image) -> Array: ...
    def direction(self, job: Any, image: Image, gradient: Image) -> Image: ...
    def land(
        self, job: Any, image: Image, direction: Image, moved: Image, step: Array
    ) -> Image: ...


@pytree
class AscentState:
    """
    image: `[H, W, C]`, to be shown next.
    optimizer: state of the optimizer.
    best: `[H, W, C]`, the fittest image so far.
    fitness: `[]`, that of `best`, the penalty included; -inf at the start.
    logits: `[K]`, those of `best`; NaN at the start.
    step: `[]` int, steps taken.
    """

    image: Array
    optimizer: Any
    best: Array
    fitness: Array
    logits: Array
    step: Array


@renamed(learning_rate="step_size")
@pytree
class GradientAscent:
    """Steps of an optimizer up the fitness of one image.

    Attributes:
      step_size: the optimizer's learning rate; another one needs no new compilation.
      optimizer: from step size to optax optimizer: `optax.adam`, `optax.sgd`,
        `functools.partial(optax.sgd, momentum=0.9)`, or a named function of your own. Another float
        in a `partial` needs no new compilation; a fresh `lambda` does. Its update may take the loss
        as `value`, as that of `jfool.confidence_steps` does.
    """

    step_size: ArrayLike
    optimizer: Callable[..., optax.GradientTransformation] = optax.adam

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizer", as_pytree(self.optimizer))

    needs = Pixels

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self, key: PRNGKey, task: Task) -> AscentState:
        image = original(task.job, task.image_shape)
        image = image if task.start is None else task.start(key, image)
        return AscentState(
            image=image,
            optimizer=self._optimizer().init(image),
            best=image,
            fitness=jnp.full((), -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
            step=jnp.zeros((), jnp.int32),
        )

    def step(self, key: PRNGKey, task: Task, state: AscentState) -> tuple[AscentState, Info]:
        """Evaluates the image, keeps it if it is the best, and takes a step from it."""
        del key
        image, job, penalty = state.image, task.job, task.penalty
        fitness, gradient, logits = task.gradient(image)
        fitness = fitness - penalty.penalty(job, image)
        better = fitness > state.fitness  # strictly; a NaN never wins

        direction = penalty.direction(job, image, jnp.nan_to_num(gradient))
        # optax mixes dtypes and ranks.
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            updates, optimizer = self._optimizer().update(
                -direction, state.optimizer, image, value=-fitness
            )
            moved = jnp.asarray(optax.apply_updates(image, updates))
        stepped = AscentState(
            image=jnp.clip(penalty.land(job, image, direction, moved, state.step), 0, 1),
            optimizer=optimizer,
            best=jnp.where(better, image, state.best),
            fitness=jnp.where(better, fitness, state.fitness),
            logits=jnp.where(better, logits.astype(jnp.float32), state.logits),
            step=state.step + 1,
        )
        return stepped, Info(stepped.fitness)

    def best(self, task: Task, state: AscentState) -> Candidate:
        del task
        return Candidate(state.best, state.logits, state.fitness, state.best)

    def check(self) -> None:
        """Raises TypeError or ValueError on settings that cannot work."""
        check_number("ascent.step_size", self.step_size, "a positive number", above=0)
        image = jnp.zeros((1, 1, 1), jnp.float32)

        def take_a_step(ascent: GradientAscent) -> Any:
            optimizer = ascent._optimizer()
            return optimizer.update(image, optimizer.init(image), image, value=image.sum())

        try:
            self._optimizer()  # with its numbers, which it may check
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
                updates, _ = jax.eval_shape(take_a_step, self)
            if updates.shape != image.shape:
                raise TypeError(f"an update of shape {updates.shape}")
        except jax.errors.ConcretizationTypeError as error:
            raise TypeError(
                "ascent.optimizer: expected floats that may be traced, got a function that needs "
                f"their values, {brief(self.optimizer)} (a named function may bind them)"
            ) from error
        except Exception as error:
            if ": expected " in str(error):  # from an optimizer of jfool
                raise
            raise TypeError(
                "ascent.optimizer: expected a function from a step size to an optax optimizer, "
                f"such as optax.adam, got {brief(self.optimizer)}"
            ) from error

    def aims_at_confidence(self) -> bool:
        """Whether the steps are `jfool.confidence_steps`, which need a probability as fitness."""
        update = self._optimizer().update
        return update.__module__ == confidence_steps.__module__

    def _optimizer(self) -> optax.GradientTransformationExtraArgs:
        optimizer = self.optimizer(jnp.asarray(self.step_size, jnp.float32))
        return optax.with_extra_args_support(optimizer)
