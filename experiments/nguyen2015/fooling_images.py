"""What paper 001 trains networks on: champions of the first and of the last generation of runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

import models
from experiments.lab.retraining import as_bytes
from experiments.nguyen2015.methods import Runs, every_class, evolve

FOOLING = "fooling"  # the name of their class


@dataclass(frozen=True, eq=False)
class FoolingImages:
    """What evolved against one network.

    Attributes:
      first: of the runs' start populations the champions.
      last: the champions at the runs' end.
      held_out: how many runs are not to be trained on, the last ones.
    """

    first: Runs
    last: Runs
    held_out: int

    @property
    def trained(self) -> UInt8[np.ndarray, "N H W C"]:
        return self._images(slice(self.num_runs - self.held_out))

    @property
    def tested(self) -> UInt8[np.ndarray, "N H W C"]:
        return self._images(slice(self.num_runs - self.held_out, None))

    @property
    def num_runs(self) -> int:
        return len(self.last.images)

    @property
    def scores(self) -> Float[np.ndarray, "R cells"]:
        """How sure the network is of the last champions' classes; none has the score 0."""
        return np.nan_to_num(self.last.confidence, nan=0.0)

    @property
    def fooled(self) -> float:
        """Share of the last champions that are taken for their class."""
        return float((self.last.prediction == np.arange(self.scores.shape[1])).mean())

    @property
    def num_distinct(self) -> int:
        """Images, without those that are there before."""
        images = np.concatenate([self.trained, self.tested])
        return len(np.unique(images.reshape(len(images), -1), axis=0))

    @property
    def num_queries(self) -> int:
        """Images shown to the network, the start populations twice."""
        return int(self.first.num_queries.sum() + self.last.num_queries.sum())

    def _images(self, runs: slice) -> UInt8[np.ndarray, "N H W C"]:
        """Run by run, so that the first ones are of few runs but of both generations."""
        both = np.stack([self.first.images[runs], self.last.images[runs]], axis=1)
        return as_bytes(both.reshape(-1, *both.shape[3:]))


def evolve_fooling(
    config: Any,
    model: models.Network,
    dataset: models.Dataset,
    *,
    runs: int,
    held_out: int,
    first_run: int,
    folder: Path,
) -> FoolingImages:
    """Evolves CPPNs through a network for the natural classes.

    A run that ends at its start has the start population of the whole one.

    Args:
      config: with population, generations, seed and lanes.
      model: of the natural classes, and maybe one more.
      dataset: natural.
      runs, held_out: how many to train on, and how many more.
      first_run, folder: see `evolve`.
    """
    first, last = (
        evolve(
            "cppn",
            model,
            dataset.image_shape,
            model.num_classes,
            every_class(len(dataset.class_names), runs + held_out),
            population=config.population,
            generations=config.generations,
            stop=stop,
            first_run=first_run,
            seed=config.seed,
            lanes=config.lanes,
            folder=folder / name,
        )
        for name, stop in (("first", 0), ("last", config.generations))
    )
    return FoolingImages(first, last, held_out)
