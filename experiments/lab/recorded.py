"""A search that also notes its confidence on the way. That costs nothing: it has the logits of its
best image anyway.

`R` records, `T` marks.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

import jfool
from experiments.lab.records import Records
from experiments.lab.run import Run
from experiments.lab.sparse import jobs_of, measured_in
from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static


@pytree
class RecordedState:
    """
    state: the search's.
    step: `[]` int, steps taken.
    history: `[T]`, confidence at the end of every `every` steps; NaN after the last step.
    reached: `[]` int, the first step after which the confidence was `threshold`; 0 before that.
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

    attack: Any
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
        confidence = jfool.Confidence()(self.attack.best(job, stepped).logits, job.target)
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


def search_recorded(
    run: Run,
    name: str,
    attack: Any,
    model: Any,
    wanted: Records,
    *,
    key: jax.Array,
    per_step: int,
    budget: int,
    threshold: float,
    num_marks: int,
    until: float | None,
    lanes: int,
    chunk: int,
) -> Records:
    """Searches for all records with the same budget; goes on with what is in the folder.

    Args:
      run, name, attack, model, wanted: as for `experiments.lab.sparse.search`.
      key: of the draws.
      per_step: images that a step of the attack shows.
      budget: the most images of a search.
      threshold: the confidence whose first step is noted.
      num_marks: the most marks of the history.
      until: a search ends at this confidence, or None.
      lanes, chunk: as for `jfool.sweep`.
    Returns:
      As `sparse.search`, with `reached`, the images shown until the threshold was reached (NaN
      where it was not); `history` `[R, T]`, the confidence at the marks, where a search that ended
      keeps its last; and `evaluations` `[R, T]`, the images shown at the marks.
    """
    num_steps = budget // per_step
    every = -(-num_steps // num_marks)
    marks = np.minimum(every * np.arange(1, -(-num_steps // every) + 1), num_steps)
    results = run.sweep(
        name,
        key,
        Recorded(attack, threshold, every, len(marks)),
        model,
        jobs_of(wanted),
        lanes=lanes,
        title=name.replace("_", " "),
        num_steps=num_steps - 1,
        until=None if until is None else jfool.confident(until),
        chunk=chunk,
        job_ids=wanted["job_id"],
    )
    found = measured_in(results, wanted)
    told = {
        column: results.column(f"genotype.{column}")[found["row"]]
        for column in ("reached", "history", "pixels")
    }
    reached = told["reached"].astype(float)
    return found.without("row").plus(
        reached=np.where(reached > 0, per_step * reached, np.nan),
        history=carried_on(told["history"]),
        evaluations=np.tile(per_step * marks, (len(found), 1)),
        image=np.asarray(_paint(attack.encoding, jobs_of(found), told["pixels"])),
    )


def carried_on(history: Float[np.ndarray, "R T"]) -> Float[np.ndarray, "R T"]:
    """With the last number of each row in place of the NaN after it."""
    last = np.maximum.accumulate(np.where(np.isnan(history), 0, np.arange(history.shape[1])), 1)
    return np.take_along_axis(history, last, 1)


@jax.jit
def _paint(encoding: Any, jobs: Any, genotypes: Any) -> Array:
    return jax.vmap(encoding.decode)(jobs, genotypes)
