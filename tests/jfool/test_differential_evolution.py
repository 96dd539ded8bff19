"""The search against its re-statement in NumPy, draw for draw, and its selection."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.search.differential_evolution import DEState, binomial_crossover
from jfool.search.sampling import donors
from tests.jfool import oracle
from tests.jfool.helpers import NUM_CLASSES, POPULATION, SHAPE, Linear, task, weights

GENERATIONS = 10
LABEL, K = 2, 2
WEIGHTS = weights(3)
JOB = jfool.SparseJob(
    target=jnp.int32(LABEL), base=jnp.full(SHAPE[2], 0.5, jnp.float32), k=jnp.int32(K)
)


def draws(key: jax.Array, search: jfool.DifferentialEvolution, genes: tuple) -> oracle.Draws:
    """What `search` draws from the key of a step, in NumPy."""
    donor_key, scale_key, cross_key, repair_key = jax.random.split(key, 4)
    scale, rate = search.scaling_factor, search.crossover_rate
    if isinstance(scale, tuple):
        scale = jax.random.uniform(scale_key, (), jnp.float32, *scale)
    from_mutant = np.ones((POPULATION, *genes), bool)
    if rate is not None:
        gene_key, sure_key = jax.random.split(cross_key)
        flat = (POPULATION, int(np.prod(genes)))
        from_mutant = np.asarray(jax.random.uniform(gene_key, flat, jnp.float32)) < rate
        sure = np.asarray(jax.random.randint(sure_key, (POPULATION, 1), 0, flat[1], jnp.int32))
        from_mutant[np.arange(POPULATION), sure[:, 0]] = True
        from_mutant = from_mutant.reshape(POPULATION, *genes)
    u = np.asarray(jax.random.uniform(repair_key, (POPULATION, genes[0], 2), jnp.float32))
    return oracle.Draws(
        donors=tuple(np.asarray(r) for r in donors(donor_key, POPULATION)),
        scale=np.float32(scale),
        from_mutant=from_mutant,
        positions=u * np.array([SHAPE[1], SHAPE[0]], np.float32),
    )


def score(encoding: jfool.SparsePixels, genotypes: jax.Array) -> tuple[jax.Array, jax.Array]:
    images = jax.vmap(encoding.decode, (None, 0))(JOB, genotypes)
    logits = Linear(jnp.asarray(WEIGHTS))(images)
    fitness = jfool.Confidence()(logits, JOB.target)
    return fitness, logits[fitness.argmax()]


def numpy_fitness(genotypes: np.ndarray) -> np.ndarray:
    base = np.full(SHAPE[2], 0.5, np.float32)
    images = [oracle.paint(base, genotype, K, SHAPE) for genotype in genotypes]
    return np.array([oracle.confidence(image, WEIGHTS, LABEL) for image in images])


VARIANTS = {
    "positions that leave the image are clipped": ({}, "clip"),
    "positions that leave the image are wrapped": ({"scaling_factor": 0.9}, "wrap"),
    "positions that leave the image are reflected": ({"scaling_factor": 0.9}, "reflect"),
    "positions that leave the image are drawn anew": ({"scaling_factor": 0.9}, "resample"),
    "the best member is mutated": ({"mutant": "best"}, "clip"),
    "mutants are crossed with their parents": ({"crossover_rate": 0.3}, "clip"),
    "F is drawn for each generation": ({"scaling_factor": (0.2, 1.0)}, "clip"),
    "the start is a Latin hypercube": ({"start": "latin_hypercube"}, "clip"),
}


@pytest.mark.parametrize(("options", "rule"), VARIANTS.values(), ids=VARIANTS.keys())
def test_populations_are_those_of_numpy_generation_by_generation(options, rule):
    search = jfool.DifferentialEvolution(POPULATION, **options)
    encoding = jfool.SparsePixels(SHAPE, 3, rule)
    state = search.init(jax.random.key(1), task(encoding, NUM_CLASSES))

    @jax.jit
    def step(key, state):
        return search.step(key, task(encoding, NUM_CLASSES, lambda g: score(encoding, g)), state)[0]

    start = population = np.asarray(state.population)
    fitness = np.full(POPULATION, -np.inf, np.float32)
    for t in range(GENERATIONS + 1):
        key = jax.random.fold_in(jax.random.key(2), t)
        state = step(jax.random.clone(key), state)
        challengers = population
        if t > 0:
            best = int(np.argmax(fitness)) if search.mutant == "best" else None
            drawn = draws(key, search, encoding.genotype_shape)
            challengers = oracle.trials(population, best, drawn, rule, SHAPE)
        population, fitness = oracle.select(
            population, fitness, challengers, numpy_fitness(challengers)
        )
        np.testing.assert_allclose(state.population, population, rtol=0, atol=2e-6)
        np.testing.assert_allclose(state.fitness, fitness, rtol=1e-4, atol=1e-7)
    assert int(state.generation) == GENERATIONS + 1
    assert fitness.max() > numpy_fitness(start).max()


def scored(fitness: list[float], logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Fitness, and the logits of the fittest, the first of equals; NaN never is."""
    return jnp.array(fitness, jnp.float32), logits[np.argmax(np.nan_to_num(fitness, nan=-np.inf))]


