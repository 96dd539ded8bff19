"""Uniform numbers out of both words of every hash."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jfool.draws import uniform


@pytest.mark.parametrize("shape", [(100_000,), (333, 301), (7, 11, 13, 97)])
def test_numbers_are_uniform_and_independent(shape):
    numbers = np.asarray(uniform(jax.random.key(3), shape))
    assert numbers.shape == shape
    assert numbers.dtype == np.float32
    flat = numbers.ravel()
    assert 0 <= flat.min() < 1e-3
    assert 1 - 1e-3 < flat.max() < 1
    assert stats.kstest(flat, "uniform").pvalue > 1e-3
    # Neighbors, and the two words of a hash, which lie half an array apart.
    half = len(flat) // 2
    for other in (flat[1:], flat[half:], flat[half + 1 :], flat[half - 1 :]):
        correlation = np.corrcoef(flat[: len(other)], other)[0, 1]
        assert abs(correlation) < 4 / len(other) ** 0.5


def test_steps_are_those_of_jax():
    numbers = np.asarray(uniform(jax.random.key(0), (1000,)), np.float64)
    assert (numbers * 2**23 % 1 == 0).all()
    assert len(np.unique(numbers)) > 990


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 5)])
def test_a_lane_draws_as_it_would_alone(shape):
    keys = jax.random.split(jax.random.key(1), 4)
    together = jax.jit(jax.vmap(lambda key: uniform(key, shape)))(keys)
    alone = jnp.stack([uniform(key, shape) for key in keys])
    np.testing.assert_array_equal(together, alone)
    assert len(np.unique(np.asarray(alone).reshape(4, -1)[:, 0])) == 4
