"""Evolved fooling images. (Nguyen, Yosinski & Clune, "Deep neural networks are easily fooled",
2015)"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jfool.arguments import check_classes, check_num_classes, check_part, check_targeted
from jfool.base import Candidate, Evaluator, Objective, PRNGKey, pytree, static
from jfool.objectives import Confidence
from jfool.renamed import renamed
from jfool.search.map_elites import Archive, EvolvableEncoding, MAPElites


@renamed(label="target")
@pytree
class EvolutionJob:
    """The data of one run; a sweep has a leading axis N, and repeats differ in their draws alone.

    Attributes:
      target: `[cells]` int, the class of each cell: all classes, or some, or a single one (which is
        the evolution for one class that the paper compares with).
    """

    target: ArrayLike


@pytree
class EvolvedFooling:
    """An archive with one champion for each class, which images evolve to fill.

    Results have an axis of cells: `confidence [N, cells]` and so on; a run is stopped when `until`
    holds in all cells. A cell that nobody won shows an image of the start, and has no confidence,
    prediction or success. `notes` tells the lineage (`jfool.search.map_elites.Lineage`).

    Paper 001 climbs the softmax confidence; for ImageNet its mean over ten crops
    (`models.TenCrop`). It runs 200 generations of 200 children on MNIST; on ImageNet 5 000 of 400
    (CPPN) and 20 000 of 200 (direct). Where its text and its code differ, the defaults of the
    encodings say whom they follow.

    Attributes:
      encoding: `DirectPixels(image_shape)`, or `CPPN(image_shape)`.
      num_classes: K.
      search: children per generation, and how long a record to keep.
      objective: of one class; every cell has its own.
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

    @property
    def targeted(self) -> bool:
        return True

    def init(self, key: PRNGKey, job: EvolutionJob) -> Archive:
        return self.search.init(key, self.encoding, np.shape(job.target)[0], self.num_classes)

    def step(self, key: PRNGKey, evaluate: Evaluator, job: EvolutionJob, state: Archive) -> Archive:
        def judge(children: Any) -> tuple[Array, Array]:
            logits = evaluate(self.encoding, job, children)
            targets = jnp.asarray(job.target)
            scores = jax.vmap(self.objective, in_axes=(None, 0), out_axes=1)(logits, targets)
            return scores, logits

        return self.search.step(key, self.encoding, judge, state)

    def best(self, job: EvolutionJob, state: Archive) -> Candidate:
        images = jax.vmap(self.encoding.decode, (None, 0))(job, state.genotypes)
        return Candidate(images, state.logits, state.fitness, state.genotypes, state.lineage)

    def check(self, jobs: EvolutionJob) -> None:
        """Raises on settings or jobs that cannot work."""
        if not isinstance(jobs, EvolutionJob):
            raise TypeError(f"jobs: expected jfool.EvolutionJob, got {type(jobs).__name__}")
        check_num_classes(self.num_classes)
        check_targeted(self.objective)
        check_part("encoding", self.encoding, EvolvableEncoding, "jfool.DirectPixels(...)")
        check_part("search", self.search, MAPElites, "jfool.MAPElites(...)")
        check_classes(jobs, True, self.num_classes, "N, cells")
        targets = np.sort(jobs.target)
        if (targets[:, 1:] == targets[:, :-1]).any():
            raise ValueError("jobs.target: expected different classes in a run, got some twice")
