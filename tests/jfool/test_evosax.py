"""rand/1 against evosax's: another implementation converges alike on a test function."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from evosax.algorithms import DifferentialEvolution as Evosax
from jax import Array

import jfool
from jfool.base import pytree, static
from tests.jfool.helpers import task

POPULATION, NUM_GENES, GENERATIONS, SEEDS = 30, 4, 80, 24
LOW, HIGH = -2.0, 2.0


@pytree
class Box:
    """Plain vectors that start uniformly in a box and may leave it, as evosax's may."""

    genotype_shape: tuple[int, ...] = static(default=(NUM_GENES,))

    def from_unit(self, u: Array) -> Array:
        return LOW + (HIGH - LOW) * u

    def repair(self, key: Array, genotypes: Array) -> Array:
        del key
        return genotypes


def rosenbrock(x: Array) -> Array:
    a, b = x[..., :-1], x[..., 1:]
    return (100.0 * jnp.square(b - jnp.square(a)) + jnp.square(1.0 - a)).sum(-1)


def ours(key: Array) -> Array:
    """`[GENERATIONS + 1]`, the lowest cost after each generation."""
    search, box = jfool.DifferentialEvolution(POPULATION), Box()

    def score(x):
        return -rosenbrock(x), jnp.zeros(1, jnp.float32)

    def generation(state, key):
        state = search.step(key, task(box, 1, score), state)[0]
        return state, -state.fitness.max()

    start, steps = jax.random.split(key)
    keys = jax.random.split(steps, GENERATIONS + 1)
    return jax.lax.scan(generation, search.init(start, task(box, 1)), keys)[1]


def theirs(key: Array) -> Array:
    search = Evosax(POPULATION, jnp.zeros(NUM_GENES, jnp.float32))
    params = search.default_params.replace(
        elitism=False,
        crossover_rate=1.0,
        differential_weight=0.5,
        differential_weight_min=0.5,
        differential_weight_max=0.5,
    )
    start, first, rest = jax.random.split(key, 3)
    x = Box().from_unit(jax.random.uniform(start, (POPULATION, NUM_GENES), jnp.float32))
    state = search.init(first, x, rosenbrock(x), params)

    def generation(state, key):
        ask, tell = jax.random.split(key)
        x, state = search.ask(ask, state, params)
        state, _ = search.tell(tell, x, rosenbrock(x), state, params)
        return state, state.fitness.min()

    costs = jax.lax.scan(generation, state, jax.random.split(rest, GENERATIONS))[1]
    return jnp.concatenate([rosenbrock(x).min()[None], costs])


def medians(search: Callable[[Array], Array]) -> np.ndarray:
    keys = jax.random.split(jax.random.key(0), SEEDS)
    with (
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.debug_key_reuse(False),
    ):
        costs = jax.jit(jax.vmap(search))(keys)
    return np.median(np.log10(costs), axis=0)


def test_rand_1_converges_as_evosax_does():
    jfool_costs, evosax_costs = medians(ours), medians(theirs)
    gained = jfool_costs[0] - jfool_costs[-1]
    assert gained > 1.5  # it does converge
    apart = np.abs(jfool_costs - evosax_costs)
    assert apart.max() < 0.25 * gained
    assert apart.mean() < 0.1 * gained
