"""Genetic operators against closed forms and re-statements in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jfool.encodings.variation import (
    BoundedMutation,
    NoCrossover,
    PolynomialMutation,
    SimulatedBinaryCrossover,
    polynomial_step,
)

ZERO = jnp.int32(0)
COUNT = 40_000


def key(number=0):
    return jax.random.key(number)


def step_distribution(step, eta):
    """P(a polynomial step <= step): the integral of (eta + 1) / 2 (1 - |s|)^eta."""
    tail = (1 - np.abs(step)) ** (eta + 1) / 2
    return np.where(step < 0, tail, 1 - tail)


@pytest.mark.parametrize("eta", [1.0, 15.0, 20.0])
def test_polynomial_steps_have_their_closed_distribution(eta):
    steps = polynomial_step(jax.random.uniform(key(), (COUNT,)), eta)
    assert stats.kstest(np.asarray(steps), lambda s: step_distribution(s, eta)).pvalue > 1e-3


def test_a_step_is_a_seventeenth_on_average():
    steps = polynomial_step(jax.random.uniform(key(), (COUNT,)), 15.0)
    assert np.abs(steps).mean() == pytest.approx(1 / 17, rel=0.02)


@pytest.mark.parametrize("gene", [0.0, 0.3, 1.0])
def test_unbounded_mutation_steps_and_is_clipped(gene):
    moved = PolynomialMutation(1.0)(key(), jnp.full(COUNT, gene, jnp.float32), ZERO)
    moved = np.asarray(moved)
    below, above = (moved == 0).mean(), (moved == 1).mean()
    assert below == pytest.approx(step_distribution(-gene, 15.0), abs=0.01)
    assert above == pytest.approx(1 - step_distribution(1 - gene, 15.0), abs=0.01)
    inside = moved[(moved > 0) & (moved < 1)] - gene
    low, high = step_distribution(np.array([-gene, 1 - gene]), 15.0)
    within = stats.kstest(inside, lambda s: (step_distribution(s, 15.0) - low) / (high - low))
    assert within.pvalue > 1e-3


@pytest.mark.parametrize("gene", [0.0, 0.02, 0.3, 1.0])
def test_bounded_mutation_has_the_distribution_that_ends_at_the_bounds(gene):
    """Deb: as many steps go down as up, each half's density scaled to end at its bound."""
    eta = 15.0
    moved = BoundedMutation(1.0)(key(), jnp.full(COUNT, gene, jnp.float32), ZERO)
    steps = np.asarray(moved, np.float64) - gene

    def distribution(step):
        with np.errstate(divide="ignore", invalid="ignore"):
            down = ((1 + step) ** (eta + 1) - (1 - gene) ** (eta + 1)) / (
                2 * (1 - (1 - gene) ** (eta + 1))
            )
            up = 1 - ((1 - step) ** (eta + 1) - gene ** (eta + 1)) / (2 * (1 - gene ** (eta + 1)))
        return np.where(step < 0, np.nan_to_num(down, nan=0.5), np.nan_to_num(up, nan=1.0))

    assert ((moved >= 0) & (moved <= 1)).all()
    if 0 < gene < 1:
        assert stats.kstest(steps, distribution).pvalue > 1e-3
    else:  # half of the steps have no room
        assert (steps == 0).mean() == pytest.approx(0.5, abs=0.01)
        inward = np.abs(steps[np.abs(steps) > 1e-6])
        assert stats.kstest(inward, lambda s: 1 - (1 - s) ** (eta + 1)).pvalue > 1e-3


@pytest.mark.parametrize("mutation", [PolynomialMutation, BoundedMutation])
def test_a_tenth_of_the_genes_moves_and_the_share_halves(mutation):
    genes = jnp.full(COUNT, 0.5, jnp.float32)
    for halve_every, generation, share in (
        (None, 5000, 0.1),
        (1000, 999, 0.1),
        (1000, 2000, 0.025),
    ):
        moved = mutation(0.1, halve_every=halve_every)(key(), genes, jnp.int32(generation))
        assert (moved != genes).mean() == pytest.approx(share, rel=0.1)
    np.testing.assert_array_equal(mutation(0.0)(key(), genes, ZERO), genes)


