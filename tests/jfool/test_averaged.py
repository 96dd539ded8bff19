"""Expectation over transforms: closed forms of a linear model under random contrast and noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import jfool
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Watched,
    photos,
    unchecked,
    weights,
)
from tests.jfool.test_stochastic import Noisy

WEIGHTS = 0.05 * weights(4)
LINEAR = Linear(jnp.asarray(WEIGHTS))
IMAGES = photos(5, seed=6)
NUM_SAMPLES = 400


def contrast(key: Any, image: Any) -> Any:
    """1.5 or 0.5 times as bright, and in one of five draws the negative of that."""
    strong, negative = jax.random.split(key)
    factor = jnp.where(jax.random.bernoulli(strong), 1.5, 0.5)
    return jnp.where(jax.random.bernoulli(negative, 0.2), -factor, factor) * image


def shift(mean: Any, key: Any, image: Any) -> Any:
    return image + jax.random.uniform(key, image.shape, minval=mean - 0.1, maxval=mean + 0.1)


def of_model(images: Any) -> np.ndarray:
    return np.asarray(images, float).reshape(len(images), -1) @ WEIGHTS


def keys(count: int) -> Any:
    return jax.random.split(jax.random.key(1), count)


def test_logits_and_gradients_are_means_over_the_same_draws():
    """Each draw is a factor, so their mean can be read off the logits."""
    averaged = jfool.Averaged(LINEAR, contrast, NUM_SAMPLES)
    given = keys(5)
    logits, pull = jax.vjp(lambda images: averaged(images, given), jnp.asarray(IMAGES))
    factor = np.asarray(logits, float)[:, 0] / of_model(IMAGES)[:, 0]
    np.testing.assert_allclose(logits, factor[:, None] * of_model(IMAGES), rtol=1e-4, atol=1e-4)
    assert len(set(factor.round(5))) > 1  # images draw on their own
    # Mean 0.6, variance 0.25 + 1 - 0.36
    assert (np.abs(factor - 0.6) < 4 * np.sqrt(0.89 / NUM_SAMPLES)).all()
    (gradient,) = pull(jnp.zeros((5, NUM_CLASSES)).at[:, 2].set(1))
    wanted = factor[:, None] * WEIGHTS[None, :, 2]
    np.testing.assert_allclose(gradient.reshape(5, -1), wanted, rtol=1e-4, atol=1e-6)


def test_additive_noise_moves_the_logits_by_its_mean_and_numbers_of_a_transform_are_leaves():
    for mean in (0.0, 0.3):
        averaged = jfool.Averaged(LINEAR, Partial(shift, jnp.float32(mean)), NUM_SAMPLES)
        assert len(jax.tree.leaves(averaged)) == 2
        error = 4 * np.linalg.norm(WEIGHTS, axis=0) * 0.2 / np.sqrt(12 * NUM_SAMPLES)
        difference = np.asarray(averaged(jnp.asarray(IMAGES), keys(5))) - of_model(IMAGES + mean)
        assert (np.abs(difference) < error).all()
        assert (np.abs(difference) > 0).all()


def test_a_model_that_draws_itself_has_other_draws_in_every_sample():
    def same(key: Any, image: Any) -> Any:
        del key
        return image

    noisy = Noisy(LINEAR, jnp.float32(1.0))
    averaged = np.asarray(jfool.Averaged(noisy, same, NUM_SAMPLES)(jnp.asarray(IMAGES), keys(5)))
    spread = np.linalg.norm(WEIGHTS, axis=0)
    assert (np.abs(averaged - of_model(IMAGES)) < 4 * spread / np.sqrt(NUM_SAMPLES)).all()
    single = np.asarray(jfool.Averaged(noisy, same, 1)(jnp.asarray(IMAGES), keys(5)))
    assert (np.abs(single - of_model(IMAGES)) > 4 * spread / np.sqrt(NUM_SAMPLES)).any()


def test_an_attack_goes_the_right_way_where_single_draws_often_go_the_wrong_way():
    images, target = 0.3 + 0.4 * photos(20), np.arange(20) % NUM_CLASSES
    jobs = jfool.PerturbationJob(images, np.full(20, 0.1, np.float32), None, target)
    # The logit of the target alone, so that the best direction is the sign of its weights.
    attack = jfool.FGSM(SHAPE, NUM_CLASSES, objective=jfool.Logit())

    def gain(num_samples: int) -> np.ndarray:
        averaged = jfool.Averaged(LINEAR, contrast, num_samples)
        options = {"num_steps": 1, "keep": "last", "num_draws": 1, "chunk": None}
        result = jfool.run(jax.random.key(1), attack, averaged, jobs, **options)
        moved = of_model(result.images) - of_model(jobs.image)
        return moved[np.arange(20), target]

    most = 0.1 * np.abs(WEIGHTS).sum(0)[target]
    np.testing.assert_allclose(gain(64), most, rtol=1e-4)
    np.testing.assert_allclose(np.abs(gain(1)), most, rtol=1e-4)
    assert (gain(1) < 0).any()


def test_every_draw_counts_and_a_chunk_bounds_the_images_that_the_model_sees():
    tally = Tally()
    averaged = jfool.Averaged(Watched(LINEAR, tally), contrast, 3)
    jobs = jfool.PerturbationJob(IMAGES[:4], np.full(4, 0.1, np.float32), np.zeros(4, int))
    result = jfool.run(
        jax.random.key(0), jfool.BIM(SHAPE, NUM_CLASSES), averaged, jobs,
        num_steps=2, num_draws=1, chunk=7,
    )  # fmt: skip
    np.testing.assert_array_equal(result.num_gradients, 3 * 3)
    np.testing.assert_array_equal(result.num_queries, 0)
    assert {len(batch) for batch in tally.wait()} == {2 * 3}
    judged = 3 * 4 * 3  # the answers, their roundings and the images before, three draws each
    looked_at = 2 * 3  # before, whether they get logits
    assert tally.num_images == looked_at + 4 * 3 * 3 + judged


@pytest.mark.parametrize("num_samples", [0, 1.5, True])
def test_num_samples_is_a_positive_number(num_samples):
    with (
        unchecked(),
        pytest.raises(ValueError, match="num_samples: expected a whole number of at least 1"),
    ):
        jfool.Averaged(LINEAR, contrast, num_samples)
