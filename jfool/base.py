"""The vocabulary of jfool: array names, frozen pytrees, and the protocols that attacks follow.

Axes: `B` images of a batch, `N` jobs (attacks run side by side), `P` members of a population,
`H, W, C` height, width and channels of an image, `K` classes, `k` altered pixels.
Images are floats in [0, 1]; models carry their own normalisation.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, dataclass_transform, runtime_checkable

import jax
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, Key

PRNGKey = Key[Array, ""]
KEY_TYPE = "threefry2x32"  # the others draw differently under vmap
Image = Float[Array, "H W C"]
Images = Float[Array, "B H W C"]
Logits = Float[Array, "*batch K"]
Fitness = Float[Array, "*batch"]
ClassIndex = Int[Array, ""] | Int[np.ndarray, ""] | int
Truth = Bool[Array, ""]
Model = Callable[[Images], Logits]

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field of a `pytree` that gives shape: hashable, part of the compiled program."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """A frozen dataclass whose fields are leaves, so that `jit` keeps one trace over new numbers
    and `vmap` runs over them, except the `static` ones."""
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True)(cls))


def reference_class(job: Any, targeted: bool) -> Any:
    """The class that an attack is judged by: `job.target`, to be reached, if it is targeted, else
    `job.label`, the true class, to be left.

    Raises:
      TypeError: the job does not have it.
    """
    target, label = (getattr(job, name, None) for name in ("target", "label"))
    if targeted and target is None:
        got = "none" if label is None else "a label (the class to reach is now called target)"
        raise TypeError(f"jobs.target: expected the class to reach in a targeted attack, got {got}")
    if not targeted and label is None:
        got = "none" if target is None else "a target"
        raise TypeError(f"jobs.label: expected the true class in an untargeted attack, got {got}")
    return target if targeted else label


@pytree
class Candidate:
    """The best answer that an attack has so far; of an archive, one for each of its cells.

    Every field has the axes of the job's class first (`reference_class`): none, or `[cells]` where
    a job has an answer for each of several classes.

    Attributes:
      image: `[H, W, C]`, in [0, 1].
      logits: `[K]`, what the model said of it; NaN before anything was evaluated.
      fitness: `[]`, what the objective made of them (larger is better).
      genotype: the encoding's own form of the image.
      notes: what else the attack tells of the search; a pytree, None where there is nothing.
    """

    image: Array
    logits: Array
    fitness: Array
    genotype: Any
    notes: Any = None


@runtime_checkable
class Objective(Protocol):
    """`objective(logits [*, K], class) -> fitness [*]`, of the class to reach if `targeted`, else
    of the true class, to be left."""

    @property
    def targeted(self) -> bool: ...

    def __call__(self, logits: Logits, reference: ClassIndex, /) -> Fitness: ...


@runtime_checkable
class Evaluator(Protocol):
    """`evaluate(encoding, job, genotypes [P, ...]) -> logits [P, K]` (see `jfool.Evaluate`)."""

    def __call__(self, encoding: Any, job: Any, genotypes: Any) -> Logits: ...
    def fittest(
        self, encoding: Any, objective: Objective, job: Any, genotypes: Any
    ) -> tuple[Fitness, Float[Array, " K"]]: ...
    def gradient(
        self, encoding: Any, score: Any, job: Any, genotypes: Any
    ) -> tuple[Fitness, Any, Logits]: ...


@runtime_checkable
class Attack(Protocol):
    """An attack, written for one job; `jfool.run` vmaps it over jobs and steps it.

    `image_shape` (H, W, C), `num_classes` (K) and `targeted` (reach `job.target`, or leave
    `job.label`) are fixed for the compiled program.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def targeted(self) -> bool: ...

    def check(self, jobs: Any) -> None:
        """Raises ValueError or TypeError on settings or jobs (leading axis N, NumPy leaves) that
        cannot work. Called once, before anything is compiled."""

    def init(self, key: PRNGKey, job: Any) -> Any:
        """Draws the start; shows the model nothing."""

    def step(self, key: PRNGKey, evaluate: Evaluator, job: Any, state: Any) -> Any:
        """One generation or gradient step; the first one evaluates what `init` drew."""

    def best(self, job: Any, state: Any) -> Candidate:
        """The best answer so far."""
        ...


@runtime_checkable
class Criterion(Protocol):
    """Whether an attack has got what it wants (see `jfool.criteria`)."""

    def __call__(
        self, logits: Float[Array, " K"], reference: ClassIndex, /, targeted: bool
    ) -> Truth: ...