def crossed(first, second, **options):
    pair = [jnp.full((COUNT, 1), gene, jnp.float32) for gene in (first, second)]
    children = SimulatedBinaryCrossover(1.0, **options)(key(), *pair)
    return [np.asarray(child, np.float64)[:, 0] for child in children]


def test_crossover_has_the_density_of_sbx_far_from_the_bounds():
    """Spread b: density (eta + 1) / 2 b^eta below 1, (eta + 1) / 2 b^-(eta + 2) above."""
    eta, low, high = 10.0, 0.49, 0.51
    one, other = crossed(low, high)
    spread = np.abs(one - other) / (high - low)
    np.testing.assert_allclose(one + other, low + high, atol=1e-6)

    def distribution(b):
        return np.where(b <= 1, b ** (eta + 1) / 2, 1 - b ** -(eta + 1) / 2)

    assert stats.kstest(spread[:5000], distribution).pvalue > 1e-3
    assert (one < other).mean() == pytest.approx(0.5, abs=0.01)  # either child may be the lower


def test_crossover_stays_within_the_bounds_without_piling_up_there():
    children = np.concatenate(crossed(0.0, 0.9))
    assert ((children >= 0) & (children <= 1)).all()
    assert (children == 1).mean() < 1e-3


def test_crossover_is_the_restatement_near_a_bound():
    """Each child has its own bound: alpha = 2 - (1 + 2 room / distance)^-(eta + 1)."""
    low, high, eta = 0.05, 0.3, 10.0
    below = np.minimum(*crossed(low, high))
    u = np.linspace(0, 1, 2001)[:-1]
    alpha = 2 - (1 + 2 * low / (high - low)) ** -(eta + 1)
    with np.errstate(divide="ignore"):
        spread = np.where(u <= 1 / alpha, u * alpha, 1 / (2 - u * alpha)) ** (1 / (eta + 1))
    expected = (low + high - spread * (high - low)) / 2
    assert stats.ks_2samp(below[:5000], expected).pvalue > 1e-3
    assert below.min() == pytest.approx(0, abs=0.01)


def test_genes_in_which_parents_agree_stay_or_turn_grey_as_in_the_original_code():
    for gene in (0.0, 0.7, 1.0):
        for child in crossed(gene, gene):
            np.testing.assert_allclose(child, gene, atol=1e-7)
        for child in crossed(gene, gene, equal_genes=0.5):
            np.testing.assert_array_equal(child, 0.5)


def test_half_of_the_pairs_cross_whole():
    first, second = jnp.zeros((2000, 30)), jnp.ones((2000, 30)) * 0.8
    one, other = SimulatedBinaryCrossover(0.5)(key(), first, second)
    copies = (np.asarray(one) == 0).all(1) & (np.asarray(other) == np.float32(0.8)).all(1)
    assert copies.mean() == pytest.approx(0.5, abs=0.05)
    assert not (np.asarray(one) == 0)[~copies].all(1).any()


def test_without_crossover_children_are_their_parents():
    pair = jnp.zeros((3, 2)), jnp.ones((3, 2))
    for child, parent in zip(NoCrossover()(key(), *pair), pair, strict=True):
        np.testing.assert_array_equal(child, parent)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (PolynomialMutation(1.5), r"mutation\.rate: expected a number in \[0, 1\], got 1\.5"),
        (BoundedMutation(eta=0.0), r"mutation\.eta: expected a positive number, got 0\.0"),
        (
            PolynomialMutation(halve_every=0),
            r"halve_every: expected None or a whole number",
        ),
        (SimulatedBinaryCrossover(-0.1), r"crossover\.rate: expected a number in \[0, 1\]"),
        (SimulatedBinaryCrossover(eta=-1.0), r"crossover\.eta: expected a positive number"),
        (SimulatedBinaryCrossover(equal_genes=2.0), r"crossover\.equal_genes: expected a number"),
    ],
    ids=str,
)
def test_numbers_that_cannot_work_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        part.check()
