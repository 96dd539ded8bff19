"""The smallest step along one direction that fools the model.

  d = direction(x) / max |direction(x)|
  smallest w such that clip(x + w d) fools the model

The direction is computed once. Then rounds of `num_points` images look for w: the first round over
(0, 1], denser near 0; if none of these fools the model, another one over (1, `longest`]; every
other one between the last w that failed and the first that did not.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool import criteria
from jfool.arguments import check_part
from jfool.base import Candidate, Image, Info, PRNGKey, pytree, reference_class, static
from jfool.composition import Task
from jfool.encodings.pixels import Pixels
from jfool.numbers import check_number, check_whole


@runtime_checkable
class Direction(Protocol):
    """`direction(task, image) -> [H, W, C]`, where the model is shown the image once."""

    def __call__(self, task: Task, image: Image, /) -> Image: ...


@pytree
class LineState:
    """
    image: `[H, W, C]`, the nearest that fools the model; `job.image` if none does.
    length: `[]`, its w.
    fooled: `[]` bool, whether there is one.
    fitness, logits: `[]`, `[K]`, of the image; -inf and NaN at the start.
    """

    image: Array
    length: Array
    fooled: Array
    fitness: Array
    logits: Array


@pytree
class MinimalStep:
    """One step is the whole search, so it is run with `num_steps=0`.

    Attributes:
      direction: of the step.
      num_points: images per round.
      num_rounds: w is found to num_points^-num_rounds.
      longest: the largest w; at 1 the first entry has crossed the whole box, and from there on
        weaker ones go on alone.
    """

    direction: Direction
    num_points: int = static(default=32)
    num_rounds: int = static(default=4)
    longest: ArrayLike = 16.0

    needs = Pixels

    @property
    def images_at_once(self) -> int:
        return self.num_points

    def init(self, key: PRNGKey, task: Task) -> LineState:
        del key
        return LineState(
            image=jnp.asarray(task.job.image, jnp.float32),
            length=jnp.zeros((), jnp.float32),
            fooled=jnp.zeros((), bool),
            fitness=jnp.full((), -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
        )

    def step(self, key: PRNGKey, task: Task, state: LineState) -> tuple[LineState, Info]:
        del key
        image = jnp.asarray(task.job.image, jnp.float32)
        direction = jnp.nan_to_num(self.direction(task, image))
        largest = jnp.abs(direction).max()
        direction = direction / jnp.where(largest > 0, largest, 1)
        targeted = task.objective.targeted
        reference = reference_class(task.job, targeted)
        share = jnp.arange(1, self.num_points + 1, dtype=jnp.float32) / self.num_points

        def shorten(
            evaluate: Any, now: tuple[LineState, Array], lengths: Array, when: ArrayLike
        ) -> tuple[LineState, Array]:
            """To the first of rising lengths that fools the model; the one before it failed."""
            state, failed = now
            images = jnp.clip(image[None] + lengths[:, None, None, None] * direction[None], 0, 1)
            logits = evaluate(task.encoding, task.job, images, when=when)
            fools = jax.vmap(lambda row: criteria.fooled(row, reference, targeted))(logits)
            first = jnp.argmax(fools)
            found = LineState(
                image=images[first],
                length=lengths[first],
                fooled=jnp.ones((), bool),
                fitness=task.objective(logits[first], reference),
                logits=logits[first].astype(jnp.float32),
            )
            state = jax.tree.map(lambda new, old: jnp.where(fools.any(), new, old), found, state)
            before = jnp.where(first > 0, lengths[first - 1], failed)
            return state, jnp.where(fools.any(), before, failed)

        def narrow(evaluate: Any, now: tuple[LineState, Array], _: Any) -> Any:
            state, failed = now
            lengths = failed + share * (state.length - failed)
            return shorten(evaluate, now, lengths, state.fooled), None

        none, one = jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32)
        near, failed = shorten(task.evaluate, (state, none), jnp.square(share), True)
        farther = jnp.asarray(self.longest, jnp.float32) ** share
        start = near, jnp.where(near.fooled, failed, one)
        start = shorten(task.evaluate.fold_in(1), start, farther, ~near.fooled)
        (state, _), _ = task.evaluate.fold_in(2).scan(narrow, start, None, self.num_rounds - 1)
        return state, Info(state.fitness)

    def best(self, task: Task, state: LineState) -> Candidate:
        del task
        return Candidate(state.image, state.logits, state.fitness, state.image)

    last = best

    def check(self) -> None:
        """Raises on settings that cannot work."""
        check_part("direction", self.direction, Direction, "HotColdDirection()")
        for name in ("num_points", "num_rounds"):
            check_whole(name, getattr(self, name), 1)
        check_number("longest", self.longest, "a number above 1", above=1)
