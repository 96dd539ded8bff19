"""Rounding to 8 bits that does not leave the ball."""

import numpy as np
import pytest

from jfool.constraints import L0, L1, L2, Linf, inside, round_inside
from tests.jfool.balls import BALLS, SHAPE, Job, cases, each, exact_distance, job

NORMS = [pytest.param(name, id=name) for name in BALLS]


def rounded(ball, jobs, images):
    return np.asarray(each(lambda job, image: round_inside(ball, job, image))(jobs, images))


def on_levels(images):
    numbers = 255 * np.asarray(images, float)
    return np.abs(numbers - numbers.round()) < 1e-4


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("eight_bit", [True, False], ids=["8 bit", "floats"])
def test_rounded_images_stay_inside_on_levels_where_there_are_any(name, eight_bit):
    jobs, images = cases(name, 1000)
    if eight_bit:
        jobs = job(np.asarray(jobs.image * 255).round().astype(np.float32) / 255, jobs.epsilon)
    ball, center = BALLS[name], np.asarray(jobs.image)
    images = np.asarray(each(ball.project)(jobs, images))
    found = rounded(ball, jobs, images)
    assert np.asarray(each(lambda job, image: inside(ball, job, image))(jobs, found)).all()
    assert (on_levels(found) | (found == center)).all()
    assert np.abs(found - images).max() < 1 / 255 + 1e-6
    if eight_bit:
        still = (images == center).all(-1)
        np.testing.assert_array_equal(found[still], center[still])
    nearest = (images.astype(float) * 255).round() / 255
    stays = exact_distance(name, nearest, center) <= np.asarray(jobs.epsilon, float)
    assert stays.mean() > 0.1
    np.testing.assert_allclose(found[stays], nearest[stays], atol=1e-6)


def test_linf_takes_the_nearest_level_or_the_one_towards_the_center():
    center = np.array([[[100.0, 100.0, 100.0, 100.4, 100.4, 100.4]]]) / 255
    image = center + np.array([[[8.0, -8.0, 7.7, 1.3, -1.3, 0.4]]]) / 255
    wanted = {8: [108, 92, 108, 102, 99, 101], 7.9: [107, 93, 107, 102, 99, 101]}
    for epsilon, levels in wanted.items():
        inner = np.clip(image, center - epsilon / 255, center + epsilon / 255)
        found = rounded(Linf(), job(center[None], [epsilon / 255]), inner[None].astype(np.float32))
        np.testing.assert_allclose(found[0] * 255, [[levels]], atol=1e-3)


def test_linf_goes_inward_only_where_it_must():
    center, epsilon = np.full((1, 1, 1, 2), 100.4) / 255, 1.3 / 255
    image = center + np.array([1.3, 0.3]) / 255  # to 102 it would be 1.6, to 101 it is 0.6
    found = rounded(Linf(), job(center, [epsilon]), image.astype(np.float32))
    np.testing.assert_allclose(found * 255, [[[[101, 101]]]], atol=1e-3)
    near = rounded(Linf(), job(center, [0.2 / 255]), (center + 0.2 / 255).astype(np.float32))
    np.testing.assert_array_equal(near, center.astype(np.float32))  # no level in reach


@pytest.mark.parametrize("ball", [L2(), L1()], ids=["l2", "l1"])
def test_sums_that_leave_the_ball_go_inward_everywhere(ball):
    center = np.full((1, *SHAPE), 100.0) / 255
    image = (center + 2.6 / 255).astype(np.float32)
    outer = exact_distance("l2" if ball == L2() else "l1", image, center)
    tight, loose = job(center, outer), job(center, outer * 1.2)
    np.testing.assert_allclose(255 * rounded(ball, tight, image), 102, atol=1e-3)
    np.testing.assert_allclose(255 * rounded(ball, loose, image), 103, atol=1e-3)


def test_going_inward_stays_on_a_level_that_is_reached():
    """255 (j / 255) is less than j for some j in float32."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert (np.nextafter(levels, 0)[1:] * np.float32(255) < np.arange(1, 256)).any()
    image = np.append(levels, np.float32([10.6, 10.6]) / 255).reshape(1, 1, 1, 258)
    image[0, 0, 0, 1:256] = np.nextafter(image[0, 0, 0, 1:256], 0)
    jobs = job(np.zeros_like(image), exact_distance("l1", image, 0 * image))
    found = rounded(L1(), jobs, image)
    np.testing.assert_allclose(255 * found[0, 0, 0], [*range(256), 10, 10], atol=1e-3)


def test_l0_leaves_unchanged_pixels_alone_when_they_are_on_no_level():
    center = np.full((1, *SHAPE), 100.4, np.float32) / np.float32(255)
    image = center.copy()
    image[0, 1, 1] = 1.0
    found = rounded(L0(), job(center, [1.0]), image)
    np.testing.assert_array_equal(found, image)


def test_radius_zero_is_the_center():
    jobs, images = cases("linf", 100)
    none = Job(jobs.image, 0 * jobs.epsilon)
    for ball in BALLS.values():
        at = np.asarray(each(ball.project)(none, images))
        np.testing.assert_array_equal(rounded(ball, none, at)[~on_levels(at)], at[~on_levels(at)])
