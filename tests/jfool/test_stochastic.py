"""Models that draw at random: where their draws come from, and rates over draws."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.result import AttackResult
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    FixedOrder,
    assert_same,
    photos,
    rows,
    unchecked,
    weights,
)


@pytree
class Noisy:
    """A model that sees each image in noise of its own."""

    model: Any
    deviation: Any

    stochastic = True

    def __call__(self, images: Any, keys: Any) -> Any:
        noise = jax.vmap(lambda key: jax.random.normal(key, SHAPE))(keys)
        return self.model(images + self.deviation * noise)


@pytree
class Coin:
    """Says 1, with logits (0, 1), with a probability of as much as the image is bright; else 0,
    with logits (1, 0)."""

    stochastic = True

    def __call__(self, images: Any, keys: Any) -> Any:
        one = jax.vmap(jax.random.bernoulli)(keys, images.mean((1, 2, 3)))
        return jax.nn.one_hot(one.astype(int), 2)


MODEL = Noisy(FixedOrder(jnp.asarray(0.1 * weights())), jnp.float32(0.3))
IMAGES = photos(6, seed=3)
LABELS = np.array([0, 1, 2, 3, 0, 1])
JOBS = jfool.PerturbationJob(IMAGES, np.full(6, 0.1, np.float32), LABELS)
ATTACK = jfool.PGD(SHAPE, NUM_CLASSES, step_size=0.03)


def run(jobs: Any = JOBS, ids: Any = None, **options: Any) -> AttackResult:
    ids = np.arange(6) if ids is None else ids
    options = {"chunk": None, "num_steps": 3, "num_draws": 5, **options}
    return jfool.run(jax.random.key(2), ATTACK, MODEL, jobs, job_ids=ids, **options)


@pytest.fixture(scope="module")
def result() -> AttackResult:
    return run()


def test_the_same_key_gives_the_same_draws_and_another_id_others(result):
    assert_same(result, run())
    other = run(ids=np.array([0, 1, 2, 3, 4, 9]))
    assert_same(rows(other, np.arange(5)), rows(result, np.arange(5)))
    assert (np.asarray(other.images[5]) != result.images[5]).any()


def test_a_jobs_draws_depend_neither_on_its_lane_nor_on_its_neighbors(result):
    back = np.arange(6)[::-1]
    assert_same(run(rows(JOBS, back), back), rows(result, back))
    for few in ([4], [5, 2]):
        alone = run(rows(JOBS, few), np.array(few))
        for field in ("images", "confidence", "success_rate", "prediction"):
            wanted = np.asarray(getattr(result, field))[few]
            np.testing.assert_allclose(getattr(alone, field), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4])
def test_nor_on_the_chunk(result, chunk):
    chunked = run(chunk=chunk)
    for field in ("images", "confidence", "success_rate", "prediction"):
        wanted = getattr(result, field)
        np.testing.assert_allclose(getattr(chunked, field), wanted, rtol=1e-5, atol=1e-5)


def test_perturb_draws_as_run_does():
    wanted = run(keep="last", num_steps=2).images
    with unchecked():
        jobs = jax.tree.map(jnp.asarray, JOBS)
        bare = jfool.perturb(jax.random.key(2), ATTACK, MODEL, jobs, num_steps=2)
    np.testing.assert_allclose(bare, wanted, atol=1e-6)  # another program, other last bits


def test_every_row_and_every_iteration_draws_anew():
    images = jnp.zeros((3, *SHAPE))
    evaluate = jfool.Evaluate(MODEL, key=jax.random.key(1))

    def twice(evaluate, carry, _):
        return carry, evaluate(jfool.Pixels(), None, images)

    drawn = evaluate.scan(twice, None, None, 2)[1].reshape(6, -1)
    assert len(np.unique(drawn, axis=0)) == 6


def test_a_key_is_needed():
    with pytest.raises(ValueError, match=r"key: expected jfool\.Evaluate"):
        jfool.Evaluate(MODEL)(jfool.Pixels(), None, jnp.zeros((1, *SHAPE)))


@pytest.fixture(scope="module")
def tossed() -> AttackResult:
    shares = np.array([0, 0.1, 0.45, 0.55, 0.9, 1], np.float32)
    images = np.broadcast_to(shares[:, None, None, None], (6, *SHAPE))
    jobs = jfool.PerturbationJob(images, np.zeros(6, np.float32), target=np.ones(6, int))
    attack = jfool.FGSM(SHAPE, 2, objective=jfool.LogConfidence())
    return jfool.run(jax.random.key(0), attack, Coin(), jobs, num_steps=0, num_draws=1000)


def test_the_success_rate_is_the_share_of_draws_that_succeed(tossed):
    share = np.array([0, 0.1, 0.45, 0.55, 0.9, 1])
    rate = np.asarray(tossed.success_rate, float)
    assert (np.abs(rate - share) <= 4 * np.sqrt(share * (1 - share) / 1000)).all()
    np.testing.assert_allclose(rate * 1000, np.round(rate * 1000), atol=1e-3)
    np.testing.assert_array_equal(tossed.success, rate > 0.5)
    np.testing.assert_array_equal(tossed.prediction, rate > 0.5)
    np.testing.assert_array_equal(tossed.clean_prediction, share > 0.5)
    sure = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(tossed.confidence, rate * sure + (1 - rate) * (1 - sure), rtol=1e-5)


@pytest.mark.parametrize("num_draws", [0, 2.5, True])
def test_num_draws_is_a_positive_number(num_draws):
    with unchecked(), pytest.raises(ValueError, match="num_draws: expected a whole number"):
        run(num_draws=num_draws)
