"""An attack as search x encoding x objective, inside a constraint."""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax
from jax import Array
from jaxtyping import Float

from jfool.arguments import check_classes, check_num_classes, check_objective, check_part
from jfool.base import (
    Candidate,
    Evaluator,
    Logits,
    Objective,
    PRNGKey,
    Truth,
    pytree,
    reference_class,
    static,
)
from jfool.criteria import fooled
from jfool.numbers import brief
from jfool.objectives import OfLogits


@dataclasses.dataclass(frozen=True)
class Task:
    """What a search is to do for one job, with the parts of its attack.

    Attributes:
      encoding, objective, job: of the attack.
      image_shape, num_classes: (H, W, C) and K.
      constraint: where the answer may lie; None for anywhere in [0, 1].
      penalty: what a gradient search subtracts from the fitness, and how its steps obey it; None.
      start: `start(key, image)`, where a search for one image begins; None for the encoding's own.
      evaluate: shows genotypes to the model; None before the first step.
    """

    encoding: Any
    objective: Any
    job: Any
    image_shape: tuple[int, int, int]
    num_classes: int
    constraint: Any = None
    penalty: Any = None
    start: Any = None
    evaluate: Any = None

    def logits(self, genotypes: Any) -> Logits:
        """`[P, K]`."""
        return self._evaluate(self.encoding, self.job, genotypes)

    def fittest(self, genotypes: Any) -> tuple[Float[Array, " P"], Float[Array, " K"]]:
        """Fitness `[P]`, and the logits `[K]` of the fittest."""
        return self._evaluate.fittest(self.encoding, self.objective, self.job, genotypes)

    def gradient(self, genotype: Any) -> tuple[Float[Array, ""], Any, Float[Array, " K"]]:
        """Of one genotype: its fitness, the gradient of that, and its logits `[K]`."""
        objective = self.objective
        score = objective if hasattr(objective, "show") else OfLogits(objective)
        one = jax.tree.map(lambda leaf: leaf[None], genotype)
        found = self._evaluate.gradient(self.encoding, score, self.job, one)
        return jax.tree.map(lambda leaf: leaf[0], found)

    def fooled(self, logits: Logits) -> Truth:
        """Whether logits `[K]` are what the attack wants."""
        targeted = self.objective.targeted
        return fooled(logits, reference_class(self.job, targeted), targeted)

    @property
    def _evaluate(self) -> Any:
        if self.evaluate is None:
            raise TypeError("evaluate: expected to be used in a step, got a call before the first")
        return self.evaluate


@runtime_checkable
class Search(Protocol):
    """How better answers are found; a pytree. It holds the settings, its state all that changes.

    `images_at_once` is how many images a step shows in one call. A search may also say which
    protocol it `needs` of its encoding.
    """

    @property
    def images_at_once(self) -> int: ...
    def init(self, key: PRNGKey, task: Task) -> Any: ...
    def step(self, key: PRNGKey, task: Task, state: Any) -> tuple[Any, Any]: ...
    def best(self, task: Task, state: Any) -> Candidate: ...
    def check(self) -> None: ...


@runtime_checkable
class Encoding(Protocol):
    """How a genotype becomes an image of `image_shape`."""

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    def decode(self, job: Any, genotype: Any) -> Any: ...
    def check(self, jobs: Any) -> None: ...


class Composed:
    """The methods of every attack that has a `search`, an `encoding`, an `objective`,
    `image_shape` and `num_classes`, and perhaps a `constraint`, a `penalty` and a `start`.

    A named attack is a `pytree` with the settings of its paper as fields; parts may be properties
    made from them.
    """

    def __post_init__(self: Any) -> None:
        _ = self.encoding  # raises at once on shapes that cannot work

    @property
    def targeted(self: Any) -> bool:
        return self.objective.targeted

    @property
    def images_at_once(self: Any) -> int:
        return self.search.images_at_once

    def task(self: Any, job: Any, evaluate: Evaluator | None = None) -> Task:
        """What the search is to do for a job."""
        names = ("constraint", "penalty", "start")
        perhaps = {name: getattr(self, name, None) for name in names}
        sizes = self.image_shape, self.num_classes
        return Task(self.encoding, self.objective, job, *sizes, **perhaps, evaluate=evaluate)

    def init(self: Any, key: PRNGKey, job: Any) -> Any:
        return self.search.init(key, self.task(job))

    def step(self: Any, key: PRNGKey, evaluate: Evaluator, job: Any, state: Any) -> tuple[Any, Any]:
        return self.search.step(key, self.task(job, evaluate), state)

    def best(self: Any, job: Any, state: Any) -> Candidate:
        return self.search.best(self.task(job), state)

    def check(self: Any, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_num_classes(self.num_classes)
        check_objective(self.objective, self.num_classes)
        check_part("search", self.search, Search, "jfool.DifferentialEvolution()")
        check_part("encoding", self.encoding, Encoding, "jfool.SparsePixels(...)", jobs)
        needs = getattr(self.search, "needs", Encoding)
        if not isinstance(self.encoding, needs):
            raise TypeError(
                f"encoding: expected a {needs.__name__}, as {type(self.search).__name__} needs it, "
                f"got {brief(self.encoding)}"
            )
        check_classes(jobs, self.objective.targeted, self.num_classes)


@pytree
class Composition(Composed):
    """A search over genotypes, whose images an objective scores.

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
