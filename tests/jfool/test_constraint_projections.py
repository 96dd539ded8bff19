"""Projections are feasible, idempotent to the bit, and nearest: by other solvers, by brute force
and by the variational inequality."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jfool.constraints import L0, L1, L2, Linf
from tests.jfool.balls import (
    BALLS,
    SHAPE,
    Job,
    cases,
    each,
    exact_distance,
    job,
    least_squared_distance_l0,
    nearest,
    nearest_by_descent,
)

COUNT = 2000
NORMS = [pytest.param(name, id=name) for name in BALLS]
CONVEX = [pytest.param(name, id=name) for name in ("linf", "l2", "l1")]


@pytest.fixture(scope="module", autouse=True)
def optimized() -> Iterator[None]:
    """These are the bits of fully optimized programs."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def projected():
    """Of every ball, its cases and their projections."""

    def project(name):
        jobs, images = cases(name, COUNT)
        return jobs, images, np.asarray(each(BALLS[name].project)(jobs, images))

    return {name: project(name) for name in BALLS}


@pytest.mark.parametrize("name", NORMS)
def test_projections_are_in_ball_and_box(name, projected):
    jobs, images, found = projected[name]
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    length, epsilon = exact_distance(name, found, jobs.image), np.asarray(jobs.epsilon, float)
    assert (length <= epsilon * (1 + 1e-7)).all()
    outside = exact_distance(name, images.clip(0, 1), jobs.image) > epsilon
    assert 0.2 < outside.mean() < 0.8
    if name == "l0":
        assert (length[outside] == epsilon[outside]).all()
    else:
        assert (length[outside] >= epsilon[outside] * (1 - 1e-6) - 3e-7).all()


@pytest.mark.parametrize("name", NORMS)
def test_projecting_again_changes_no_bit(name, projected):
    jobs, _, found = projected[name]
    np.testing.assert_array_equal(each(BALLS[name].project)(jobs, found), found)
    one = jax.jit(BALLS[name].project)  # another program, which may add in another order
    for i in range(20):
        alone = Job(jobs.image[i], jobs.epsilon[i])
        np.testing.assert_array_equal(one(alone, jnp.asarray(found[i])), found[i])


@pytest.mark.parametrize("name", NORMS)
def test_images_inside_come_back_bit_for_bit(name, projected):
    jobs, images, _ = projected[name]
    images = images.clip(0, 1)
    within = exact_distance(name, images, jobs.image) <= np.asarray(jobs.epsilon) * (1 - 1e-6)
    assert within.sum() > 100
    found = each(BALLS[name].project)(jobs, images)
    np.testing.assert_array_equal(found[within], images[within])


@pytest.mark.parametrize("name", CONVEX)
def test_projections_are_those_of_a_solver_of_the_dual(name, projected):
    jobs, images, found = projected[name]
    center, epsilon = np.asarray(jobs.image, float), np.asarray(jobs.epsilon, float)
    for i in range(500):
        wanted = nearest(name, images[i].astype(float), center[i], epsilon[i])
        np.testing.assert_allclose(found[i], wanted, atol=1e-5, err_msg=str(i))


@pytest.mark.parametrize("name", ["l2", "l1"])
def test_projections_are_those_of_a_general_solver(name, projected):
    jobs, images, found = projected[name]
    center, epsilon = np.asarray(jobs.image, float), np.asarray(jobs.epsilon, float)
    near = (np.abs(images - center).max((1, 2, 3)) < 2) & (epsilon > 0.05)
    for i in np.flatnonzero(near)[:25]:
        wanted = nearest_by_descent(name, images[i].astype(float), center[i], epsilon[i])
        np.testing.assert_allclose(found[i], wanted, atol=2e-5, err_msg=str(i))


