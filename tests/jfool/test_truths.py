"""What a result says is true of its images: success, confidence, rounding, NaN."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from jfool.base import pytree
from jfool.result import AttackResult
from tests.jfool.helpers import (
    SHAPE,
    Linear,
    grey_jobs,
    softmax,
    sparse_fooling,
    weights,
)


@pytree
class GreyDetector:
    """Class 1 where the median is as good as 0.5, which 8 bits cannot say; else class 0."""

    sharpness: float = 5e3

    def __call__(self, images):
        away = jnp.abs(jnp.median(images.reshape(len(images), -1), axis=1) - 0.5)
        score = self.sharpness * (1e-3 - away)
        return jnp.stack([-score, score], axis=1)


@pytree
class Timid:
    """Predicts as `model` does, and is never surer than 1 in 3."""

    model: Linear

    def __call__(self, images):
        return 0.1 * jnp.tanh(self.model(images))


def run(model, jobs=None, attack=None, **options) -> AttackResult:
    attack = attack or sparse_fooling()
    jobs = grey_jobs() if jobs is None else jobs
    return jfool.run(jax.random.key(0), attack, model, jobs, num_steps=20, **options)


def test_rounding_to_8_bits_can_undo_and_make_a_success():
    attack = jfool.SparseFooling(
        SHAPE, 2, max_k=3, search=jfool.DifferentialEvolution(population_size=8)
    )
    result = run(GreyDetector(), grey_jobs([0, 1]), attack)
    np.testing.assert_array_equal(result.prediction, [1, 1])
    np.testing.assert_array_equal(result.success, [False, True])
    np.testing.assert_array_equal(result.success_uint8, [True, False])
    rounded = np.round(np.asarray(result.images) * 255).astype(np.uint8) / np.float32(255)
    logits = np.asarray(GreyDetector()(jnp.asarray(rounded)))
    expected = softmax(logits)[np.arange(2), [0, 1]]
    np.testing.assert_allclose(result.confidence_uint8, expected, rtol=1e-4)


def test_a_target_needs_the_confidence_that_was_asked_for():
    model = Timid(Linear(jnp.asarray(weights(3))))
    asked, settled = (run(model, until=jfool.confident(p)) for p in (0.9, 0.26))
    reached = np.asarray(asked.prediction) == np.arange(4)
    assert reached.any()
    assert not asked.success.any()
    assert not asked.success_uint8.any()
    assert not asked.stopped.any()
    assert settled.success.any()
    np.testing.assert_array_equal(
        settled.success, (settled.prediction == np.arange(4)) & (settled.confidence >= 0.26)
    )


def test_without_a_threshold_the_prediction_alone_decides():
    result = run(Timid(Linear(jnp.asarray(weights(3)))))
    reached = np.asarray(result.prediction) == np.arange(4)
    np.testing.assert_array_equal(result.success, reached)
    assert reached.any()


def test_without_a_target_leaving_the_label_is_success_whatever_until_asks_for():
    attack = sparse_fooling(objective=jfool.Untargeted())
    model = Timid(Linear(jnp.asarray(weights(14))))
    label = int((np.full(60, 0.5) @ weights(14)).argmax())
    jobs = dataclasses.replace(grey_jobs(), target=None, label=np.full(4, label))
    result = run(model, jobs, attack, until=jfool.suppressed(0.01))
    left = np.asarray(result.prediction) != label
    assert not result.stopped.any()
    np.testing.assert_array_equal(result.success, left)
    assert left.any()
    np.testing.assert_allclose(
        result.confidence, softmax(np.asarray(model(result.images))).max(1), rtol=1e-4
    )
