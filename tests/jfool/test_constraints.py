"""Starts, directions and distances of the balls, against their distributions and dual norms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jfool.constraints
from jfool.constraints import L1, Constraint, distances, inside
from tests.jfool.balls import BALLS, SHAPE, Job, cases, each, exact_distance, job

NORMS = [pytest.param(name, id=name) for name in BALLS]
NUM_ENTRIES = 12
DUALS = {"linf": 1, "l2": 2, "l1": np.inf, "l0": None}


def starts(name, center, epsilon, count=2000):
    jobs = job(np.broadcast_to(center, (count, *SHAPE)), np.full(count, epsilon))
    keys = jax.random.split(jax.random.key(3), count)
    return np.asarray(each(BALLS[name].start)(keys, jobs)), jobs


def assert_distributed(samples, distribution):
    assert stats.kstest(np.asarray(samples, float).ravel(), distribution).pvalue > 1e-3


@pytest.mark.parametrize("name", NORMS)
def test_every_ball_is_a_constraint_without_numbers(name):
    assert isinstance(BALLS[name], Constraint)
    assert jax.tree.leaves(BALLS[name]) == []
    assert type(BALLS[name]).__name__ in jfool.constraints.__all__


@pytest.mark.parametrize("name", NORMS)
def test_starts_are_inside_whatever_the_center(name):
    jobs, _ = cases(name, 500)
    found = np.asarray(each(BALLS[name].start)(jax.random.split(jax.random.key(0), 500), jobs))
    assert found.min() >= 0
    assert found.max() <= 1
    length, epsilon = exact_distance(name, found, jobs.image), np.asarray(jobs.epsilon, float)
    assert (length <= epsilon * (1 + 1e-7)).all()
    np.testing.assert_array_equal(found[epsilon == 0], jobs.image[epsilon == 0])
    assert (length[epsilon > 0] > 0).mean() > 0.99


def test_linf_starts_are_uniform():
    found, jobs = starts("linf", 0.5, 0.25)
    assert_distributed((found - np.asarray(jobs.image)) / 0.25, stats.uniform(-1, 2).cdf)


@pytest.mark.parametrize("name", ["l2", "l1"])
def test_starts_are_uniform_in_the_ball(name):
    """The radius to the power of D is uniform; the share of one entry is a Beta variable."""
    found, jobs = starts(name, 0.5, 0.3)
    delta = found - np.asarray(jobs.image)
    length = exact_distance(name, found, jobs.image)
    assert_distributed((length / 0.3) ** NUM_ENTRIES, stats.uniform.cdf)
    power, shape = {"l2": (2, (0.5, 5.5)), "l1": (1, (1, 11))}[name]
    share = (np.abs(delta[:, 0, 1, 0]) / length) ** power
    assert_distributed(share, stats.beta(*shape).cdf)
    assert abs((delta > 0).mean() - 0.5) < 0.02


@pytest.mark.parametrize("epsilon", [0, 1, 4, 6, 99])
def test_l0_starts_paint_as_many_pixels_uniformly(epsilon):
    found, jobs = starts("l0", 0.5, epsilon)
    painted = (found != np.asarray(jobs.image)).any(-1)
    assert (painted.sum((1, 2)) == min(epsilon, 6)).all()
    np.testing.assert_allclose(painted.mean(0), min(epsilon, 6) / 6, atol=0.05)
    if epsilon:
        assert_distributed(found[painted], stats.uniform.cdf)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("reach", [1e-30, 1.0, 1e30])
def test_directions_have_norm_one_and_the_slope_of_the_dual_norm(name, reach):
    jobs, _ = cases(name, 300)
    gradient = np.random.default_rng(0).normal(size=(300, *SHAPE))
    images = np.full((300, *SHAPE), 0.5, np.float32)
    found = np.asarray(
        each(BALLS[name].direction)(jobs, images, (reach * gradient).astype(np.float32)), float
    )
    zero = np.zeros_like(found)
    if name == "l0":
        wanted = gradient / np.abs(gradient).sum((1, 2, 3), keepdims=True)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
        return
    np.testing.assert_allclose(exact_distance(name, found, zero), 1, rtol=1e-6)
    slope = (gradient * found).sum((1, 2, 3))
    dual = np.linalg.norm(gradient.reshape(300, -1), DUALS[name], axis=1)
    np.testing.assert_allclose(slope, dual, rtol=1e-6)
    others = np.random.default_rng(1).normal(size=found.shape)
    others /= exact_distance(name, others, zero)[:, None, None, None]
    assert ((gradient * others).sum((1, 2, 3)) < slope).all()


@pytest.mark.parametrize("name", NORMS)
def test_no_gradient_no_direction_and_nan_is_none(name):
    ball, image = BALLS[name], jnp.full(SHAPE, 0.5)
    point = job(image, 1)
    np.testing.assert_array_equal(ball.direction(point, image, jnp.zeros(SHAPE)), np.zeros(SHAPE))
    gradient = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    odd = np.arange(NUM_ENTRIES).reshape(SHAPE) % 5 == 2
    found = ball.direction(point, image, jnp.asarray(np.where(odd, np.nan, gradient)))
    wanted = ball.direction(point, image, jnp.asarray(np.where(odd, 0, gradient)))
    np.testing.assert_array_equal(found, wanted)
    infinite = ball.direction(point, image, jnp.asarray(np.where(odd, np.inf, gradient)))
    assert np.isfinite(infinite).all()
    assert np.abs(infinite).max() > 0


def test_l1_directions_leave_out_entries_without_room_and_share_among_equals():
    image = jnp.array([[[1.0, 0.0, 0.5, 0.5, 0.5]]])
    gradient = jnp.array([[[9.0, -8.0, 2.0, -2.0, 1.0]]])
    found = L1().direction(job(image, 1), image, gradient)
    np.testing.assert_array_equal(found, [[[0, 0, 0.5, -0.5, 0]]])
    found = L1().direction(job(image, 1), image, -gradient)
    np.testing.assert_array_equal(found, [[[-1, 0, 0, 0, 0]]])
    stuck = L1().direction(job(image, 1), image, jnp.array([[[9.0, -8.0, 0.0, 0.0, 0.0]]]))
    np.testing.assert_array_equal(stuck, np.zeros((1, 1, 5)))


@pytest.mark.parametrize("shape", [SHAPE, (224, 224, 3)])
def test_distances_are_right_to_the_last_places(shape):
    rng = np.random.default_rng(0)
    images, originals = rng.random((2, 3, *shape)).astype(np.float32)
    images[:, 0] = originals[:, 0]
    images[1:, 1, 1, 0] = originals[1:, 1, 1, 0]
    found = jax.jit(distances)(images, originals)
    for name, ball in BALLS.items():
        wanted = exact_distance(name, images, originals)
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], wanted, rtol=3e-7)
        one = ball.distance(job(originals[1], 1), jnp.asarray(images[1]))
        np.testing.assert_allclose(one, wanted[1], rtol=3e-7)


def test_many_small_entries_are_not_lost_beside_a_large_one():
    """Next to 1, a plain float32 sum drops every 5e-8."""
    image = np.full((1, 64, 64, 3), 5e-8, np.float32)
    image[0, ::8, ::8, 1] = 1
    found = distances(image, np.zeros_like(image))
    for name in ("l1", "l2"):
        wanted = exact_distance(name, image, np.zeros_like(image))
        np.testing.assert_allclose(found[name], wanted, rtol=1.5e-7)


def test_distances_do_not_underflow():
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, 0, 0, 0], image[0, 1, 1, 1] = 3e-30, 4e-30
    found = distances(image, np.zeros_like(image))
    np.testing.assert_allclose(found["l2"], [5e-30], rtol=1e-6)
    np.testing.assert_array_equal(found["l0"], [2])


def test_a_pixel_counts_once_for_all_its_channels():
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, 0, 0], image[0, 1, 2, 0] = 1, 1e-6
    np.testing.assert_array_equal(distances(image, np.zeros_like(image))["l0"], [2])


@pytest.mark.parametrize("name", NORMS)
def test_inside_allows_rounding_and_no_more(name):
    center = np.zeros(SHAPE, np.float32)
    center[1] = 0.5
    image = center.copy()
    image[0, 0, 0] = 0.25
    epsilon = 1 if name == "l0" else 0.25
    one = each(lambda job, image: inside(BALLS[name], job, image))

    def is_inside(image, epsilon):
        return bool(one(job(center[None], [epsilon]), jnp.asarray(image)[None])[0])

    assert is_inside(image, epsilon)
    assert is_inside(image, epsilon - 5e-7)
    assert not is_inside(image, epsilon - 2e-6)
    assert is_inside(center, 0)
    assert not is_inside(np.where(center == 0, np.nan, center), 99)
    assert is_inside(np.where(center == 0, -5e-7, center).astype(np.float32), 99)
    assert not is_inside(np.where(center == 0, -2e-6, center).astype(np.float32), 99)
    assert not is_inside(np.where(center == 0, 1 + 2e-6, center).astype(np.float32), 99)


def visit(name, key, job, gradient):
    """All that an attack does with a ball, inside a loop."""
    ball = BALLS[name]

    def step(image, _):
        moved = ball.project(job, image + 0.3 * ball.direction(job, image, gradient))
        return moved, (ball.distance(job, moved), inside(ball, job, moved))

    return jax.lax.scan(step, ball.start(key, job), length=1)


@pytest.mark.parametrize("name", NORMS)
def test_wide_floats_debugging_and_no_compiler_change_nothing(name):
    jobs, _ = cases(name, 1, seed=4)
    job, gradient = Job(jobs.image[0], jobs.epsilon[0]), jnp.ones(SHAPE)
    compiled = jax.jit(functools.partial(visit, name))
    wanted = compiled(jax.random.key(0), job, gradient)
    with jax.debug_nans(True):
        strict = compiled(jax.random.key(0), job, gradient)
        with jax.disable_jit():
            interpreted = visit(name, jax.random.key(0), job, gradient)
    with jax.enable_x64(True):
        widened = jax.tree.map(lambda leaf: jnp.asarray(np.float64(leaf)), (job, gradient))
        wide = compiled(jax.random.key(0), *widened)
    for found in (strict, interpreted, wide):
        for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            assert got.dtype == expected.dtype
            got, expected = np.asarray(got, np.float32), np.asarray(expected, np.float32)
            np.testing.assert_allclose(got, expected, atol=2e-6)


@pytest.mark.parametrize("name", NORMS)
def test_nan_passes_the_debugger(name):
    ball, nan, at = BALLS[name], jnp.full(SHAPE, jnp.nan), job(np.full(SHAPE, 0.3), 1)
    with jax.debug_nans(True):
        np.testing.assert_array_equal(jax.jit(ball.project)(at, nan), at.image)
        found = jax.jit(ball.direction)(at, at.image, nan)
    np.testing.assert_array_equal(found, np.zeros(SHAPE))
