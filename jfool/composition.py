"""An attack as search x encoding x objective."""

from typing import Any

import jax

from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static
from jfool.expect import check_labels, check_num_classes
from jfool.objectives import Objective


@pytree
class Composition:
    """A population search over genotypes whose images are judged by an objective.

    The named attacks (`jfool.SparseFooling`, `jfool.OnePixel`) are compositions with the settings
    of their papers; any other combination of parts is an attack too.

    Attributes:
      search: finds genotypes, e.g. `DifferentialEvolution`.
      encoding: turns them into images `[H, W, C]`, e.g. `SparsePixels`.
      objective: turns logits `[P, K]` into fitness `[P]`, e.g. `Confidence`.
      num_classes: K, the number of logits of the models to attack.
    """

    search: Any
    encoding: Any
    objective: Objective
    num_classes: int = static()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.encoding.image_shape

    @property
    def targeted(self) -> bool:
        return self.objective.targeted

    def init(self, key: PRNGKey, job: Any) -> Any:
        del job
        return self.search.init(key, self.encoding, self.num_classes)

    def step(self, key: PRNGKey, evaluate: Evaluator, job: Any, state: Any) -> Any:
        def score(genotypes):
            return evaluate.fittest(self.encoding, self.objective, job, genotypes)

        return self.search.step(key, self.encoding, score, state)

    def best(self, job: Any, state: Any) -> Candidate:
        i = self.search.best(state.fitness)
        genotype = jax.tree.map(lambda leaf: leaf[i], state.population)
        image = self.encoding.decode(job, genotype)
        return Candidate(image, state.logits, state.fitness[i], genotype)

    def check(self, jobs: Any) -> None:
        check_num_classes(self.num_classes)
        targeted = getattr(self.objective, "targeted", None)
        if isinstance(self.objective, type) or not isinstance(targeted, bool):
            raise TypeError(
                "objective: expected an objective such as jfool.Confidence(), "
                f"got {self.objective!r}"
            )
        if isinstance(self.search, type) or not callable(getattr(self.search, "check", None)):
            raise TypeError(
                "search: expected a search such as jfool.DifferentialEvolution(), "
                f"got {self.search!r}"
            )
        self.search.check()
        self.encoding.check(jobs)
        check_labels(jobs.label, self.num_classes)