def step_with(fitness_of_trials: list[float], before: list[float]) -> tuple[DEState, np.ndarray]:
    """The state after a generation whose trials have the given fitness, and which members moved."""
    search = jfool.DifferentialEvolution(len(before))
    encoding = jfool.SparsePixels((2, 2, 1), 1)
    state = search.init(jax.random.key(0), task(encoding, 2))
    logits = jnp.stack([jnp.arange(len(before)), jnp.arange(len(before))], 1).astype(jnp.float32)
    first = task(encoding, 2, lambda g: scored(before, logits))
    state, _ = search.step(jax.random.key(1), first, state)
    second = task(encoding, 2, lambda g: scored(fitness_of_trials, logits + 100))
    after, _ = search.step(jax.random.key(2), second, state)
    moved = np.asarray((after.population != state.population).any((1, 2)))
    return after, moved


def test_only_a_strictly_fitter_trial_is_accepted():
    after, moved = step_with([1.0, 2.5, 2.9, 4.0], [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(moved, [False, True, False, False])
    np.testing.assert_array_equal(after.fitness, [1.0, 2.5, 3.0, 4.0])


def test_a_trial_with_nan_fitness_is_never_accepted():
    after, moved = step_with([np.nan] * 4, [1.0, 2.0, 3.0, 4.0])
    assert not moved.any()
    np.testing.assert_array_equal(after.fitness, [1.0, 2.0, 3.0, 4.0])


def test_a_member_with_nan_fitness_gives_way_to_any_number():
    after, _ = step_with([0.1, 0.2, 0.3, 0.4], [np.nan, 2.0, np.nan, 4.0])
    np.testing.assert_array_equal(after.fitness, np.float32([0.1, 2.0, 0.3, 4.0]))


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([0.0, 0.0, 0.0, 0.0], 3),
        ([1.5, 0.0, 0.0, 0.0], 3),
        ([9.0, 0.0, 9.0, 0.0], 100),
        ([0.0, 5.0, 5.0, 0.0], 101),
    ],
)
def test_the_kept_logits_are_those_of_the_first_fittest_member(trials, expected):
    after, _ = step_with(trials, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(after.logits, [expected, expected])


def test_binomial_crossover_takes_one_gene_at_least_and_otherwise_its_rate():
    parents, mutants = jnp.zeros((4000, 2, 3)), jnp.ones((4000, 2, 3))
    for rate in (0.0, 0.25, 1.0):
        taken = np.asarray(binomial_crossover(jax.random.key(0), rate, parents, mutants))
        counts = taken.sum((1, 2))
        assert counts.min() >= 1
        assert counts.mean() == pytest.approx(1 + 5 * rate, abs=0.1)
        np.testing.assert_allclose(taken.mean(0), np.full((2, 3), (1 + 5 * rate) / 6), atol=0.05)
