"""Models and jobs small enough to be worked out by hand, and the tools to look into a run."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jax import Array

import jfool
from jfool.base import pytree, static
from jfool.composition import Task
from jfool.loop import strong

SHAPE = (4, 5, 3)  # different sizes, so that no axis can be taken for another
NUM_CLASSES = 4
POPULATION = 8


@pytree
class Linear:
    """Logits are `images @ weights`, summed as XLA likes."""

    weights: Any

    def __call__(self, images: Array) -> Array:
        return images.reshape(len(images), -1) @ self.weights

    def features(self, images: Array, layer: str) -> Array:
        """Its logits are the only layer, whatever the name."""
        del layer
        return self(images)


@pytree
class FixedOrder:
    """Logits are `images @ weights`, added pixel by pixel: no sum depends on the batch's shape."""

    weights: Any

    def __call__(self, images: Array) -> Array:
        def add(logits: Array, pixel: tuple[Array, Array]) -> tuple[Array, None]:
            values, weights = pixel
            return logits + values[:, None] * weights[None], None

        pixels = images.reshape(len(images), -1).T
        start = jnp.zeros((len(images), self.weights.shape[1]), jnp.float32)
        return jax.lax.scan(add, start, (pixels, jnp.asarray(self.weights)))[0]


@pytree
class Relu:
    """One hidden layer: logits are `relu(images @ first) @ second`."""

    first: Any
    second: Any

    def __call__(self, images: Array) -> Array:
        return jax.nn.relu(images.reshape(len(images), -1) @ self.first) @ self.second

    def by_hand(self, image: Any) -> tuple[np.ndarray, np.ndarray]:
        """In float64, of one image: logits `[K]`, and the gradient of each, `[K, H, W, C]`."""
        first, second = np.asarray(self.first, float), np.asarray(self.second, float)
        hidden = np.asarray(image, float).ravel() @ first
        gradients = (first * (hidden > 0)) @ second
        return np.maximum(hidden, 0) @ second, gradients.T.reshape(-1, *np.shape(image))


def relu(seed: int = 0, num_classes: int = NUM_CLASSES, scale: float = 1.0) -> Relu:
    """Random weights; of the hidden units, about half are on."""
    rng = np.random.default_rng(seed)
    size, width = int(np.prod(SHAPE)), 24
    first = rng.normal(size=(size, width)) / np.sqrt(size)
    second = rng.normal(size=(width, num_classes)) * scale
    return Relu(jnp.asarray(first, jnp.float32), jnp.asarray(second, jnp.float32))


def flat(seed: int = 0, num_classes: int = NUM_CLASSES) -> tuple[Relu, np.ndarray]:
    """A net that is linear in images, because no hidden unit is ever off, and its weights `[H, W,
    C, K]`. It shares the programs of `relu`."""
    rng = np.random.default_rng(seed)
    first = np.abs(rng.normal(size=(int(np.prod(SHAPE)), 24))).astype(np.float32)
    second = (rng.normal(size=(24, num_classes)) / 5).astype(np.float32)
    weights = first.astype(float) @ second.astype(float)
    return Relu(jnp.asarray(first), jnp.asarray(second)), weights.reshape(*SHAPE, num_classes)


@pytree
class Poisonable:
    """A model whose logits are all NaN while `health`, a finite weight, is negative."""

    model: Any
    health: Any = 1.0

    def __call__(self, images: Array) -> Array:
        return self.model(images) + jnp.log(jnp.asarray(self.health, jnp.float32))

    def features(self, images: Array, layer: str) -> Array:
        return self.model.features(images, layer) + jnp.log(jnp.asarray(self.health, jnp.float32))


class Tally:
    """What happened to a model: how often it was traced, and the batches that it really saw."""

    def __init__(self) -> None:
        self.traces = 0
        self.batches: list[np.ndarray] = []

    def see(self, images: Any) -> None:
        self.batches.append(np.asarray(images))

    def wait(self) -> list[np.ndarray]:
        """The batches, once all that is under way has arrived."""
        jax.effects_barrier()
        return self.batches

    @property
    def num_images(self) -> int:
        return sum(map(len, self.wait()))

    def forget(self) -> None:
        self.wait().clear()
        self.traces = 0


@pytree
class Traced:
    """A model that notes when it is traced, and what it is shown outside of a trace."""

    model: Any
    tally: Tally = static()

    def __call__(self, images: Array) -> Array:
        if isinstance(images, jax.core.Tracer):
            self.tally.traces += 1
        else:
            self.tally.see(images)
        return self.model(images)


@pytree
class Watched:
    """A model that notes every batch it computes, also inside a compiled program."""

    model: Any
    tally: Tally = static()

    def __call__(self, images: Array) -> Array:
        jax.debug.callback(self.tally.see, images)
        return self.model(images)

    def features(self, images: Array, layer: str) -> Array:
        return self.model.features(images, layer)


