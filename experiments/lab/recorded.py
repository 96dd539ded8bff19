"""A search that also notes its confidence on the way, at the price of nothing: what it notes are
the logits of its best image, which it has anyway.

`T` marks.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

import jfool
from experiments.lab.progress import sweep_progress
from experiments.lab.search import Place, jobs_of
from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static


@pytree
class RecordedState:
    """
    state: the search's.
    step: `[]` int, steps taken.
    history: `[T]`, confidence at the end of every `every` steps; NaN behind the last step.
    reached: `[]` int, the first step behind which the confidence was `threshold`; 0 before that.
    """

    state: Any
    step: Array
    history: Array
    reached: Array


@pytree
class Recorded:
    """An attack whose genotypes also tell `history` and `reached`.

    Attributes:
      attack: what is recorded.
      threshold: a confidence.
      every: steps from a mark to the next.
      num_marks: `T`.
    """

    attack: jfool.Composition
    threshold: Any
    every: int = static()
    num_marks: int = static()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.attack.image_shape

    @property
    def num_classes(self) -> int:
        return self.attack.num_classes

    @property
    def targeted(self) -> bool:
        return self.attack.targeted

    def check(self, jobs: Any) -> None:
        self.attack.check(jobs)

    def init(self, key: PRNGKey, job: Any) -> RecordedState:
        zero = jnp.zeros((), jnp.int32)
        history = jnp.full(self.num_marks, jnp.nan, jnp.float32)
        return RecordedState(self.attack.init(key, job), zero, history, zero)

    def step(self, key: PRNGKey, evaluate: Evaluator, job: Any, state: RecordedState) -> Any:
        stepped = self.attack.step(key, evaluate, job, state.state)
        confidence = jfool.Confidence()(self.attack.best(job, stepped).logits, job.label)
        first = (state.reached == 0) & (confidence >= self.threshold)
        return RecordedState(
            state=stepped,
            step=state.step + 1,
            history=state.history.at[state.step // self.every].set(confidence),
            reached=jnp.where(first, state.step + 1, state.reached),
        )

    def best(self, job: Any, state: RecordedState) -> Candidate:
        best = self.attack.best(job, state.state)
        told = {"pixels": best.genotype, "history": state.history, "reached": state.reached}
        return dataclasses.replace(best, genotype=told)


@dataclasses.dataclass(frozen=True, eq=False)
class Outcomes:
    """What searches of `N` places found, by place.

    Attributes:
      places: cell, k and repeat of each.
      confidence, predicted: `[N]`, of the final images, as `jfool.AttackResult` has them.
      reached: `[N]`, images shown until the threshold was reached; NaN where it was not.
      history: `[N, T]`, confidence at the marks; a search that ended keeps its last.
      evaluations: `[T]`, images shown at the marks.
      images: `[N, H, W, C]`.
    """

    places: list[Place]
    confidence: Float[np.ndarray, " N"]
    predicted: Bool[np.ndarray, " N"]
    reached: Float[np.ndarray, " N"]
    history: Float[np.ndarray, "N T"]
    evaluations: Int[np.ndarray, " T"]
    images: Float[np.ndarray, "N H W C"]

    def charged(self, budget: int) -> Float[np.ndarray, " N"]:
        """`reached`, with the whole budget where it was not."""
        return np.where(np.isnan(self.reached), budget, self.reached)


def search_recorded(
    key: PRNGKey,
    attack: jfool.Composition,
    model: Any,
    places: Mapping[int, Place],
    *,
    per_step: int,
    budget: int,
    threshold: float,
    num_marks: int,
    until: float | None,
    lanes: int,
    chunk: int,
    folder: Path,
    title: str,
) -> Outcomes:
    """Searches all places with the same budget; goes on with what is in the folder.

    Args:
      key: of the draws.
      attack: with the settings of the search.
      model: as `jfool.run` takes it.
      places: by job id; see `experiments.lab.search.places_of`.
      per_step: images that a step of the attack shows.
      budget: the most images of a search.
      threshold: the confidence whose first step is noted.
      num_marks: the most marks of the history.
      until: a search ends at this confidence, or None.
      lanes, chunk, folder: as for `jfool.sweep`.
      title: of the progress.
    """
    num_steps = budget // per_step
    every = -(-num_steps // num_marks)
    marks = np.minimum(every * np.arange(1, -(-num_steps // every) + 1), num_steps)
    with sweep_progress(title) as on_progress:
        results = jfool.sweep(
            key,
            Recorded(attack, threshold, every, len(marks)),
            model,
            jobs_of(places.values(), attack.image_shape[2]),
            num_steps=num_steps - 1,
            until=None if until is None else jfool.confident(until),
            folder=folder,
            lanes=min(lanes, len(places)),
            chunk=chunk,
            job_ids=np.array(list(places)),
            on_progress=on_progress,
        )
    ordered = [places[number] for number in results.column("job_id").tolist()]
    jobs = jobs_of(ordered, attack.image_shape[2])
    reached = results.column("genotype.reached").astype(float)
    return Outcomes(
        places=ordered,
        confidence=results.column("confidence"),
        predicted=results.column("prediction") == jobs.label,
        reached=np.where(reached > 0, per_step * reached, np.nan),
        history=carried_on(results.column("genotype.history")),
        evaluations=per_step * marks,
        images=np.asarray(_paint(attack.encoding, jobs, results.column("genotype.pixels"))),
    )


def carried_on(history: Float[np.ndarray, "N T"]) -> Float[np.ndarray, "N T"]:
    """With the last number of each row in place of the NaN behind it."""
    last = np.maximum.accumulate(np.where(np.isnan(history), 0, np.arange(history.shape[1])), 1)
    return np.take_along_axis(history, last, 1)


@jax.jit
def _paint(encoding: Any, jobs: Any, genotypes: Any) -> Array:
    return jax.vmap(encoding.decode)(jobs, genotypes)
