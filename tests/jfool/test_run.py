"""The loop: what a run returns, how jobs end, and how keys are dealt out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import Candidate, pytree, static
from jfool.result import AttackResult
from tests.jfool import oracle
from tests.jfool.helpers import (
    NUM_CLASSES,
    POPULATION,
    SHAPE,
    Linear,
    assert_same,
    callbacks,
    grey_jobs,
    primitives,
    rows,
    sparse_fooling,
    weights,
)
from tests.jfool.test_differential_evolution import draws

NUM_STEPS = 10
MODEL = Linear(weights(3))
UNTIL = jfool.confident(0.9)


def run(jobs: jfool.SparseJob | None = None, **options) -> AttackResult:
    jobs = grey_jobs() if jobs is None else jobs
    options = {"key": jax.random.key(5), "num_steps": NUM_STEPS, "history": True, **options}
    return jfool.run(options.pop("key"), sparse_fooling(), MODEL, jobs, **options)


@pytest.fixture(scope="module")
def result() -> AttackResult:
    return run()


@pytest.fixture(scope="module")
def stopped() -> AttackResult:
    return run(until=UNTIL)


def test_jobs_are_the_numpy_search_with_keys_folded_from_job_and_step(result):
    attack, jobs = sparse_fooling(), grey_jobs()
    for i in range(4):
        key = jax.random.fold_in(jax.random.key(5), i)
        start = attack.init(jax.random.fold_in(key, 0), rows(jobs, i))
        population = np.asarray(start.population)
        fitness = np.full(POPULATION, -np.inf, np.float32)
        for t in range(NUM_STEPS + 1):
            trials = population
            if t > 0:
                drawn = draws(jax.random.fold_in(key, t + 1), attack.search, (3, 5))
                trials = oracle.trials(population, None, drawn, "clip", SHAPE)
            images = [oracle.paint(jobs.base[i], g, int(jobs.k[i]), SHAPE) for g in trials]
            theirs = [oracle.confidence(image, MODEL.weights, i) for image in images]
            population, fitness = oracle.select(population, fitness, trials, np.array(theirs))
            np.testing.assert_allclose(
                result.history.fitness[i, t], fitness.max(), rtol=1e-3, atol=1e-6
            )
        best = population[int(np.argmax(fitness))]
        np.testing.assert_allclose(result.genotype[i], best, rtol=0, atol=1e-5)
        image = oracle.paint(jobs.base[i], best, int(jobs.k[i]), SHAPE)
        np.testing.assert_allclose(result.images[i], image, rtol=0, atol=1e-5)


def test_queries_are_the_population_in_every_generation_and_the_start(result):
    np.testing.assert_array_equal(result.num_queries, POPULATION * (NUM_STEPS + 1))
    np.testing.assert_array_equal(result.num_steps, NUM_STEPS)
    assert not result.stopped.any()


def test_the_best_fitness_never_falls_and_ends_as_the_confidence(result):
    assert result.history.fitness.shape == (4, NUM_STEPS + 1)
    assert (np.diff(result.history.fitness, axis=1) >= 0).all()
    assert (result.history.fitness[:, -1] > result.history.fitness[:, 0]).any()
    np.testing.assert_allclose(result.history.fitness[:, -1], result.confidence, rtol=1e-4)


def test_no_history_unless_asked_for(result):
    without = run(history=False)
    assert without.history is None
    np.testing.assert_allclose(without.images, result.images, rtol=0, atol=1e-5)


def test_zero_steps_evaluate_the_start_population(result):
    none = run(num_steps=0, history=False)
    np.testing.assert_array_equal(none.num_queries, POPULATION)
    np.testing.assert_array_equal(none.num_steps, 0)
    np.testing.assert_allclose(none.confidence, result.history.fitness[:, 0], rtol=1e-4)


def test_some_jobs_stop_early_and_then_neither_count_nor_record(stopped):
    assert stopped.stopped.any()
    assert not stopped.stopped.all()
    np.testing.assert_array_equal(stopped.num_queries, POPULATION * (stopped.num_steps + 1))
    for i, steps in enumerate(np.asarray(stopped.num_steps)):
        history = np.asarray(stopped.history.fitness[i])
        assert np.isnan(history[steps + 1 :]).all()
        assert (np.diff(history[: steps + 1]) >= 0).all()
        assert (history[:steps] < 0.9).all()  # it stopped at the first chance
        assert (history[steps] >= 0.9) == stopped.stopped[i]
        np.testing.assert_allclose(history[steps], stopped.confidence[i], rtol=1e-4)


def test_a_stopped_job_is_the_same_job_run_for_as_many_steps(stopped):
    for i in np.flatnonzero(stopped.stopped):
        again = run(until=UNTIL, num_steps=int(stopped.num_steps[i]), history=False)
        for field in ("images", "genotype", "confidence", "prediction", "num_queries", "num_steps"):
            np.testing.assert_allclose(
                getattr(again, field)[i], getattr(stopped, field)[i], rtol=1e-5, atol=1e-5
            )


def test_a_run_ends_when_every_job_has_stopped():
    easiest = int((np.full(60, 0.5) @ MODEL.weights).argmax())
    result = run(grey_jobs([easiest] * 4), until=UNTIL, num_steps=20_000, history=False)
    assert result.stopped.all()
    assert result.num_steps.max() < 1000


@pytree
class Brightens:
    """An attack that adds a tenth of white in each step, whatever the model says of it."""

    image_shape: tuple[int, int, int] = static(default=SHAPE)
    num_classes: int = static(default=NUM_CLASSES)
    targeted: bool = static(default=True)
    images_at_once: int = static(default=1)

    def check(self, jobs):
        del jobs

    def init(self, key, job):
        del key, job
        return jnp.zeros(SHAPE, jnp.float32), jnp.full(NUM_CLASSES, jnp.nan, jnp.float32)

    def step(self, key, evaluate, job, state):
        del key
        image = state[0] + 0.1
        return (image, evaluate(jfool.Pixels(), job, image[None])[0]), None

    def best(self, job, state):
        image, logits = state
        return Candidate(image, logits, logits[job.target], image[0, 0])


def test_a_stopped_job_keeps_its_state_whatever_its_attack_would_do_next():
    matrix = np.zeros((60, NUM_CLASSES), np.float32)
    matrix[:, 1] = 0.1  # logits of class 1: six times the brightness
    jobs = grey_jobs([1, 2])
    result = jfool.run(
        jax.random.key(0),
        Brightens(),
        Linear(matrix),
        jobs,
        num_steps=8,
        until=jfool.confident(0.7),
    )
    np.testing.assert_array_equal(result.stopped, [True, False])
    np.testing.assert_array_equal(result.num_steps, [3, 8])  # softmax(2.4, 0, 0, 0) > 0.7
    np.testing.assert_array_equal(result.num_queries, [4, 9])
    np.testing.assert_allclose(result.images[:, 0, 0, 0], [0.4, 0.9], rtol=1e-5)


def test_jobs_draw_from_their_id_and_the_same_key_gives_the_same_result(result):
    assert_same(result, run())
    shifted = run(job_ids=np.array([7, 1, 2, 3]))
    assert_same(rows(shifted, [1, 2, 3]), rows(result, [1, 2, 3]))
    assert (shifted.genotype[0] != result.genotype[0]).any()
    other = run(key=jax.random.key(6))
    assert (other.genotype != result.genotype).any((1, 2)).all()


def test_repeated_jobs_with_ids_of_their_own_draw_differently():
    result = run(grey_jobs([1, 1, 1, 1]))
    assert len(np.unique(result.genotype, axis=0)) == 4


def test_the_best_sparse_image_of_a_linear_model_is_found():
    """Two classes, black base: the k largest positive differences of weights (theorem 1)."""
    shape, k = (3, 3, 1), np.array([1, 2, 3])
    matrix = weights(1, shape, 2)
    search = jfool.DifferentialEvolution(population_size=128)
    attack = jfool.SparseFooling(shape, 2, max_k=3, search=search, objective=jfool.Margin())
    jobs = jfool.SparseJob(target=np.array([0, 1, 0]), base=np.zeros((3, 1), np.float32), k=k)
    result = jfool.run(jax.random.key(0), attack, Linear(matrix), jobs, num_steps=300)
    for i, label in enumerate(jobs.target):
        gain = np.sort(matrix[:, label] - matrix[:, 1 - label])[::-1][: k[i]]
        logits = result.images[i].reshape(-1) @ matrix
        found = logits[label] - logits[1 - label]
        assert found == pytest.approx(gain[gain > 0].sum(), rel=1e-3)


def program(attack, jobs, until=None):
    return jax.make_jaxpr(
        lambda key, jobs: jfool.run(key, attack, MODEL, jobs, num_steps=2, until=until)
    )(jax.random.key(0), jobs).jaxpr


def test_a_run_is_one_compiled_call_without_callbacks():
    jaxpr = program(sparse_fooling(), jax.tree.map(jnp.asarray, grey_jobs()), UNTIL)
    assert not callbacks(jaxpr)
    (call,) = (e for e in jaxpr.eqns if "while" in primitives(e))
    assert call.primitive.name == "jit"
    rest = set().union(*(primitives(e) for e in jaxpr.eqns if e is not call))
    assert not rest & {"dot_general", "while", "scan", "random_bits", "scatter"}


def test_a_run_works_inside_a_jit_of_the_users():
    jobs = jax.tree.map(jnp.asarray, grey_jobs())
    direct = run(jobs)

    @jax.jit
    def outer(key, model, jobs):
        return jfool.run(key, sparse_fooling(), model, jobs, num_steps=NUM_STEPS, history=True)

    inside = outer(jax.random.key(5), Linear(jnp.asarray(MODEL.weights)), jobs)
    np.testing.assert_allclose(inside.images, direct.images, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(inside.success, direct.success)
    np.testing.assert_array_equal(inside.num_queries, direct.num_queries)


def test_a_run_inside_a_jit_may_close_over_its_model_and_jobs():
    closed = jax.make_jaxpr(lambda key: run(key=key, history=False).images)(jax.random.key(0))
    assert closed.out_avals[0].shape == (4, *SHAPE)


def test_no_steps_that_keep_the_last_image_return_the_start_and_show_no_gradient():
    image = jnp.full((2, *SHAPE), 0.5)
    jobs = jfool.PerturbationJob(image, jnp.full(2, 0.1), jnp.zeros(2, jnp.int32))
    attack = jfool.BIM(SHAPE, NUM_CLASSES)
    for num_steps in (0, 1):
        result = jfool.run(jax.random.key(0), attack, MODEL, jobs, num_steps=num_steps, keep="last")
        assert (result.images != image).any() == (num_steps > 0)
        assert result.num_gradients.tolist() == [num_steps] * 2
        assert result.num_steps.tolist() == [num_steps] * 2
