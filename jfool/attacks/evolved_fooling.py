"""Evolved fooling images. (Nguyen, Yosinski & Clune, 2015, "Deep neural networks are easily
fooled")"""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from jfool.arguments import (
    check_classes,
    check_num_classes,
    check_objective,
    check_part,
)
from jfool.base import Objective, pytree, static
from jfool.composition import Composed
from jfool.numbers import values_of
from jfool.objectives import Confidence
from jfool.renamed import renamed
from jfool.search.map_elites import EvolvableEncoding, MAPElites


@renamed(label="target")
@pytree
class EvolutionJob:
    """The data of one run; a sweep has a leading axis N. Repeats differ in their draws only.

    Attributes:
      target: `[cells]` int, the class of each cell: all classes, some of them, or one. With one,
        it is the single-class evolution that the paper compares with.
    """

    target: ArrayLike


@pytree
class EvolvedFooling(Composed):
    """An archive that keeps the best image for each class.

    Results have an axis of cells, as in `confidence [N, cells]`; a run stops when `until` holds in
    all cells. A cell without a winner shows an image of the start population and has no confidence,
    prediction or success. `notes` holds the lineage (`jfool.search.map_elites.Lineage`).

    The paper maximizes the softmax confidence; for ImageNet its mean over ten crops
    (`models.TenCrop`). It runs 200 generations of 200 children on MNIST; on ImageNet 5 000 of 400
    (CPPN) and 20 000 of 200 (direct). Where its text and its code differ, the encodings say which
    one their defaults follow.

    Attributes:
      encoding: `DirectPixels(image_shape)` or `CPPN(image_shape)`.
      num_classes: K.
      search: children per generation, and how many generations to record.
      objective: the score of an image in a cell, from the cell's class.
    Example:
      >>> from jfool.encodings import DirectPixels
      >>> attack = EvolvedFooling(DirectPixels((28, 28, 1)), 10)
      >>> attack.search.population_size
      200
    """

    encoding: Any
    num_classes: int = static()
    search: MAPElites = MAPElites()
    objective: Objective = Confidence()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.encoding.image_shape

    def check(self, jobs: EvolutionJob) -> None:
        """Raises on settings or jobs that cannot work."""
        if not isinstance(jobs, EvolutionJob):
            raise TypeError(f"jobs: expected jfool.EvolutionJob, got {type(jobs).__name__}")
        check_num_classes(self.num_classes)
        check_objective(self.objective, self.num_classes, targeted=True)
        check_part("encoding", self.encoding, EvolvableEncoding, "jfool.DirectPixels(...)")
        check_part("search", self.search, MAPElites, "jfool.MAPElites(...)")
        check_classes(jobs, True, self.num_classes, "N, cells")
        targets = values_of(jobs.target)
        if targets is not None and not np.diff(np.sort(targets)).all():
            raise ValueError("jobs.target: expected different classes in a run, got some twice")