@pytest.mark.parametrize("name", CONVEX)
def test_no_feasible_point_is_on_the_near_side_of_the_projection(name, projected):
    """<x - p, z - p> <= 0 for every z of the set, as holds for the nearest point p alone."""
    jobs, images, found = projected[name]
    center = np.asarray(jobs.image, float)
    for seed in range(5):
        ends = np.random.default_rng(seed).random(found.shape).round(seed % 2)
        length = exact_distance(name, ends, center)
        share = np.minimum(1, np.asarray(jobs.epsilon) / np.maximum(length, 1e-9))
        feasible = center + share[:, None, None, None] * (ends - center)
        gap = ((images - found) * (feasible - found)).sum((1, 2, 3))
        size = 1 + np.linalg.norm((images - found).reshape(COUNT, -1), axis=1)
        assert (gap <= 2e-6 * size).all()


def test_l0_keeps_the_best_of_all_sets_of_pixels(projected):
    jobs, images, found = projected["l0"]
    center = np.asarray(jobs.image, float)
    for i in range(500):
        wanted = least_squared_distance_l0(images[i].astype(float), center[i], int(jobs.epsilon[i]))
        got = ((images[i].astype(float) - found[i]) ** 2).sum()
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7, err_msg=str(i))


def test_l0_paints_what_it_keeps_in_the_box_and_the_rest_as_it_was(projected):
    jobs, images, found = projected["l0"]
    center = np.asarray(jobs.image)
    kept = (found == images.clip(0, 1)).all(-1)
    assert (kept | (found == center).all(-1)).all()


def test_l0_keeps_the_first_of_equal_pixels():
    center = np.full(SHAPE, 0.5)
    found = L0().project(job(center, 2), jnp.full(SHAPE, 0.75))
    changed = (np.asarray(found) != center).any(-1).ravel()
    np.testing.assert_array_equal(changed, [True, True] + 4 * [False])


def test_l0_counts_what_the_box_takes_away():
    """A pixel far outside the box gains no more than one at its edge, beyond what is linear."""
    center = np.array([[[0.5]], [[0.0]]])
    image = np.array([[[3.0]], [[0.9]]])  # delta^2 - dist^2: 6.25 - 4, against 0.81
    np.testing.assert_array_equal(L0().project(job(center, 1), jnp.asarray(image)), [[[1]], [[0]]])
    image = np.array([[[0.8]], [[-9.0]]])  # 0.09 against 81 - 81
    found = L0().project(job(center, 1), jnp.asarray(image))
    np.testing.assert_allclose(found, [[[0.8]], [[0]]], rtol=1e-6)


def test_far_from_the_box_the_formulas_of_balls_alone_hold():
    center = np.full(SHAPE, 0.5, np.float32)
    delta = np.random.default_rng(3).normal(0, 0.1, SHAPE).astype(np.float32)
    formulas = {
        "l2": optax.projections.projection_l2_ball,
        "l1": optax.projections.projection_l1_ball,
    }
    for name, formula in formulas.items():
        found = BALLS[name].project(job(center, 0.2), jnp.asarray(center + delta))
        with jax.numpy_dtype_promotion("standard"):
            wanted = center + formula(jnp.asarray(delta), 0.2)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_projecting_on_the_ball_and_then_the_box_is_something_else():
    center = np.array([[[0.5]], [[1.0]]])
    image = jnp.array([[[1.1]], [[1.8]]])  # delta (0.6, 0.8), of which the box leaves (0.5, 0)
    ball_then_box = np.array([[[0.5 + 0.4 * 0.6]], [[1.0]]])
    found = L2().project(job(center, 0.4), image)
    np.testing.assert_allclose(found, [[[0.9]], [[1.0]]], atol=1e-6)
    assert abs(np.asarray(found) - ball_then_box).max() > 0.1
    found = L1().project(job(center, 0.4), image)
    np.testing.assert_allclose(found, [[[0.9]], [[1.0]]], atol=1e-6)


@pytest.mark.parametrize("name", NORMS)
def test_radius_zero_leaves_the_center_and_a_huge_one_the_box(name, projected):
    jobs, images, _ = projected[name]
    project = each(BALLS[name].project)
    none = Job(jobs.image, jnp.zeros_like(jobs.epsilon))
    np.testing.assert_array_equal(project(none, images), jobs.image)
    everything = Job(jobs.image, jnp.full_like(jobs.epsilon, 1e6))
    np.testing.assert_array_equal(project(everything, images), images.clip(0, 1))


