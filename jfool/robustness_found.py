"""From what each stage found to the figures of `jfool.robust_accuracy`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from jfool.attacks.auto_attack import MARGIN
from jfool.attacks.perturbing import PerturbationJob
from jfool.attacks.stage import Stage
from jfool.constraints import Constraint
from jfool.metrics.rates import Rate, rate_of
from jfool.metrics.robustness import CLEAN, UNBROKEN, Robustness, StageOutcome
from jfool.stuck import stuck
from jfool.sweeps.results import Results


@dataclass(frozen=True)
class Ran:
    """What one stage did to the `R` images of `rows`."""

    rows: Int[np.ndarray, " R"]
    broken: Bool[np.ndarray, " R"]
    strayed: Bool[np.ndarray, " R"]  # wrong before the attack in the loop's batches
    images: Float[np.ndarray, "B H W C"]  # of the broken ones
    num_queries: Int[np.ndarray, " R"]
    num_gradients: Int[np.ndarray, " R"]
    num_stuck: int
    seconds: float


def ran_of(stage: Stage, rows: np.ndarray, jobs: Any, results: Results, seconds: float) -> Ran:
    queries, gradients, zeros, clean, predicted, success = (
        results.column(name)
        for name in (
            *("num_queries", "num_gradients", "num_zero_gradients"),
            *("clean_prediction", "prediction", "success"),
        )
    )
    targeted, wins = stage.attack.targeted, np.flatnonzero(success)
    classes = results.column("job.target") if targeted else jobs.label
    return Ran(
        rows=rows,
        broken=success,
        strayed=clean != jobs.label,
        images=results.images(stage.attack, PerturbationJob, wins, image=jobs.image.data),
        num_queries=queries,
        num_gradients=gradients,
        num_stuck=int(stuck(predicted, classes, targeted, gradients, zeros).sum()),
        seconds=seconds,
    )


def robustness_of(
    everything: Any,
    constraint: Constraint,
    broken_by: np.ndarray,
    after: Mapping[str, Rate],
    ran: Mapping[str, Ran],
    warnings: tuple[str, ...],
) -> Robustness:
    """Of all images, from what each stage did to some.

    Args:
      everything: the jobs of all images.
      after: the accuracy that is left after each stage.
      ran: the stages that had images to attack.
    """
    originals, count = np.asarray(everything.image), len(broken_by)
    images = originals.copy()
    for of in ran.values():
        images[of.rows[of.broken]] = of.images
    moved = ~np.isin(broken_by, [UNBROKEN, CLEAN])
    return Robustness(
        clean_accuracy=rate_of(broken_by != CLEAN),
        robust_accuracy=rate_of(broken_by == UNBROKEN),
        stages={name: _outcome(rate, ran.get(name)) for name, rate in after.items()},
        broken_by=broken_by.astype(str),
        images=images,
        distances=np.where(moved, _distances(constraint, originals, images), np.nan),
        num_queries=_summed(count, [(of.rows, of.num_queries) for of in ran.values()]),
        num_gradients=_summed(count, [(of.rows, of.num_gradients) for of in ran.values()]),
        warnings=warnings,
    )


def _outcome(left: Rate, of: Ran | None) -> StageOutcome:
    if of is None:  # there was nothing left to attack
        return StageOutcome(left, 0, 0, 0, 0, 0.0)
    broken, queries, gradients = (
        int(column.sum()) for column in (of.broken, of.num_queries, of.num_gradients)
    )
    return StageOutcome(left, len(of.rows), broken, queries, gradients, of.seconds)


def _summed(count: int, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    total = np.zeros(count, np.int64)
    for rows, numbers in parts:
        total[rows] += numbers
    return total


@jax.jit
def _distances(constraint: Constraint, originals: Any, images: Any) -> Any:
    return jax.vmap(constraint.distance)(PerturbationJob(originals), images)


def warnings_of(
    ran: Mapping[str, Ran], stages: Sequence[Stage], num_classes: int, probabilities: bool
) -> tuple[str, ...]:
    """(Croce & Hein, 2020; Pintor et al., 2022)"""
    found = []
    if probabilities:
        found.append(
            "The model seems to return probabilities, of which the softmax is nearly flat: return "
            "logits."
        )
    gradients = 0
    for name, of in ran.items():
        if of.num_stuck:
            found.append(
                f"The gradients of {name} were exactly zero for {of.num_stuck} of {len(of.rows)} "
                "images, which it did not move: attack them by another objective."
            )
        if (num := int(of.broken.sum())) and gradients and not of.num_gradients.any():
            found.append(
                f"{name}, which takes no gradient, broke {num} of the {len(of.rows)} images that "
                "the attacks before it did not: gradients may be masked, so attack the model in a "
                "way that is made for it."
            )
        gradients += int(of.num_gradients.sum())
    if any(stage.name == MARGIN for stage in stages):
        found.append(
            f"With {num_classes} classes there is no targeted logit ratio; the margin took its "
            "place."
        )
    return tuple(found)
