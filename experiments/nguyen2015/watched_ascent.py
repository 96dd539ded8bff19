"""Gradient ascent that answers with its last image, and keeps a record of its course.

Figures S3 to S5 of paper 001 show the last images. Regularisers may take an ascent down again from
where it was most confident, and `jfool.GradientFooling` would answer with the image from there.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

import jfool
from jfool.base import Candidate, Evaluator, Image, PRNGKey, pytree, static
from jfool.encodings.pixels import Pixels
from jfool.search.gradient_ascent import AscentState


@pytree
class Course:
    """Of the images shown, `T = num_steps + 1`; NaN behind the last.

    Attributes:
      confidence: `[T]`, in the class sought.
      variation: `[T]`, total variation.
    """

    confidence: Array
    variation: Array


@pytree
class WatchedState:
    """
    ascent: its `best` is the image shown last.
    course: up to there.
    """

    ascent: AscentState
    course: Course


@pytree
class WatchedAscent:
    """`jfool.GradientFooling` on `Confidence` whose answer is the last image shown to the model,
    with a `Course` for notes.

    Attributes:
      fooling: the ascent.
      num_steps: the most that it is run for.
    """

    fooling: jfool.GradientFooling
    num_steps: int = static()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.fooling.image_shape

    @property
    def num_classes(self) -> int:
        return self.fooling.num_classes

    @property
    def targeted(self) -> bool:
        return True

    @property
    def encoding(self) -> Pixels:
        return self.fooling.encoding

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        self.fooling.check(jobs)

    def init(self, key: PRNGKey, job: jfool.AscentJob) -> WatchedState:
        unknown = jnp.full(self.num_steps + 1, jnp.nan, jnp.float32)
        return WatchedState(self.fooling.init(key, job), Course(unknown, unknown))

    def step(
        self, key: PRNGKey, evaluate: Evaluator, job: jfool.AscentJob, state: WatchedState
    ) -> WatchedState:
        shown, course = state.ascent.step, state.course
        # Any image is better than none: whichever is shown becomes the best. A NaN does not.
        forgotten = dataclasses.replace(
            state.ascent, fitness=jnp.full_like(state.ascent.fitness, -jnp.inf)
        )
        ascent = self.fooling.step(key, evaluate, job, forgotten)
        variation = total_variation(state.ascent.image)
        return WatchedState(
            ascent,
            Course(
                course.confidence.at[shown].set(ascent.fitness),
                course.variation.at[shown].set(variation),
            ),
        )

    def best(self, job: jfool.AscentJob, state: WatchedState) -> Candidate:
        found = self.fooling.best(job, state.ascent)
        return dataclasses.replace(found, notes=state.course)


def total_variation(image: Image) -> Array:
    """Absolute differences of neighbours, across and down, over all channels: their sum for one of
    the image's numbers, in grey levels.

    Noise of one grey level on a flat image has `4 / sqrt(pi)`, about 2.26, less at the edges.
    """
    down, across = (jnp.abs(jnp.diff(image, axis=axis)).sum() for axis in (0, 1))
    return 255 * (down + across) / image.size
