"""The hot/cold attack: its direction in NumPy, its step beside a fine search along the line."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import NUM_CLASSES, SHAPE, photos, relu

NET = relu(6, scale=2.0)
IMAGES = photos(24, seed=9)
COLD = np.stack([NET.by_hand(image)[0].argmax() for image in IMAGES])
HOT = (COLD + 1 + np.arange(24) % 3) % NUM_CLASSES
POINTS = 100_000


def run(attack: Any, **options: Any) -> Any:
    jobs = jfool.PerturbationJob(IMAGES, None, COLD, HOT)
    return jfool.run(jax.random.key(0), attack, NET, jobs, num_steps=0, **options)


@pytest.fixture(scope="module")
def result() -> Any:
    return run(jfool.HotCold(SHAPE, NUM_CLASSES))


def direction(image: np.ndarray, hot: int, cold: int) -> np.ndarray:
    logits, gradients = NET.by_hand(image)
    grown = np.abs(logits[hot]) * gradients[hot] - logits[cold] * gradients[cold]
    return grown / np.abs(grown).max()


@jax.jit
def is_hot(image: Any, direction: Any, lengths: Any, hot: Any) -> Any:
    images = jnp.clip(image[None] + lengths[:, None, None, None] * direction[None], 0, 1)
    return NET(images).argmax(1) == hot


@pytest.fixture(scope="module")
def minimal() -> np.ndarray:
    """`[24]`, the smallest of 10^5 lengths in (0, 1] and as many in (1, 16] that gives the hot
    class; inf for none."""
    near = np.arange(1, POINTS + 1) / POINTS
    lengths = np.concatenate([near, 1 + 15 * near]).astype(np.float32)
    found = []
    for image, hot, cold in zip(IMAGES, HOT, COLD, strict=True):
        hits = is_hot(image, direction(image, hot, cold).astype(np.float32), lengths, hot)
        found.append(lengths[int(hits.argmax())] if hits.any() else np.inf)
    return np.array(found)


def test_some_lines_reach_the_hot_class_and_some_do_not(minimal):
    assert (minimal <= 1).sum() > 3
    assert ((minimal > 1) & np.isfinite(minimal)).sum() > 1
    assert np.isinf(minimal).sum() > 1


def test_the_step_is_along_the_gradient_of_both_logits_and_the_smallest(result, minimal):
    for i in np.flatnonzero(np.isfinite(minimal)):
        along = direction(IMAGES[i], HOT[i], COLD[i])
        wanted = np.clip(IMAGES[i] + minimal[i] * along, 0, 1)
        np.testing.assert_allclose(result.images[i], wanted, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(result.success, np.isfinite(minimal))
    reached = np.isfinite(minimal)
    np.testing.assert_array_equal(result.prediction[reached], HOT[reached])


def test_where_no_length_is_enough_the_image_is_unchanged(result, minimal):
    missed = ~np.isfinite(minimal)
    np.testing.assert_array_equal(result.images[missed], IMAGES[missed])
    assert (np.asarray(result.distances["linf"])[missed] == 0).all()
    np.testing.assert_array_equal(result.prediction[missed], COLD[missed])


def test_it_takes_one_gradient_and_a_round_more_only_while_there_is_something_to_narrow(
    result, minimal
):
    np.testing.assert_array_equal(result.num_gradients, 1)
    near, far = minimal <= 1, np.isfinite(minimal) & (minimal > 1)
    rounds = np.select([near, far], [4, 5], default=2)
    np.testing.assert_array_equal(result.num_queries, 32 * rounds)
    np.testing.assert_array_equal(result.num_steps, 0)


def test_both_classes_are_needed():
    jobs = jfool.PerturbationJob(IMAGES, None, None, HOT)
    with pytest.raises(TypeError, match=r"jobs\.label: expected the true class"):
        jfool.run(jax.random.key(0), jfool.HotCold(SHAPE, NUM_CLASSES), NET, jobs, num_steps=0)
