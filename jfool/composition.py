"""An attack as search x encoding x objective."""

from typing import Any

import jax

from jfool.arguments import check_classes, check_num_classes
from jfool.base import Candidate, Evaluator, PRNGKey, pytree, static
from jfool.objectives import Objective


class Composed:
    """The methods of every attack that has a `search`, an `encoding`, an `objective` and
    `num_classes`.

    A named attack is a `pytree` with the settings of its paper as fields; its encoding is a
    property, made from them.
    """

    def __post_init__(self: Any) -> None:
        _ = self.encoding  # raises at once on shapes that cannot work

    @property
    def targeted(self: Any) -> bool:
        return self.objective.targeted

    def init(self: Any, key: PRNGKey, job: Any) -> Any:
        del job
        return self.search.init(key, self.encoding, self.num_classes)

    def step(self: Any, key: PRNGKey, evaluate: Evaluator, job: Any, state: Any) -> Any:
        def score(genotypes):
            return evaluate.fittest(self.encoding, self.objective, job, genotypes)

        return self.search.step(key, self.encoding, score, state)

    def best(self: Any, job: Any, state: Any) -> Candidate:
        i = self.search.best(state.fitness)
        genotype = jax.tree.map(lambda leaf: leaf[i], state.population)
        image = self.encoding.decode(job, genotype)
        return Candidate(image, state.logits, state.fitness[i], genotype)

    def check(self: Any, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
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
        check_classes(jobs, targeted, self.num_classes)


@pytree
class Composition(Composed):
    """A population search over genotypes, whose images an objective scores.

    `jfool.SparseFooling` and `jfool.OnePixel` are compositions with the settings of their papers;
    any other combination of parts is an attack too.

    Attributes:
      search: finds genotypes, e.g. `DifferentialEvolution`.
      encoding: turns them into images `[H, W, C]`, e.g. `SparsePixels`.
      objective: turns logits `[P, K]` into fitness `[P]`, e.g. `Confidence`.
      num_classes: K, the number of the model's logits.
    """

    search: Any
    encoding: Any
    objective: Objective
    num_classes: int = static()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.encoding.image_shape
