"""The vocabulary of jfool: array types, frozen pytrees, and the protocols of attacks.

Axes: `B` images of a batch, `N` jobs (attacks run side by side), `P` members of a population,
`H, W, C` height, width and channels of an image, `K` classes, `k` altered pixels.
Images are floats in [0, 1]; models do their own normalization.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, dataclass_transform, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, Key

PRNGKey = Key[Array, ""]
KEY_TYPE = "threefry2x32"  # other kinds draw differently under vmap
Image = Float[Array, "H W C"]
Images = Float[Array, "B H W C"]
Logits = Float[Array, "*batch K"]
Fitness = Float[Array, "*batch"]
ClassIndex = Int[Array, ""] | Int[np.ndarray, ""] | int
Truth = Bool[Array, ""]
Model = Callable[[Images], Logits]

T = TypeVar("T")


def static(**kwargs: Any) -> Any:
    """A field of a `pytree` that is part of the compiled program, such as a shape; hashable. A list
    becomes a tuple."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def pytree(cls: type[T]) -> type[T]:
    """A frozen dataclass as a pytree: its fields are leaves, except the `static` ones. `jit` keeps
    one trace over new numbers, and `vmap` maps over them."""
    # Not by `jax.tree_util.register_dataclass`: the structures of two classes with equal fields
    # are equal there (jax 0.10), so that `jit` may run the program of the other class.
    own: Any = cls
    check_made = getattr(own, "__post_init__", lambda self: None)

    def set_up(self: Any) -> None:
        for name in fixed:
            object.__setattr__(self, name, _hashable(name, getattr(self, name)))
        check_made(self)

    own.__post_init__ = set_up
    made: Any = dataclasses.dataclass(frozen=True)(own)
    fields = [field for field in dataclasses.fields(made) if field.init]
    fixed = tuple(field.name for field in fields if field.metadata.get("static"))
    data = tuple(field.name for field in fields if not field.metadata.get("static"))

    def flatten_with_keys(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        leaves = [(jax.tree_util.GetAttrKey(name), getattr(tree, name)) for name in data]
        return leaves, tuple(getattr(tree, name) for name in fixed)

    def flatten(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(tree, name) for name in data], tuple(getattr(tree, n) for n in fixed)

    def unflatten(choices: tuple[Any, ...], leaves: Any) -> Any:
        given = [*zip(fixed, choices, strict=True), *zip(data, leaves, strict=True)]
        return made(**dict(given))

    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    return made


def _hashable(name: str, value: Any) -> Any:
    """A static field; a list as a tuple."""
    value = tuple(value) if isinstance(value, list) else value
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"{name}: expected a choice that can be hashed, such as a number, a word or a tuple, "
            f"got {value!r:.60}"
        ) from None
    return value


def is_key(leaf: Any) -> bool:
    """Whether it is an array of typed keys."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def reference_class(job: Any, targeted: bool) -> Any:
    """The class that decides success: `job.target`, which a targeted attack must reach, or
    `job.label`, the true class, which an untargeted one must leave.

    Raises:
      TypeError: the job does not have it.
    """
    target, label = (getattr(job, name, None) for name in ("target", "label"))
    if targeted and target is None:
        got = "none" if label is None else "a label (give target=, or an Untargeted objective)"
        raise TypeError(f"jobs.target: expected the class to reach in a targeted attack, got {got}")
    if not targeted and label is None:
        got = "none" if target is None else "a target (give label=, or a targeted objective)"
        raise TypeError(f"jobs.label: expected the true class in an untargeted attack, got {got}")
    return target if targeted else label


@pytree
class Candidate:
    """An answer of an attack; of an archive, the best in each cell.

    Every field has the axes of the job's class first (`reference_class`): none, or `[cells]` if the
    job has an answer for each of several classes.

    Attributes:
      image: `[H, W, C]`, in [0, 1].
      logits: `[K]`, the model's for the image; NaN if it was not shown to the model.
      fitness: `[]`, the objective's for the logits; larger is better.
      genotype: the image as the encoding represents it.
      notes: anything else that the attack reports, a pytree; None for nothing.
      found: `[]` bool; False where there is no answer, as in an empty cell. What is not found has
        no confidence and never succeeds.
    """

    image: Array
    logits: Array
    fitness: Array
    genotype: Any
    notes: Any = None
    found: Any = True


@pytree
class Info:
    """What a step tells those who watch; the next step does not need it.

    Attributes:
      fitness: `[]` or `[cells]`, the best so far.
    """

    fitness: Any


@runtime_checkable
class Objective(Protocol):
    """`objective(logits [*, K], class) -> fitness [*]`; the class is the target if `targeted`, else
    the true class."""

    @property
    def targeted(self) -> bool: ...

    def __call__(self, logits: Logits, reference: ClassIndex, /) -> Fitness: ...


@runtime_checkable
class Evaluator(Protocol):
    """`evaluate(encoding, job, genotypes [P, ...]) -> logits [P, K]` (see `jfool.Evaluate`)."""

    def __call__(self, encoding: Any, job: Any, genotypes: Any, *, when: Any = True) -> Logits: ...
    def fittest(
        self, encoding: Any, objective: Objective, job: Any, genotypes: Any, *, when: Any = True
    ) -> tuple[Fitness, Float[Array, " K"]]: ...
    def gradient(
        self, encoding: Any, score: Any, job: Any, genotypes: Any, *, when: Any = True
    ) -> tuple[Fitness, Any, Logits]: ...
    def pullback(
        self, encoding: Any, directions: Any, job: Any, genotypes: Any, *, when: Any = True
    ) -> tuple[Logits, Any]: ...


@runtime_checkable
class Attack(Protocol):
    """An attack, written for one job; `jfool.run` vmaps it over jobs and steps it.

    `image_shape` (H, W, C), `num_classes` (K), `targeted` (reach `job.target`, or leave
    `job.label`) and `images_at_once` (the most images that a step shows in one call) are fixed for
    the compiled program.

    An attack may also have `last(job, state) -> Candidate`, the answer after its last step whether
    or not it was shown to the model, and a `constraint` (`jfool.constraints`), outside of which
    nothing is a success.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def targeted(self) -> bool: ...
    @property
    def images_at_once(self) -> int: ...

    def check(self, jobs: Any) -> None:
        """Raises ValueError or TypeError if settings or jobs (leading axis N) cannot work. Called
        once, before compilation. Leaves are NumPy; inside a user's `jit` some may be traced."""

    def init(self, key: PRNGKey, job: Any) -> Any:
        """Draws the start, without evaluating it."""

    def step(self, key: PRNGKey, evaluate: Evaluator, job: Any, state: Any) -> tuple[Any, Any]:
        """One generation or gradient step; the first one evaluates what `init` drew.

        Returns:
          The state, which is what the next step needs, and what a person wants to see, a pytree
          such as `Info`.
        """
        ...

    def best(self, job: Any, state: Any) -> Candidate:
        """The best answer so far."""
        ...


@runtime_checkable
class Criterion(Protocol):
    """Whether an attack may stop (see `jfool.criteria`)."""

    def __call__(
        self, logits: Float[Array, " K"], reference: ClassIndex, /, targeted: bool
    ) -> Truth: ...
