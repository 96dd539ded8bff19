"""The sets of SFIs that a network is attacked with, and then trained on: k differs from one to the
next."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Int, UInt8

import models
from experiments.lab.colors import MAX_COLORS, Color
from experiments.lab.found import Found
from experiments.lab.progress import sweep_progress
from experiments.lab.retraining import as_bytes
from experiments.lab.search import Cell, Place, Search, job_id, sweep_places

_NO_STEP = 2**31 - 1  # of a search, whose steps draw from folds of the job's key


@dataclass(frozen=True, eq=False)
class AttackSet:
    """SFIs against one network.

    Attributes:
      found: a row each, as many for every class.
      held_out: how many of each class are not to be trained on, the last ones.
    """

    found: Found
    held_out: int

    @property
    def trained(self) -> UInt8[np.ndarray, "N H W C"]:
        return as_bytes(self.found.images[~self._held()])

    @property
    def tested(self) -> UInt8[np.ndarray, "N H W C"]:
        return as_bytes(self.found.images[self._held()])

    def success_rates(self, num_classes: int) -> list[float]:
        """By class, the share of attacks that ended with the confidence they sought."""
        success = np.array([row.success for row in self.found.rows])
        label = np.array([row.label for row in self.found.rows])
        return [float(success[label == c].mean()) for c in range(num_classes)]

    @property
    def success_rate(self) -> float:
        return float(np.mean([row.success for row in self.found.rows]))

    @property
    def predicted_rate(self) -> float:
        """Share of the attacks whose class is the network's prediction, however confident."""
        return float(np.mean([row.prediction == row.label for row in self.found.rows]))

    def _held(self) -> np.ndarray:
        per_class = max(row.repeat for row in self.found.rows) + 1
        return np.array([row.repeat >= per_class - self.held_out for row in self.found.rows])


def places_of_round(
    key: jax.Array, number: int, color: Color, num_classes: int, per_class: int, max_k: int
) -> dict[int, Place]:
    """By job id, `per_class` attacks on each of the natural classes; ids differ from round to
    round. k is uniform in 1 to `max_k`, drawn from the job's own key."""
    start = number * per_class * num_classes * MAX_COLORS
    jobs = {
        start + job_id(Cell(color, label), repeat, num_classes): (Cell(color, label), repeat)
        for label in range(num_classes)
        for repeat in range(per_class)
    }
    ks = drawn_ks(key, np.array(list(jobs), np.int32), max_k)
    return {
        job: (cell, int(k), repeat)
        for (job, (cell, repeat)), k in zip(jobs.items(), ks, strict=True)
    }


def drawn_ks(key: jax.Array, ids: Int[np.ndarray, " N"], max_k: int) -> Int[np.ndarray, " N"]:
    """For each job a number in 1 to `max_k`."""
    return np.asarray(_drawn(key, ids, max_k))


@jax.jit
def _drawn(key: jax.Array, ids: jax.Array, max_k: int) -> jax.Array:
    def draw(job: jax.Array) -> jax.Array:
        job_key = jax.random.fold_in(key, job)
        return jax.random.randint(jax.random.fold_in(job_key, _NO_STEP), (), 1, max_k + 1)

    return jax.vmap(draw)(ids)


def attacked(
    search: Search, model: models.Network, places: Mapping[int, Place], held_out: int, folder: Path
) -> AttackSet:
    """Runs the attacks of a round; what lies in the folder is not run again."""
    with sweep_progress("SFIs") as on_progress:
        found = sweep_places(
            search,
            model,
            model.image_shape,
            model.num_classes,
            places,
            folder=folder,
            on_progress=on_progress,
        )
    return AttackSet(found, held_out)
