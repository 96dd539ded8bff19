"""The one place where images meet the model: chunks, lanes, and what is counted."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Watched,
    grey_jobs,
    photos,
    rows,
    weights,
)

LANES, POPULATION = 5, 4
IMAGES = np.stack([photos(POPULATION, seed=lane) for lane in range(LANES)])  # [L, P, H, W, C]
LIVE = np.array([False, True, False, True, True])


def logits_of(
    model, chunk: int | None, live: np.ndarray, images: np.ndarray = IMAGES
) -> np.ndarray:
    def lane(live, genotypes):
        return jfool.Evaluate(model, live, chunk=chunk)(jfool.Pixels(), None, genotypes)

    return np.asarray(jax.jit(jax.vmap(lane))(jnp.asarray(live), jnp.asarray(images)))


def expected(live: np.ndarray = LIVE) -> np.ndarray:
    logits = IMAGES.reshape(LANES, POPULATION, -1) @ weights()
    return np.where(live[:, None, None], logits, np.nan)


@pytest.mark.parametrize("chunk", [None, 1, 4, 7, 20, 1000])
def test_logits_do_not_depend_on_the_chunk_whether_or_not_it_divides(chunk):
    logits = logits_of(Linear(weights()), chunk, np.ones(LANES, bool))
    np.testing.assert_allclose(logits, expected(np.ones(LANES, bool)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [None, 3])
def test_lanes_that_are_not_live_are_nan_and_the_others_keep_their_place(chunk):
    logits = logits_of(Linear(weights()), chunk, LIVE)
    np.testing.assert_allclose(logits, expected(), rtol=1e-4, atol=1e-4)


def test_lanes_together_are_lanes_alone():
    encoding = jfool.SparsePixels(SHAPE, 3)
    jobs = jax.tree.map(jnp.asarray, grey_jobs(k=[1, 2, 3, 1]))
    u = jax.random.uniform(jax.random.key(0), (4, POPULATION, 3, 5))
    genotypes = jax.vmap(encoding.from_unit)(u)

    @jax.jit
    def lane(job, genotypes):
        return jfool.Evaluate(Linear(weights()), chunk=6)(encoding, job, genotypes)

    together = jax.vmap(lane)(jobs, genotypes)
    for i in range(4):
        alone = lane(rows(jobs, i), genotypes[i])
        np.testing.assert_allclose(together[i], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 3, 4, 7])
@pytest.mark.parametrize("live", [LIVE, np.zeros(LANES, bool), np.arange(LANES) == 4])
def test_no_more_images_reach_the_model_than_live_ones_rounded_up_to_the_batch(chunk, live):
    tally = Tally()
    logits_of(Watched(Linear(weights()), tally), chunk, live)
    wanted = int(live.sum()) * POPULATION
    batch = max(map(len, tally.wait()), default=1)
    assert batch <= chunk
    assert [len(images) for images in tally.wait()] == [batch] * math.ceil(wanted / batch)
    seen = {image.tobytes() for batch in tally.batches for image in batch}
    assert {image.tobytes() for image in IMAGES[live].reshape(-1, *SHAPE)} <= seen


def test_stacked_models_are_an_ensemble_each_with_its_own_lane():
    ensemble = Linear(jnp.stack([weights(seed) for seed in range(LANES)]))

    def lane(model, live, genotypes):
        return jfool.Evaluate(model, live, chunk=3)(jfool.Pixels(), None, genotypes)

    logits = jax.vmap(lane)(ensemble, jnp.asarray(LIVE), jnp.asarray(IMAGES))
    for i in range(LANES):
        alone = IMAGES[i].reshape(POPULATION, -1) @ weights(i)
        wanted = alone if LIVE[i] else np.full_like(alone, np.nan)
        np.testing.assert_allclose(logits[i], wanted, rtol=1e-4, atol=1e-4)


def test_the_logits_have_one_column_per_class():
    assert logits_of(Linear(weights()), None, LIVE).shape == (LANES, POPULATION, NUM_CLASSES)
