"""Where the searches are compared: a network, cells to be found, and the same budget for all.

`N` cells, `T` marks at which confidences are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import jfool
from experiments import lab
from experiments.greedy.recorded import Recorded
from experiments.lab.imagenet import NUM_CLASSES
from experiments.lab.sparse import jobs_of, measured_in

GREEDY, CENTIPEDE = "greedy", 79
NUM_MARKS = 100


def variants(s: Any) -> dict[str, tuple[str, str]]:
    """Of differential evolution, by name: objective and mutant."""
    pairs = [(objective, mutant) for objective in s.objectives for mutant in s.mutants]
    return {f"DE {mutant}/1, {goal.replace('_', '-')}": (goal, mutant) for goal, mutant in pairs}


@dataclass(frozen=True)
class Arena:
    """
    Attributes:
      prefix: of the folders of its searches.
      victim: the network.
      wanted: a record for each cell, a base color and a class; see `lab.cells`.
      k, population, budget, lanes, chunk: as in the settings.
    """

    prefix: str
    victim: lab.Victim
    wanted: lab.Records
    k: int
    population: int
    budget: int
    lanes: int
    chunk: int

    def compare(self, s: Any, run: lab.Run, methods: Sequence[str]) -> lab.Records:
        """A record for each method and cell; see `search`."""
        return lab.Records.joined([self.search(s, run, m).plus(method=m) for m in methods])

    def search(self, s: Any, run: lab.Run, method: str) -> lab.Records:
        """A record for each cell.

        Returns:
          As `lab.search`, with `reached`: images shown until the threshold was reached, NaN where
          it was not; and `history` `[N, T]`, the confidence after `evaluations` `[N, T]` images.
        """
        size, folder = (self.victim.image_shape, self.victim.num_classes), method
        attack: Any = jfool.GreedyFooling(*size, max_k=self.k)
        each = attack.search.num_proposals  # images of a step
        if method != GREEDY:
            objective, mutant = variants(s)[method]
            search = jfool.DifferentialEvolution(self.population, mutant=mutant)
            goal = lab.OBJECTIVES[objective]()
            attack = jfool.SparseFooling(*size, max_k=self.k, search=search, objective=goal)
            each, folder = self.population, f"{objective}_{mutant}"
        attack, folder = Recorded(attack, self.budget // each), self.prefix + folder
        means = {"until": s.until, "seed": s.seed, "lanes": self.lanes, "chunk": self.chunk}
        settings = lab.Evolution(self.population, attack.num_steps - 1, **means)
        options = {"job_ids": self.wanted["job_id"], "title": folder.replace("_", " ")}
        jobs = jobs_of(self.wanted)
        results = run.evolve(folder, settings, attack, self.victim.model, jobs, **options)

        found = measured_in(results, self.wanted)
        rows = found["row"]
        history = carried_on(results.column("genotype.history")[rows])
        hit = history >= s.threshold
        marks = self.budget * np.arange(1, NUM_MARKS + 1) // NUM_MARKS
        before = np.full((len(rows), 1), np.nan)  # the first step is over
        return found.without("row").plus(
            reached=np.where(hit.any(1), each * (hit.argmax(1) + 1), np.nan),
            history=np.concatenate([before, history], 1)[:, marks // each],
            evaluations=np.tile(marks, (len(rows), 1)),
            image=results.images(attack, jfool.SparseJob, rows),
        )


def carried_on(history: np.ndarray) -> np.ndarray:
    """With the last number of each row in place of the NaN after it."""
    last = np.maximum.accumulate(np.where(np.isnan(history), 0, np.arange(history.shape[1])), 1)
    return np.take_along_axis(history, last, 1)


def small_arena(s: Any, victim: lab.Victim) -> Arena:
    """Every base color and class."""
    shape, count = victim.image_shape, victim.num_classes
    wanted = lab.cells([s.k], s.colors, range(count), 1, num_classes=count, shape=shape)
    return Arena("", victim, wanted, s.k, s.population, s.budget, s.lanes, s.chunk)


def imagenet_arena(s: Any, victim: lab.Victim) -> Arena:
    """Some of ImageNet's classes on gray."""
    k, classes = s.imagenet_k, imagenet_classes(s.imagenet_classes, s.seed)
    size = {"num_classes": NUM_CLASSES, "shape": victim.image_shape}
    wanted = lab.cells([k], ["grey"], classes, 1, **size)
    means = s.imagenet_population, s.imagenet_budget, 1, s.imagenet_chunk
    return Arena("imagenet_", victim, wanted, k, *means)


def imagenet_classes(count: int, seed: int) -> list[int]:
    """Classes drawn at random, and the centipede."""
    others = np.delete(np.arange(NUM_CLASSES), CENTIPEDE)
    drawn = np.random.default_rng(seed).choice(others, count, replace=False)
    return sorted([*drawn.tolist(), CENTIPEDE])