@dataclasses.dataclass(frozen=True)
class Scored:
    """Stands in for `jfool.Evaluate` where a test gives fitness or logits of genotypes itself."""

    function: Callable[[Any], Any]

    def __call__(self, encoding: Any, job: Any, genotypes: Any) -> Any:
        return self.function(genotypes)

    def fittest(self, encoding: Any, objective: Any, job: Any, genotypes: Any) -> Any:
        return self.function(genotypes)

    def gradient(self, encoding: Any, score: Any, job: Any, genotypes: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[None], self.function(genotypes[0]))


KEY = 3


def step_keys(num_jobs: int, num_steps: int) -> Array:
    """`[T + 1, N]`: as `run` has them for the start of each job, and for each of its steps."""
    of_job = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(KEY), jnp.arange(num_jobs))
    return jax.vmap(lambda t: jax.vmap(jax.random.fold_in, (0, None))(of_job, t))(
        jnp.arange(num_steps + 1)
    )


def states_of(attack: Any, model: Any, jobs: Any, num_steps: int) -> Any:
    """The states before each step and after the last one, `[T + 1, N, ...]`."""
    keys = step_keys(len(jax.tree.leaves(jobs)[0]), num_steps)
    return _states(keys, *strong((attack, model, jobs)))


@jax.jit
def _states(keys: Array, attack: Any, model: Any, jobs: Any) -> Any:
    def step(states: Any, keys: Array) -> tuple[Any, Any]:
        def of_job(key: Array, job: Any, state: Any) -> Any:
            return attack.step(key, jfool.Evaluate(model), job, state)[0]

        return jax.vmap(of_job)(keys, jobs, states), states

    start = jax.vmap(attack.init)(keys[0], jobs)
    last, states = jax.lax.scan(step, start, keys[1:])
    return jax.tree.map(lambda all, one: jnp.concatenate([all, one[None]]), states, last)


def task(
    encoding: Any,
    num_classes: int,
    score: Callable[[Any], Any] | None = None,
    *,
    job: Any = None,
    objective: Any = None,
    **parts: Any,
) -> Task:
    """A search's task without a model: `score` is (fitness [P], logits [K]) of the genotypes, or
    their logits, or (fitness [], gradient, logits [K]) of one, whichever the search asks for."""
    evaluate = None if score is None else Scored(score)
    parts = {"image_shape": SHAPE, **parts}
    return Task(encoding, objective, job, num_classes=num_classes, evaluate=evaluate, **parts)


def weights(
    seed: int = 0, shape: tuple[int, ...] = SHAPE, num_classes: int = NUM_CLASSES
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (int(np.prod(shape)), num_classes)).astype(np.float32)


def photos(count: int, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(count, *shape)).astype(np.float32)


def sparse_fooling(**options: Any) -> jfool.SparseFooling:
    options = {
        "max_k": 3,
        "search": jfool.DifferentialEvolution(population_size=POPULATION),
        **options,
    }
    return jfool.SparseFooling(SHAPE, NUM_CLASSES, **options)


def grey_jobs(targets: Any = (0, 1, 2, 3), k: Any = 2) -> jfool.SparseJob:
    targets = np.asarray(targets)
    base = np.full((len(targets), SHAPE[2]), 0.5, np.float32)
    return jfool.SparseJob(target=targets, base=base, k=np.broadcast_to(k, targets.shape))


def rows(tree: Any, index: Any) -> Any:
    """The given jobs, or their results."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[jnp.asarray(index)], tree)


def assert_same(a: Any, b: Any) -> None:
    """Bit for bit, NaN where NaN."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """As users have it: the annotations of jfool's functions are checked in these tests only."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def inner(equation: Any) -> Iterator[Any]:
    """The jaxprs inside an equation: of its call, its loop or its branches."""
    for value in equation.params.values():
        for part in value if isinstance(value, (tuple, list)) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                yield part


def primitives(equation: Any) -> set[str]:
    """The names of the primitives that an equation is made of, its own included."""
    names = {equation.primitive.name}
    for jaxpr in inner(equation):
        names |= set().union(*map(primitives, jaxpr.eqns))
    return names


def callbacks(jaxpr: Any) -> set[str]:
    names = set().union(*map(primitives, jaxpr.eqns))
    return {name for name in names if "callback" in name or name in ("infeed", "outfeed")}


def run_badly(model: Any = None, **given: Any) -> Any:
    """`jfool.run` with arguments that work, but for those given."""
    arguments = {"key": jax.random.key(0), "attack": sparse_fooling(), "jobs": grey_jobs()}
    arguments |= {"num_steps": 3, **given}
    lead = [arguments.pop("key"), arguments.pop("attack"), model, arguments.pop("jobs")]
    return jfool.run(*lead, **arguments)


Given = dict[str, Callable[[], Any]]


def assert_refused(given: Given, error: Any, message: str) -> None:
    """`run` names what is wrong in one line, and has not worked with the model yet."""
    tally = Tally()
    make_model = given.get("model", lambda: Traced(Linear(weights()), tally))
    with unchecked(), pytest.raises(error, match=message) as caught:
        run_badly(make_model(), **{k: make() for k, make in given.items() if k != "model"})
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 300
    assert not tally.batches
    assert tally.traces <= 1  # looked at in the abstract at most: nothing was compiled
