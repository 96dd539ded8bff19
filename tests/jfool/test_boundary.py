"""Boundary rules for positions outside the image, against step-by-step versions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jfool.encodings.boundary import BOUNDARIES

positions = st.floats(-60, 60, width=32, allow_subnormal=False)
sizes = st.integers(1, 9)


def kept(rule: str, x: np.ndarray, size: int) -> np.ndarray:
    sizes = jnp.full((1,) * x.ndim, size, jnp.float32)
    return np.asarray(BOUNDARIES[rule](jax.random.key(0), jnp.asarray(x, jnp.float32), sizes))


def mirrored(x: float, size: int) -> float:
    while not 0 <= x <= size:
        x = -x if x < 0 else 2 * size - x
    return x


@pytest.mark.parametrize("rule", BOUNDARIES)
@settings(max_examples=60, deadline=None)
@given(x=st.lists(positions, min_size=4, max_size=4), size=sizes)
def test_every_rule_leaves_a_valid_pixel_and_keeps_what_is_inside(rule, x, size):
    x = np.array(x, np.float32)
    result = kept(rule, x, size)
    assert ((np.floor(result) >= 0) & (np.floor(result) < size)).all()
    inside = (x >= 0) & (x < size)
    np.testing.assert_allclose(result[inside], x[inside], rtol=2e-7, atol=0)


@pytest.mark.parametrize("rule", BOUNDARIES)
@pytest.mark.parametrize("x", [-1e-9, -0.0, 5.0, np.nextafter(np.float32(5), np.float32(0)), 1e6])
def test_every_rule_leaves_a_valid_pixel_at_the_very_edge(rule, x):
    (result,) = kept(rule, np.array([x]), 5)
    assert 0 <= math.floor(result) <= 4


@settings(max_examples=60, deadline=None)
@given(x=st.lists(positions, min_size=4, max_size=4), size=sizes)
def test_clip_moves_positions_to_the_nearest_pixel(x, size):
    expected = [min(max(math.floor(value), 0), size - 1) for value in x]
    np.testing.assert_array_equal(np.floor(kept("clip", np.array(x), size)), expected)


@settings(max_examples=60, deadline=None)
@given(x=st.lists(positions, min_size=4, max_size=4), size=sizes)
def test_wrap_is_the_remainder_of_a_division(x, size):
    apart = np.abs(kept("wrap", np.array(x), size) - np.mod(np.float64(x), size))
    assert (np.minimum(apart, size - apart) < 1e-5).all()


@settings(max_examples=60, deadline=None)
@given(x=st.lists(positions, min_size=4, max_size=4), size=sizes)
def test_reflect_bounces_between_the_edges_as_between_mirrors(x, size):
    expected = [mirrored(value, size) for value in x]
    np.testing.assert_allclose(kept("reflect", np.array(x), size), expected, rtol=0, atol=2e-5)


def test_resample_draws_outside_positions_anew_uniformly_and_each_on_its_own():
    x = np.where(np.arange(4000) % 2, -3.0, 2.25).astype(np.float32)
    result = kept("resample", x, 7)
    np.testing.assert_array_equal(result[::2], x[::2])
    assert len(np.unique(result[1::2])) > 1900
    assert stats.kstest(result[1::2] / 7, "uniform").pvalue > 1e-3


def test_columns_and_rows_have_their_own_size():
    x = jnp.full((3, 2, 2), 100.0, jnp.float32)
    size = jnp.array([[[5.0, 4.0]]], jnp.float32)
    result = BOUNDARIES["clip"](jax.random.key(0), x, size)
    np.testing.assert_array_equal(np.floor(result), np.broadcast_to([4.0, 3.0], (3, 2, 2)))
