"""Projected gradient steps whose length adapts itself: Auto-PGD. (Croce & Hein, 2020, sec. 3)

  z       = project(x_i + eta direction(gradient))
  x_{i+1} = project(x_i + a (z - x_i) + (1 - a) (x_i - x_{i-1})),    a = 1 at first, then 3/4

The step eta starts at twice the radius. At checkpoints, which lie closer and closer, it is halved
and the search goes back to the fittest image, where since the last checkpoint

  the fitness rose in at most 3/4 of the steps, or
  the best fitness is what it was, and the step was not halved then.

The first step is a rise if it raised the fitness of the start; the reference code compares its end
with 0.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Info, PRNGKey, pytree
from jfool.composition import Task
from jfool.search.shown import PlannedSteps, Shown, chosen, differentiated, not_yet


@pytree
class Pace:
    """How fast the search goes.

    step_size: `[]`, eta as a multiple of the radius.
    interval: `[]`, steps from the last checkpoint to the next.
    since: `[]`, steps after the last checkpoint.
    rises: `[]`, of these, how many raised the fitness.
    best_then: `[]`, the best fitness at the last checkpoint.
    halved_then: `[]` bool, whether the step was halved there.
    """

    step_size: Array
    interval: Array
    since: Array
    rises: Array
    best_then: Array
    halved_then: Array


@pytree
class AdaptiveState:
    """
    image, previous: `[H, W, C]`, to be shown next, and the one before it.
    last: `[]`, fitness of the image shown last; NaN at the start.
    best: the fittest image.
    answer: the last that fooled the model, else the fittest.
    fooled: `[]` bool, whether the answer did.
    pace: of the search; `since` is -1 before the start was shown.
    """

    image: Array
    previous: Array
    last: Array
    best: Shown
    answer: Shown
    fooled: Array
    pace: Pace


@pytree
class AdaptiveSteps(PlannedSteps):
    """
    Attributes:
      num_steps: n, for which checkpoints are planned; the run may be shorter.
    """

    num_steps: ArrayLike

    def init(self, key: PRNGKey, task: Task) -> AdaptiveState:
        image = task.constraint.start(key, task.job)
        shown, zero = not_yet(task, image), jnp.zeros((), jnp.int32)
        pace = Pace(
            step_size=jnp.full((), 2, jnp.float32),
            interval=self._share(22),
            since=zero - 1,
            rises=zero,
            best_then=shown.fitness,
            halved_then=jnp.ones((), bool),  # so that the first checkpoint tests rises alone
        )
        fooled = jnp.zeros((), bool)
        return AdaptiveState(image, image, shown.fitness, shown, shown, fooled, pace)

    def step(self, key: PRNGKey, task: Task, state: AdaptiveState) -> tuple[AdaptiveState, Info]:
        del key
        here = differentiated(task, state.image)
        fools = task.fooled(here.logits)
        best = chosen(here.fitness > state.best.fitness, here, state.best)  # a NaN never wins
        answer = chosen(fools, here, chosen(state.fooled, state.answer, best))

        is_first = state.pace.since < 0
        pace, halves = self._paced(state.pace, here.fitness > state.last, best.fitness)
        now = chosen(halves, best, here)
        image = self._moved(task, now, state.previous, pace.step_size, is_first)
        stepped = AdaptiveState(
            image, now.image, here.fitness, best, answer, state.fooled | fools, pace
        )
        return stepped, Info(best.fitness)

    def _paced(self, pace: Pace, rose: Array, best: Array) -> tuple[Pace, Array]:
        """The pace after one more step, and whether it was halved just now."""
        rises = pace.rises + (rose & (pace.since >= 0)).astype(jnp.int32)
        since, stalls = pace.since + 1, 4 * rises <= 3 * pace.interval
        stands = ~pace.halved_then & (pace.best_then >= best)
        checks = since == pace.interval
        halves = checks & (stalls | stands)
        shorter = jnp.maximum(pace.interval - self._share(3), self._share(6))
        after = Pace(
            step_size=jnp.where(halves, pace.step_size / 2, pace.step_size),
            interval=jnp.where(checks, shorter, pace.interval),
            since=jnp.where(checks, 0, since),
            rises=jnp.where(checks, 0, rises),
            best_then=jnp.where(checks | (since == 0), best, pace.best_then),
            halved_then=jnp.where(checks, halves, pace.halved_then),
        )
        return after, halves

    def _moved(
        self, task: Task, now: Shown, previous: Array, step_size: Array, is_first: Array
    ) -> Array:
        job, constraint, image = task.job, task.constraint, now.image
        eta = step_size * jnp.asarray(job.epsilon, jnp.float32)
        end = constraint.project(job, image + eta * constraint.direction(job, image, now.gradient))
        a = jnp.where(is_first, 1.0, 0.75)
        return constraint.project(job, image + a * (end - image) + (1 - a) * (image - previous))

    def _share(self, percent: int) -> Array:
        """Of the steps, at least 1."""
        return jnp.maximum(percent * jnp.asarray(self.num_steps, jnp.int32) // 100, 1)
