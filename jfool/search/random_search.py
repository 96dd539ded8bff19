"""Random search by one proposal a step, whose size falls. (Andriushchenko et al., 2020)"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jfool import criteria
from jfool.base import Candidate, Info, PRNGKey, pytree
from jfool.composition import Task
from jfool.numbers import check_number

_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # steps after which p is halved


@pytree
class SquareState:
    """
    image, fitness, logits: `[H, W, C]`, `[]`, `[K]`, the answer so far; -inf and NaN at the start.
    proposal: `[H, W, C]`, to be shown next.
    num_steps: `[]`, proposals shown, that of the start not counted.
    """

    image: Array
    fitness: Array
    logits: Array
    proposal: Array
    num_steps: Array


class RandomSearch:
    """The methods of searches that propose one image a step: `first(key, task)`, then
    `proposed(key, task, image, share)` with the share p of the image to be changed."""

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self: Any, key: PRNGKey, task: Task) -> SquareState:
        image = self.first(key, task)
        return SquareState(
            image=image,
            fitness=jnp.full((), -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
            proposal=image,
            num_steps=jnp.zeros((), jnp.int32),
        )

    def step(self: Any, key: PRNGKey, task: Task, state: SquareState) -> tuple[SquareState, Info]:
        fitness, logits = task.fittest(state.proposal[None])
        fitness, logits = fitness[0], logits.astype(jnp.float32)
        before = task.fooled(state.logits), state.fitness
        accepted = criteria.better((task.fooled(logits), fitness), before)
        image = jnp.where(accepted, state.proposal, state.image)
        halvings = (jnp.array(_HALVINGS, jnp.int32) < state.num_steps).sum(dtype=jnp.int32)
        share = jnp.ldexp(jnp.asarray(self.share, jnp.float32), -halvings)
        stepped = SquareState(
            image=image,
            fitness=jnp.where(accepted, fitness, state.fitness),
            logits=jnp.where(accepted, logits, state.logits),
            proposal=self.proposed(key, task, image, share),
            num_steps=state.num_steps + 1,
        )
        return stepped, Info(stepped.fitness)

    def best(self, task: Task, state: SquareState) -> Candidate:
        del task
        return Candidate(state.image, state.logits, state.fitness, state.image)

    def check(self: Any) -> None:
        """Raises ValueError on a number that cannot work."""
        check_number("share", self.share, "a number in (0, 1]", above=0, most=1)
