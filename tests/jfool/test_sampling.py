"""Draws of donors and of start populations."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from jfool.search.sampling import donors, latin_hypercube, uniform


def drawn(seed: int, size: int, times: int) -> np.ndarray:
    """`[times, size, 3]` donors."""
    draw = jax.jit(jax.vmap(lambda key: donors(key, size)))
    return np.stack(draw(jax.random.split(jax.random.key(seed), times)), axis=-1)


@pytest.mark.parametrize("size", [4, 5, 17, 500])
def test_donors_are_distinct_and_differ_from_the_member_itself(size):
    triples = drawn(0, size, 50)
    itself = np.broadcast_to(np.arange(size)[None, :, None], (50, size, 1))
    four = np.sort(np.concatenate([triples, itself], axis=-1), axis=-1)
    assert (np.diff(four, axis=-1) > 0).all()
    assert triples.min() >= 0
    assert triples.max() < size


@pytest.mark.parametrize("size", [4, 5, 6])
def test_every_ordered_triple_of_donors_is_equally_likely(size):
    triples = drawn(1, size, 20_000)
    for member in range(size):
        possible = list(itertools.permutations(set(range(size)) - {member}, 3))
        codes = triples[:, member] @ np.array([100, 10, 1])
        counts = [int((codes == 100 * a + 10 * b + c).sum()) for a, b, c in possible]
        assert sum(counts) == 20_000
        assert stats.chisquare(counts).pvalue > 1e-3


def test_donors_of_different_members_are_drawn_independently():
    triples = drawn(2, 5, 20_000)
    offsets = (triples[:, :, 0] - np.arange(5)) % 5 - 1  # 0..3 for each member
    counts = np.bincount(offsets[:, 0] * 4 + offsets[:, 1], minlength=16)
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("size", [4, 7, 500])
def test_a_latin_hypercube_has_one_member_in_each_stratum_of_every_gene(size):
    u = np.asarray(latin_hypercube(jax.random.key(0), (size, 2, 3)))
    assert u.min() >= 0
    assert u.max() < 1
    strata = np.sort(np.floor(u * size), axis=0)
    np.testing.assert_array_equal(strata, np.broadcast_to(np.arange(size)[:, None, None], u.shape))


def test_the_genes_of_a_latin_hypercube_are_shuffled_apart_from_each_other():
    u = np.asarray(latin_hypercube(jax.random.key(0), (500, 2)))
    assert abs(stats.pearsonr(u[:, 0], u[:, 1]).statistic) < 0.15
    within = u * 500 % 1
    assert stats.kstest(within.ravel(), "uniform").pvalue > 1e-3


def test_a_uniform_start_is_uniform():
    u = np.asarray(uniform(jax.random.key(0), (500, 4)))
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
