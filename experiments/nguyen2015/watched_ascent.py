"""Gradient ascent whose answer is its last image, with a record of its course.

Figures S3 to S5 of Nguyen et al. (2015) show the last images. Regularizers may take an ascent down
again from where it was most confident, and `jfool.GradientFooling` answers with the image from
there.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

import jfool
from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static
from jfool.encodings.pixels import Pixels
from jfool.metrics import total_variation
from jfool.search.gradient_ascent import AscentState


@pytree
class WatchedState:
    """
    ascent: its `best` is the image shown last.
    course: `confidence` in the target and `variation` (total variation) of the images shown,
      `[num_steps + 1]` each; NaN after the last.
    """

    ascent: AscentState
    course: dict[str, Array]


@pytree
class WatchedAscent:
    """`jfool.GradientFooling` on `Confidence` whose answer is the last image shown to the model,
    with the course in its notes.

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
    def images_at_once(self) -> int:
        return self.fooling.images_at_once

    @property
    def encoding(self) -> Pixels:
        return self.fooling.encoding

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        self.fooling.check(jobs)

    def init(self, key: PRNGKey, job: jfool.AscentJob) -> WatchedState:
        unknown = jnp.full(self.num_steps + 1, jnp.nan, jnp.float32)
        course = {"confidence": unknown, "variation": unknown}
        return WatchedState(self.fooling.init(key, job), course)

    def step(
        self, key: PRNGKey, evaluate: Evaluator, job: jfool.AscentJob, state: WatchedState
    ) -> tuple[WatchedState, Any]:
        # Any image is better than none: whichever is shown becomes the best. A NaN does not.
        nothing = jnp.full_like(state.ascent.fitness, -jnp.inf)
        forgotten = dataclasses.replace(state.ascent, fitness=nothing)
        ascent, info = self.fooling.step(key, evaluate, job, forgotten)
        shown = {"confidence": ascent.fitness, "variation": total_variation(state.ascent.image)}
        step = state.ascent.step
        course = {name: state.course[name].at[step].set(of) for name, of in shown.items()}
        return WatchedState(ascent, course), info

    def best(self, job: jfool.AscentJob, state: WatchedState) -> Candidate:
        return dataclasses.replace(self.fooling.best(job, state.ascent), notes=state.course)
