"""At a fixed batch shape a job's result is the same bit for bit, whatever happens around it."""

import functools
from collections.abc import Iterator

import jax
import numpy as np
import pytest
from flax import nnx

import jfool
from jfool.result import AttackResult
from tests.jfool.helpers import FixedOrder, assert_same, rows, weights

SHAPE = (8, 8, 1)
NUM_CLASSES = 3
NUM_STEPS = 12
KEY = 11
pytestmark = pytest.mark.usefixtures("full_compiler")


class ConvNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 5, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(5, rngs=rngs)
        self.out = nnx.Linear(4 * 4 * 5, NUM_CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        hidden = nnx.relu(self.norm(self.conv(images)))
        return 8.0 * self.out(hidden.reshape(len(images), -1))


ATTACK = jfool.SparseFooling(
    SHAPE, NUM_CLASSES, max_k=4, search=jfool.DifferentialEvolution(population_size=10)
)
SMALL = (3, 4, 1)  # few pixels, for a model that adds them one by one
SMALL_ATTACK = jfool.SparseFooling(
    SMALL, NUM_CLASSES, max_k=4, search=jfool.DifferentialEvolution(population_size=10)
)
ORDERED = FixedOrder(weights(0, SMALL, NUM_CLASSES))


@pytest.fixture(scope="module")
def net() -> Iterator[ConvNet]:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        net = ConvNet(nnx.Rngs(0))
        net.eval()
        yield net


def jobs(seed: int = 0, count: int = 5) -> jfool.SparseJob:
    rng = np.random.default_rng(seed)
    return jfool.SparseJob(
        target=rng.integers(0, NUM_CLASSES, count),
        base=rng.uniform(size=(count, 1)).astype(np.float32),
        k=rng.integers(1, 5, count),
    )


def run(model, jobs, attack=ATTACK, **options) -> AttackResult:
    options = {"num_steps": NUM_STEPS, "chunk": 16, **options}
    return jfool.run(jax.random.key(KEY), attack, model, jobs, **options)


def test_the_order_of_the_jobs_does_not_matter(net):
    order = np.array([3, 0, 4, 2, 1])
    moved = run(net, rows(jobs(), order), job_ids=order)
    assert_same(moved, rows(run(net, jobs()), order))


def test_the_neighbors_do_not_matter(net):
    mixed = jax.tree.map(lambda a, b: np.concatenate([a[:2], b[2:]]), jobs(), jobs(seed=1))
    ids = np.array([0, 1, 12, 13, 14])
    result, among_others = run(net, jobs()), run(net, mixed, job_ids=ids)
    assert_same(rows(among_others, [0, 1]), rows(result, [0, 1]))
    assert (among_others.genotype[2:] != result.genotype[2:]).any((1, 2)).all()


def test_keeping_a_history_does_not_matter(net):
    with_history, without = run(net, jobs(), history=True), run(net, jobs())
    for field in ("images", "genotype", "confidence", "prediction", "success", "num_queries"):
        np.testing.assert_array_equal(getattr(with_history, field), getattr(without, field))


def test_where_a_job_or_its_neighbors_stop_does_not_matter(net):
    never = run(net, jobs(), until=jfool.confident(1.0))
    threshold = float(np.median(never.confidence))
    some = run(net, jobs(), until=jfool.confident(threshold))
    going = ~np.asarray(some.stopped)
    assert 0 < going.sum() < len(going)
    for field in ("images", "genotype", "confidence", "prediction", "num_queries", "num_steps"):
        np.testing.assert_array_equal(
            np.asarray(getattr(some, field))[going], np.asarray(getattr(never, field))[going]
        )
    for i in np.flatnonzero(~going):
        cut = run(net, jobs(), until=jfool.confident(1.0), num_steps=int(some.num_steps[i]))
        for field in ("images", "genotype", "confidence", "prediction", "num_queries", "num_steps"):
            np.testing.assert_array_equal(getattr(some, field)[i], getattr(cut, field)[i])


@functools.cache
def in_one_call() -> AttackResult:
    return run(ORDERED, jobs(), SMALL_ATTACK, chunk=None)


def test_with_sums_in_a_fixed_order_the_chunk_does_not_matter():
    assert_same(run(ORDERED, jobs(), SMALL_ATTACK, chunk=7), in_one_call())


def test_with_sums_in_a_fixed_order_company_does_not_matter():
    alone = run(ORDERED, rows(jobs(), [3]), SMALL_ATTACK, job_ids=np.array([3]))
    assert_same(alone, rows(in_one_call(), [3]))
