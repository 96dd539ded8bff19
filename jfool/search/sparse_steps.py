"""Sparse gradient steps in the L1 ball: Auto-PGD for L1. (Croce & Hein, 2021)

  x <- project(x + eta s / ||s||_1),    s = signs of the gradient's largest entries

There are two thirds as many of them as the entries in which an image differs from the original: the
start, then at every checkpoint the fittest. Where these have become fewer than 95 percent of what
they were, the step is the radius again and the search goes back to the fittest image; else the step
is divided by 1.5, to no less than a tenth of the radius. In three stages the radius shrinks: 3, 2
and 1 times epsilon for 30, 30 and 40 percent of the steps. Only the last stage has an answer;
before, that is the original.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Image, Info, PRNGKey, pytree
from jfool.composition import Task
from jfool.search.shown import PlannedSteps, Shown, chosen, differentiated, not_yet

_RADII = (3.0, 2.0, 1.0)  # of the stages, in epsilons
_PERCENT = (30, 30, 40)  # of the steps


@pytree
class SparseState:
    """
    image: `[H, W, C]`, to be shown next.
    best: the fittest image of this stage.
    answer: the last that fooled the model in the last stage, else the fittest there.
    fooled: `[]` bool, whether the answer did.
    stage: `[]`, of three.
    since: `[]`, steps in this stage.
    step_size: `[]`, eta as a multiple of the stage's radius.
    altered: `[]`, in how many entries the fittest image differed at the last checkpoint.
    """

    image: Array
    best: Shown
    answer: Shown
    fooled: Array
    stage: Array
    since: Array
    step_size: Array
    altered: Array


@pytree
class SparseSteps(PlannedSteps):
    """
    Attributes:
      num_steps: n; each stage shows its start besides, so that n + 3 gradients are taken.
    """

    num_steps: ArrayLike

    def init(self, key: PRNGKey, task: Task) -> SparseState:
        image = jnp.asarray(task.job.image, jnp.float32)
        far = image + jax.random.normal(key, image.shape, jnp.float32)
        start = task.constraint.project(_within(task.job, 0), far)
        nothing, zero = not_yet(task, image), jnp.zeros((), jnp.int32)
        return self._stage(task, start, zero, nothing, jnp.zeros((), bool))

    def step(self, key: PRNGKey, task: Task, state: SparseState) -> tuple[SparseState, Info]:
        del key
        here = differentiated(task, state.image)
        best = chosen(here.fitness > state.best.fitness, here, state.best)  # a NaN never wins
        is_last_stage = state.stage == len(_RADII) - 1
        fools = task.fooled(here.logits) & is_last_stage
        answer = chosen(fools, here, chosen(state.fooled | ~is_last_stage, state.answer, best))
        fooled = state.fooled | fools

        num_steps = jnp.asarray(self.num_steps, jnp.int32)
        length = jnp.maximum(jnp.array(_PERCENT, jnp.int32)[state.stage] * num_steps // 100, 1)
        ends = (state.since == length) & ~is_last_stage
        start = task.constraint.project(_within(task.job, state.stage + 1), best.image)
        following = self._stage(task, start, state.stage + 1, answer, fooled)
        same = self._stepped(task, here, best, length, state)
        same = dataclasses.replace(same, answer=answer, fooled=fooled)
        return jax.tree.map(lambda a, b: jnp.where(ends, a, b), following, same), Info(best.fitness)

    def _stage(
        self, task: Task, start: Image, stage: Array, answer: Shown, fooled: Array
    ) -> SparseState:
        """The beginning of a stage."""
        return SparseState(
            image=start,
            best=not_yet(task, start),
            answer=answer,
            fooled=fooled,
            stage=stage,
            since=jnp.zeros((), jnp.int32),
            step_size=jnp.ones((), jnp.float32),
            altered=_num_altered(task, start),
        )

    def _stepped(
        self, task: Task, here: Shown, best: Shown, length: Array, state: SparseState
    ) -> SparseState:
        interval = jnp.maximum(4 * length // 100, 1)
        checks = (state.since > 0) & (state.since % interval == 0)
        altered = jnp.where(checks, _num_altered(task, best.image), state.altered)
        sparser = 20 * altered < 19 * state.altered
        slower = jnp.clip(state.step_size / 1.5, 0.1, 1)
        step_size = jnp.where(sparser, 1, jnp.where(checks, slower, state.step_size))

        now, job = chosen(sparser, best, here), _within(task.job, state.stage)
        moved = now.image + step_size * job.epsilon * _sparse_sign(now.gradient, altered)
        return dataclasses.replace(
            state,
            image=task.constraint.project(job, moved),
            best=best,
            since=state.since + 1,
            step_size=step_size,
            altered=altered,
        )


def _within(job: Any, stage: Any) -> Any:
    """The job with the radius of a stage."""
    radius = jnp.array(_RADII, jnp.float32)[stage] * jnp.asarray(job.epsilon, jnp.float32)
    return dataclasses.replace(job, epsilon=radius)


def _num_altered(task: Task, image: Image) -> Array:
    """Entries that differ from the original."""
    return (image != jnp.asarray(task.job.image, jnp.float32)).sum(dtype=jnp.int32)


def _sparse_sign(gradient: Image, altered: Array) -> Image:
    """Signs of the largest entries, of L1 norm 1; at least one."""
    size = jnp.sort(jnp.abs(gradient).ravel())
    count = jnp.maximum((2 * altered + 2) // 3, 1)
    sign = jnp.where(jnp.abs(gradient) >= size[gradient.size - count], jnp.sign(gradient), 0)
    return sign / jnp.maximum(jnp.abs(sign).sum(), 1)
