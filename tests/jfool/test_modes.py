"""Every attack gives the same result in the modes of JAX that a user may have switched on.

Strict dtypes and ranks are the mode of all these tests (`conftest.py`); x64 is tried with the usual
ones. What takes no part in a row of the contract's table is in `PARTS`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import keystr, tree_leaves_with_path

import jfool
from jfool.base import PRNGKey
from jfool.encodings.boundary import BOUNDARIES
from jfool.metrics import total_variation
from jfool.penalties import L1, GroupL1
from jfool.result import AttackResult
from tests.jfool.helpers import (
    NUM_CLASSES,
    POPULATION,
    SHAPE,
    Linear,
    Poisonable,
    assert_same,
    grey_jobs,
    inner,
    photos,
    task,
)
from tests.jfool.test_contract import TABLE, WEIGHTS

NUM_STEPS = 2
INTEGERS = ("prediction", "num_queries", "num_gradients", "num_steps")
ROUNDED = {"FeatureInversion": 1e-5}  # in x64, optax.adam corrects its bias in float64


def run(name: str, health: float = 1.0, key: PRNGKey | None = None) -> AttackResult:
    """Of four jobs, some of which end early: their histories end in NaN."""
    row = TABLE[name]
    jobs = row.jobs(np.arange(NUM_CLASSES), row.base, True in row.aims)
    model = Poisonable(Linear(jnp.asarray(WEIGHTS)), jnp.float32(health))
    attack = row.make(jfool.Confidence())
    options = {"num_steps": NUM_STEPS, "until": jfool.confident(0.3), "history": True}
    key = jax.random.key(0) if key is None else key
    return jfool.run(key, attack, model, jobs, **options)


@pytest.fixture(scope="module", params=TABLE)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def plain(name: str) -> AttackResult:
    return run(name)


def types(tree: Any) -> dict[str, str]:
    return {keystr(path): str(leaf.dtype) for path, leaf in tree_leaves_with_path(tree)}


def assert_close(found: Any, expected: Any, atol: float) -> None:
    assert types(found) == types(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=10 * atol, atol=atol)


def values(jaxpr: Any) -> Iterator[tuple[str, Any]]:
    """All that a program computes: primitive and array."""
    for equation in jaxpr.eqns:
        for part in inner(equation):
            yield from values(part)
        yield from ((equation.primitive.name, variable.aval) for variable in equation.outvars)


def assert_32_bits(function: Callable[[PRNGKey], Any]) -> None:
    """In x64 it returns what it usually does, and neither computes nor draws with more bits. One
    number a job may be float64: those of Python are, and so optax corrects the bias of Adam."""

    def named(key: PRNGKey) -> dict[str, Any]:
        return {keystr(path): leaf for path, leaf in tree_leaves_with_path(function(key))}

    key = jax.random.key(0)
    expected = jax.eval_shape(lambda key: named(key), key)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        jaxpr, found = jax.make_jaxpr(lambda key: named(key), return_shape=True)(key)
    assert types(found) == types(expected)
    assert not {"float64", "int64"} & set(types(found).values())
    for primitive, value in values(jaxpr.jaxpr):
        assert value.dtype != jnp.float64 or value.weak_type or value.ndim < 2, (primitive, value)
        assert primitive != "random_bits" or value.dtype != jnp.uint64, value


@pytest.mark.filterwarnings("error")  # a scatter of other types is an error in a future JAX
def test_in_x64_every_attack_computes_in_32_bits(name):
    assert_32_bits(lambda key: run(name, key=key))


@pytest.mark.slow
def test_in_x64_the_result_is_the_same(name, plain):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        found = run(name)
    assert all(getattr(found, field).dtype == jnp.int32 for field in INTEGERS)
    assert found.images.dtype == found.confidence.dtype == jnp.float32
    assert found.history.fitness.dtype == jnp.float32
    assert_close(found, plain, ROUNDED.get(name, 0.0))


def test_a_nan_that_stands_for_nothing_is_no_error_in_debug_nans(name, plain):
    assert np.isnan(plain.history.fitness).any() or not plain.stopped.any()
    with jax.debug_nans(True):
        assert_same(run(name), plain)


def test_nan_logits_are_no_error_in_debug_nans(name):
    with jax.debug_nans(True):
        result = run(name, health=-1.0)
    assert np.isnan(result.confidence).all()
    assert not result.success.any()


@pytest.mark.slow
def test_without_jit_the_result_is_the_same(name, plain):
    with jax.disable_jit(), jax.debug_nans(True):
        assert_close(run(name), plain, 1e-5)


def encoded(encoding: Any) -> Callable[[PRNGKey], Any]:
    """Parents, their children and their images."""

    def images(key: PRNGKey) -> Any:
        start_key, vary_key = jax.random.split(key)
        parents = encoding.start(start_key, 4)
        first, second = (jax.tree.map(lambda leaf, i=i: leaf[i : i + 2], parents) for i in (0, 2))
        children = encoding.vary(vary_key, first, second, jnp.int32(3))
        return parents, children, jax.vmap(encoding.decode, (None, 0))(None, children)

    return images


def searched(search: jfool.DifferentialEvolution) -> Callable[[PRNGKey], Any]:
    """Trials among a start population, and the state."""

    def trials(key: PRNGKey) -> Any:
        start_key, step_key = jax.random.split(key)
        encoding = jfool.SparsePixels(SHAPE, 2)
        state = search.init(start_key, task(encoding, NUM_CLASSES))
        return search.trial(step_key, encoding, state), state

    return trials


def repaired(boundary: str) -> Callable[[PRNGKey], Any]:
    def positions(key: PRNGKey) -> Any:
        draw_key, repair_key = jax.random.split(key)
        encoding = jfool.SparsePixels(SHAPE, 2, boundary)
        drawn = 9 * jax.random.normal(draw_key, (4, *encoding.genotype_shape), jnp.float32)
        rows = encoding.repair(repair_key, drawn)
        job = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], grey_jobs())
        return rows, jax.vmap(encoding.decode, (None, 0))(strong(job), rows)

    return positions


def landed(penalty: Any) -> Callable[[PRNGKey], Any]:
    def image(key: PRNGKey) -> Any:
        moved, slope = jax.random.uniform(key, (2, *SHAPE), jnp.float32)
        job = jfool.InversionJob(*(jnp.float32(number) for number in (0, 0.5, 0, 0.1)))
        ahead = penalty.direction(job, moved, slope)
        return penalty.penalty(job, moved), penalty.land(job, moved, ahead, moved, jnp.int32(4))

    return image


def strong(job: Any) -> Any:
    kinds = {"f": jnp.float32, "i": jnp.int32}
    return jax.tree.map(lambda leaf: leaf.astype(kinds[leaf.dtype.kind]), job)


def judged(key: PRNGKey) -> Any:
    logits = 3 * jax.random.normal(key, (5, NUM_CLASSES), jnp.float32)
    objectives = (jfool.Confidence(), jfool.LogConfidence(), jfool.Logit(), jfool.Margin())
    criteria = (jfool.confident(0.5), jfool.misclassified())
    return (
        [objective(logits, 2) for objective in objectives],
        [[until(row, 2, targeted=True) for row in logits] for until in criteria],
        [jfool.criteria.prediction(row) for row in logits],
        total_variation(logits.reshape(5, NUM_CLASSES, 1)),
    )


DIRECT = {"image_shape": SHAPE, "colors": "rgb"}
PARTS: dict[str, Callable[[PRNGKey], Any]] = {
    **{colors: encoded(jfool.DirectPixels(SHAPE, colors)) for colors in ("rgb", "hls", "hsv")},
    "bytes": encoded(jfool.DirectPixels(SHAPE, "rgb", "uint8")),
    "bounded": encoded(
        jfool.DirectPixels(
            **DIRECT,
            mutation=jfool.BoundedMutation(halve_every=2),
            crossover=jfool.SimulatedBinaryCrossover(equal_genes=0.5),
        )
    ),
    "CPPN": encoded(jfool.CPPN(SHAPE, "hls", 16, 24)),
    "latin hypercube": searched(jfool.DifferentialEvolution(POPULATION, start="latin_hypercube")),
    "crossover": searched(jfool.DifferentialEvolution(POPULATION, (0.3, 0.9), 0.5, "best")),
    **{boundary: repaired(boundary) for boundary in BOUNDARIES},
    "L1": landed(L1()),
    "groups": landed(GroupL1()),
    "regularizers": landed(jfool.Regularizers(0.1, 0.4, 2, 20.0, 20.0)),
    "logits": judged,
    "near": lambda key: jfool.NearBase()(key, jnp.asarray(photos(1)[0])),
    "uniform": lambda key: jfool.Uniform()(key, jnp.asarray(photos(1)[0])),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PARTS)
def test_in_x64_every_part_computes_in_32_bits(name):
    assert_32_bits(PARTS[name])


MODES = {
    "NaN": lambda: jax.debug_nans(True),
    "infinities": lambda: jax.debug_infs(True),
    "tracer leaks": jax.checking_leaks,
    "transfers": lambda: jax.transfer_guard("disallow"),
    "no jit": jax.disable_jit,
}


@pytest.mark.parametrize("mode", [*MODES, "transfers, without a model's weights"])
def test_a_sweep_is_no_error_in_the_debugging_modes_of_jax(mode):
    """Its lanes hold the NaN and the infinities of states between segments, and its jobs come from
    the host."""
    row = TABLE["FeatureInversion"]
    jobs = row.jobs(np.arange(NUM_CLASSES), row.base, True)
    attack, key = row.make(jfool.Confidence()), jax.random.key(0)
    model = Linear(WEIGHTS if "without" in mode else jnp.asarray(WEIGHTS))
    with MODES[mode.partition(",")[0]]():
        results = jfool.sweep(key, attack, model, jobs, num_steps=1, lanes=2)
    assert len(results.table) == NUM_CLASSES


@pytest.mark.parametrize("mode", ["infinities", "transfers"])
def test_run_and_perturb_are_no_error_in_the_debugging_modes_of_jax(mode):
    """The fitness of a state that was not shown is -infinity."""
    row = TABLE["PGD"]
    jobs = row.jobs(np.arange(NUM_CLASSES), row.base, False)
    attack = row.make(jfool.Untargeted(jfool.Confidence()))
    lead = jax.random.key(0), attack, Linear(WEIGHTS), jobs
    with MODES[mode]():
        result = jfool.run(*lead, num_steps=1)
        images = jfool.perturb(*lead, num_steps=1)
    assert np.isfinite(result.images).all()
    assert np.isfinite(images).all()
