"""An attack whose jobs end when they are told to: what a sweep costs, without luck in it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jfool
from jfool.base import pytree, static


@pytree
class Countdown:
    """A job: `target`, and the `length`, in generations, after which it ends."""

    target: Any
    length: Any


@pytree
class Waiting:
    """
    Attributes:
      step: `[]`, generations so far.
      images: `[P, H, W, C]`, shown in each of them.
      logits: `[K]`, of the first image.
    """

    step: Array
    images: Array
    logits: Array


@pytree
class Wait:
    """Shows the same random images until the job's length is over; then it has an answer, where
    `until=answered` stops it.

    Attributes:
      population_size: P.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    population_size: int = static()
    targeted: bool = static(default=True)

    def check(self, jobs: Any) -> None:
        del jobs

    def init(self, key: Array, job: Countdown) -> Waiting:
        del job
        images = jax.random.uniform(key, (self.population_size, *self.image_shape))
        logits = jnp.zeros(self.num_classes, jnp.float32)
        return Waiting(jnp.zeros((), jnp.int32), images, logits)

    @property
    def images_at_once(self) -> int:
        return self.population_size

    def step(
        self, key: Array, evaluate: Any, job: Countdown, state: Waiting
    ) -> tuple[Waiting, None]:
        del key
        logits = evaluate(jfool.Pixels(), job, state.images)[0]
        known = jnp.where(state.step >= job.length, logits, jnp.nan)
        return Waiting(state.step + 1, state.images, known), None

    def best(self, job: Countdown, state: Waiting) -> jfool.Candidate:
        del job
        return jfool.Candidate(
            state.images[0], state.logits, state.logits[0], jnp.zeros((), jnp.int32)
        )


def answered(logits: Array, reference: Any, /, targeted: bool) -> Array:
    """The criterion that stops `Wait`."""
    del reference, targeted
    return jnp.isfinite(logits).all()
