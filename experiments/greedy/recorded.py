"""A sparse attack that also notes its confidence after each step. It costs no evaluation: the
search has the logits of its best image anyway. `T` steps."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

import jfool
from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static


@pytree
class RecordedState:
    """
    state: the attack's.
    step: `[]` int, steps taken.
    history: `[T]`, the confidence after each; NaN after the last one.
    """

    state: Any
    step: Array
    history: Array


@pytree
class Recorded:
    """An attack whose genotypes also hold the `history`.

    Attributes:
      attack: what is recorded.
      num_steps: `T`, the most it takes.
    """

    attack: Any
    num_steps: int = static()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.attack.image_shape

    @property
    def num_classes(self) -> int:
        return self.attack.num_classes

    @property
    def targeted(self) -> bool:
        return self.attack.targeted

    @property
    def encoding(self) -> "Recorded":
        return self

    def decode(self, job: jfool.SparseJob, genotype: dict[str, Array]) -> Array:
        """The image, which does not depend on the history."""
        return self.attack.encoding.decode(job, genotype["pixels"])

    def check(self, jobs: Any) -> None:
        self.attack.check(jobs)

    def init(self, key: PRNGKey, job: Any) -> RecordedState:
        history = jnp.full(self.num_steps, jnp.nan, jnp.float32)
        return RecordedState(self.attack.init(key, job), jnp.zeros((), jnp.int32), history)

    @property
    def images_at_once(self) -> int:
        return self.attack.images_at_once

    def step(
        self, key: PRNGKey, evaluate: Evaluator, job: Any, state: RecordedState
    ) -> tuple[RecordedState, Any]:
        stepped, info = self.attack.step(key, evaluate, job, state.state)
        confidence = jfool.Confidence()(self.attack.best(job, stepped).logits, job.target)
        history = state.history.at[state.step].set(confidence)
        return RecordedState(stepped, state.step + 1, history), info

    def best(self, job: Any, state: RecordedState) -> Candidate:
        best = self.attack.best(job, state.state)
        held = {"pixels": best.genotype, "history": state.history}
        return dataclasses.replace(best, genotype=held)
