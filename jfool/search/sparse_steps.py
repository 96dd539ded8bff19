"""Sparse gradient steps in the L1 ball: Auto-PGD for L1. (Croce & Hein, 2021)

  x <- project(x + eta s / ||s||_1),    s = signs of the largest share q of the gradient's entries

At checkpoints q becomes two thirds of the share of entries in which the fittest image differs from
the original. Where that is below 95 percent of what it was, the step is the radius again and the
search goes back to the fittest image; else the step is divided by 1.5, to no less than a tenth of
the radius. In three stages the radius shrinks: 3, 2 and 1 times epsilon for 30, 30 and 40 percent
of the steps. Only the last stage has an answer.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool import criteria
from jfool.base import Candidate, Image, Info, PRNGKey, pytree, reference_class
from jfool.composition import Task
from jfool.numbers import check_number
from jfool.search.shown import Shown, chosen, differentiated, not_yet

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
    share: `[]`, q.
    sparsity: `[]`, in how many entries the fittest image differed at the last checkpoint.
    """

    image: Array
    best: Shown
    answer: Shown
    fooled: Array
    stage: Array
    since: Array
    step_size: Array
    share: Array
    sparsity: Array


@pytree
class SparseSteps:
    """
    Attributes:
      num_steps: n; each stage shows its start besides, so that n + 3 gradients are taken.
    """

    num_steps: ArrayLike

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self, key: PRNGKey, task: Task) -> SparseState:
        image = jnp.asarray(task.job.image, jnp.float32)
        far = image + jax.random.normal(key, image.shape, jnp.float32)
        start = task.constraint.project(_within(task.job, 0), far)
        shown, zero = not_yet(task, start), jnp.zeros((), jnp.int32)
        return self._stage(task, start, zero, shown, jnp.zeros((), bool))

    def step(self, key: PRNGKey, task: Task, state: SparseState) -> tuple[SparseState, Info]:
        del key
        here, targeted = differentiated(task, state.image), task.objective.targeted
        best = chosen(here.fitness > state.best.fitness, here, state.best)  # a NaN never wins
        fools = criteria.fooled(here.logits, reference_class(task.job, targeted), targeted)
        is_last_stage = state.stage == len(_RADII) - 1
        fools = fools & is_last_stage
        answer = chosen(fools, here, chosen(state.fooled | ~is_last_stage, state.answer, best))
        fooled = state.fooled | fools

        num_steps = jnp.asarray(self.num_steps, jnp.int32)
        length = jnp.maximum(jnp.array(_PERCENT)[state.stage] * num_steps // 100, 1)
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
        sparsity = _num_altered(task, start)
        return SparseState(
            image=start,
            best=not_yet(task, start),
            answer=answer,
            fooled=fooled,
            stage=stage,
            since=jnp.zeros((), jnp.int32),
            step_size=jnp.ones((), jnp.float32),
            share=sparsity / start.size / 1.5,
            sparsity=sparsity,
        )

    def _stepped(
        self, task: Task, here: Shown, best: Shown, length: Array, state: SparseState
    ) -> SparseState:
        interval = jnp.maximum(4 * length // 100, 1)
        checks = (state.since > 0) & (state.since % interval == 0)
        sparsity = _num_altered(task, best.image)
        sparser = checks & (sparsity < 0.95 * state.sparsity)
        slower = jnp.clip(state.step_size / 1.5, 0.1, 1)
        step_size = jnp.where(sparser, 1, jnp.where(checks, slower, state.step_size))
        share = jnp.where(checks, sparsity / here.image.size / 1.5, state.share)

        now, job = chosen(sparser, best, here), _within(task.job, state.stage)
        moved = now.image + step_size * job.epsilon * _sparse_sign(now.gradient, share)
        return dataclasses.replace(
            state,
            image=task.constraint.project(job, moved),
            best=best,
            since=state.since + 1,
            step_size=step_size,
            share=share,
            sparsity=jnp.where(checks, sparsity, state.sparsity),
        )

    def best(self, task: Task, state: SparseState) -> Candidate:
        del task
        answer = state.answer
        return Candidate(answer.image, answer.logits, answer.fitness, answer.image)

    last = best

    def check(self) -> None:
        """Raises ValueError on a number that cannot work."""
        check_number(
            "num_steps", self.num_steps, "a whole number of at least 1", least=1, whole=True
        )


def _within(job: Any, stage: Any) -> Any:
    """The job with the radius of a stage."""
    radius = jnp.array(_RADII)[stage] * jnp.asarray(job.epsilon, jnp.float32)
    return dataclasses.replace(job, epsilon=radius)


def _num_altered(task: Task, image: Image) -> Array:
    """Entries that differ from the original, as a float."""
    return (image != jnp.asarray(task.job.image, jnp.float32)).sum(dtype=jnp.float32)


def _sparse_sign(gradient: Image, share: Array) -> Image:
    """Signs of the largest entries, of L1 norm 1."""
    size = jnp.sort(jnp.abs(gradient).ravel())
    place = jnp.clip((1 - share) * gradient.size, 0, gradient.size - 1).astype(jnp.int32)
    sign = jnp.where(jnp.abs(gradient) >= size[place], jnp.sign(gradient), 0)
    return sign / jnp.maximum(jnp.abs(sign).sum(), 1)
