"""Gradients through the one evaluation: closed forms of a linear model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.objectives import OfLogits
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, photos, softmax, weights

LANES, POPULATION = 3, 4
IMAGES = np.stack([photos(POPULATION, seed=lane) for lane in range(LANES)])
LABELS = np.array([0, 3, 1])
SCORE = OfLogits(jfool.LogConfidence())


def jobs() -> jfool.SparseJob:
    return jfool.SparseJob(
        target=jnp.asarray(LABELS), base=jnp.zeros((LANES, 3)), k=jnp.full(LANES, 2)
    )


def by_hand(images: np.ndarray, label: int) -> np.ndarray:
    """d log p_label / dx = W (e_label - p)."""
    p = softmax(images.reshape(len(images), -1) @ weights())
    return ((np.eye(NUM_CLASSES)[label] - p) @ weights().T).reshape(images.shape)


@pytest.mark.parametrize("chunk", [None, 1, 5, 12])
def test_the_gradient_of_a_linear_model_is_its_closed_form_whatever_the_chunk(chunk):
    def lane(job, images):
        return jfool.Evaluate(Linear(weights()), chunk=chunk).gradient(
            jfool.Pixels(), SCORE, job, images
        )

    fitness, gradient, logits = jax.jit(jax.vmap(lane))(jobs(), jnp.asarray(IMAGES))
    for i, label in enumerate(LABELS):
        wanted = IMAGES[i].reshape(POPULATION, -1) @ weights()
        np.testing.assert_allclose(logits[i], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            fitness[i], np.log(softmax(wanted))[:, label], rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(gradient[i], by_hand(IMAGES[i], label), rtol=1e-3, atol=1e-3)


def test_through_sparse_pixels_only_the_colors_of_visible_rows_have_a_gradient():
    encoding = jfool.SparsePixels(SHAPE, 3)
    genotypes = np.array([[[1.2, 2.9, 0.3, 0.5, 0.7], [1.0, 2.0, 0.1, 0.2, 0.9], [0, 0, 1, 1, 1]]])
    genotypes = genotypes.astype(np.float32)
    job = jfool.SparseJob(target=jnp.asarray(2), base=jnp.full(3, 0.5), k=jnp.asarray(2))
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))
    _, gradient, _ = evaluate.gradient(encoding, SCORE, job, jnp.asarray(genotypes))
    image = np.full(SHAPE, 0.5, np.float32)
    image[2, 1] = (0.1, 0.2, 0.9)
    wanted = np.zeros((1, 3, 5))
    wanted[0, 1, 2:] = by_hand(image[None], 2)[0, 2, 1]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-3)


def test_lanes_that_are_not_live_get_nan():
    def lane(job, images, live):
        return jfool.Evaluate(Linear(weights()), live, chunk=5).gradient(
            jfool.Pixels(), SCORE, job, images
        )

    live = jnp.array([True, False, True])
    for read in jax.vmap(lane)(jobs(), jnp.asarray(IMAGES), live):
        np.testing.assert_array_equal(np.isnan(read).reshape(LANES, -1).all(1), ~live)


def test_a_gradient_is_counted_as_one_and_not_as_a_query():
    evaluate = jfool.Evaluate(Linear(jnp.asarray(weights())))
    job = jax.tree.map(lambda leaf: leaf[0], jobs())

    def both():
        evaluate.gradient(jfool.Pixels(), SCORE, job, jnp.asarray(IMAGES[0]))
        return evaluate(jfool.Pixels(), job, jnp.asarray(IMAGES[0, :1]))

    _, shown = jfool.counted(both)()
    assert (shown.gradients, shown.queries) == (POPULATION, 1)


@pytest.mark.parametrize(("max_queries", "steps"), [(1, 0), (3, 0), (4, 1), (12, 3)])
def test_a_gradient_weighs_three_images_where_a_budget_ends_a_job(max_queries, steps):
    attack = jfool.FeatureInversion(SHAPE, NUM_CLASSES, layer="logits")
    job = jfool.InversionJob(
        np.array([1]), np.zeros((1, 3), np.float32), np.ones((1, 4)), np.zeros(1)
    )
    result = jfool.run(
        jax.random.key(0),
        attack,
        Linear(jnp.asarray(weights())),
        job,
        num_steps=50,
        max_queries=max_queries,
    )
    assert result.num_gradients.tolist() == [steps + 1]
    assert result.num_queries.tolist() == [0]
    assert result.num_steps.tolist() == [steps]