@pytest.mark.parametrize("name", NORMS)
def test_nan_becomes_the_center_and_infinity_the_box(name, projected):
    jobs, images, _ = projected[name]
    odd = np.random.default_rng(1).random(images.shape) < 0.2
    center = np.asarray(jobs.image)
    project = each(BALLS[name].project)
    with_nan = np.asarray(project(jobs, np.where(odd, np.nan, images)))
    np.testing.assert_array_equal(with_nan, project(jobs, np.where(odd, center, images)))
    for infinite in (np.inf, -np.inf):
        found = np.asarray(project(jobs, np.where(odd, np.float32(infinite), images)))
        assert np.isfinite(found).all()
        length = exact_distance(name, found, center)
        assert (length <= np.asarray(jobs.epsilon, float) * (1 + 1e-7)).all()


@pytest.mark.parametrize("reach", [1e-20, 1e-6, 1e3, 1e8])
@pytest.mark.parametrize("name", ["l2", "l1"])
def test_steps_of_any_length_are_projected(name, reach):
    """From a corner, so that small steps are not lost in adding the center."""
    center, unit = np.zeros((50, *SHAPE)), min(reach, 1.0)
    images = (reach * np.random.default_rng(7).normal(size=center.shape)).astype(np.float32)
    found = np.asarray(each(BALLS[name].project)(job(center, np.full(50, 0.7 * unit)), images))
    for i in range(50):
        wanted = nearest(name, images[i].astype(float) / unit, center[i], 0.7)
        np.testing.assert_allclose(found[i] / np.float32(unit), wanted, atol=1e-5)


def test_l1_keeps_small_differences_of_large_steps():
    """Of 1000 and a bit, float32 knows the bit to 6e-5; the amount to subtract must be finer."""
    center, rng = np.zeros((50, *SHAPE)), np.random.default_rng(8)
    images = (1000 + 0.1 * rng.random(center.shape)).astype(np.float32)
    found = np.asarray(each(L1().project)(job(center, np.full(50, 0.7)), images))
    for i in range(50):
        wanted = nearest("l1", images[i].astype(float), center[i], 0.7)
        np.testing.assert_allclose(found[i], wanted, atol=1e-6)


def test_l2_scales_small_entries_as_it_does_large_ones():
    """Here the small one adds nothing to the length that float32 would notice."""
    image = jnp.array([[[9.0]], [[2e-4]]])
    found = L2().project(job(np.zeros((2, 1, 1)), 0.9), image)
    np.testing.assert_allclose(found, [[[0.9]], [[2e-5]]], rtol=1e-5)


@pytest.mark.parametrize(("name", "epsilon"), [("l2", 3.0), ("l1", 12.0), ("l1", 2000.0)])
def test_photographs_of_150528_numbers_end_just_inside(name, epsilon):
    rng = np.random.default_rng(5)
    center = rng.random((1, 224, 224, 3)).astype(np.float32)
    image = (center + rng.normal(0, 0.1, center.shape)).astype(np.float32)
    found = np.asarray(each(BALLS[name].project)(job(center, [epsilon]), image))
    length = exact_distance(name, found, center)[0]
    # Every number is rounded towards the center, by 3e-8 or less on average.
    lost = {"l2": 3e-8 * np.sqrt(center.size), "l1": 3e-8 * center.size}[name]
    assert epsilon * (1 - 1e-6) - lost <= length <= epsilon
    wanted = nearest(name, image[0].astype(float), center[0].astype(float), epsilon)
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)
    np.testing.assert_array_equal(each(BALLS[name].project)(job(center, [epsilon]), found), found)


def test_linf_ends_no_farther_than_the_radius_in_float32(projected):
    jobs, _, found = projected["linf"]
    moved = np.abs(found - np.asarray(jobs.image)).max((1, 2, 3))
    assert (moved <= np.asarray(jobs.epsilon)).all()
    center, epsilon = np.full(SHAPE, 0.3, np.float32), np.float32(8 / 255)
    found = Linf().project(job(center, epsilon), jnp.ones(SHAPE))
    np.testing.assert_allclose(found, center + epsilon, rtol=2e-7)
