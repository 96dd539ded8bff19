"""Objectives against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import jfool

ZERO, ONE = jnp.int32(0), jnp.int32(1)
LOGITS = np.random.default_rng(0).normal(0, 5, (6, 4)).astype(np.float32)


@pytest.mark.parametrize("label", range(4))
def test_objectives_agree_with_scipy(label):
    others = np.delete(LOGITS, label, axis=1).max(1)
    for objective, expected in (
        (jfool.Confidence(), special.softmax(LOGITS, 1)[:, label]),
        (jfool.LogConfidence(), special.log_softmax(LOGITS, 1)[:, label]),
        (jfool.Margin(), LOGITS[:, label] - others),
    ):
        for logits, wanted in (
            (LOGITS, expected),
            (LOGITS.reshape(2, 3, 4), expected.reshape(2, 3)),
            (LOGITS[0], expected[0]),
        ):
            fitness = objective(jnp.asarray(logits), jnp.int32(label))
            np.testing.assert_allclose(fitness, wanted, rtol=1e-4, atol=1e-6)
            assert fitness.dtype == jnp.float32


@pytest.mark.parametrize("objective", [jfool.Confidence(), jfool.LogConfidence(), jfool.Margin()])
def test_untargeted_climbs_down(objective):
    down = jfool.Untargeted(objective)
    assert objective.targeted
    assert not down.targeted
    logits = jnp.asarray(LOGITS)
    np.testing.assert_array_equal(down(logits, ONE), -objective(logits, ONE))


def test_confidence_saturates_where_log_confidence_and_margin_do_not():
    far, farther = jnp.array([[-200.0, 0.0], [-300.0, 0.0]], jnp.float32)
    assert jfool.Confidence()(far, ZERO) == jfool.Confidence()(farther, ZERO) == 0
    assert jfool.Confidence()(far, ONE) == 1
    for objective in (jfool.LogConfidence(), jfool.Margin()):
        assert objective(far, ZERO) > objective(farther, ZERO)
        assert jnp.isfinite(objective(farther, ZERO))


def test_huge_logits_do_not_overflow():
    logits = jnp.array([3e38, -3e38, 0.0], jnp.float32)
    np.testing.assert_array_equal(jfool.Confidence()(logits, ZERO), 1)
    np.testing.assert_array_equal(jfool.Confidence()(logits, ONE), 0)


@pytest.mark.parametrize("objective", [jfool.Confidence(), jfool.LogConfidence(), jfool.Margin()])
@pytest.mark.parametrize("label", [0, 1])
def test_nan_logits_have_nan_fitness_whichever_class_is_asked_for(objective, label):
    logits = jnp.array([[0.0, jnp.nan, 1.0], [0.0, 1.0, 2.0]], jnp.float32)
    for each in (objective, jfool.Untargeted(objective)):
        np.testing.assert_array_equal(np.isnan(each(logits, jnp.int32(label))), [True, False])


def test_half_precision_logits_are_judged_in_float32():
    logits = jnp.array([0.0, 6.0], jnp.bfloat16)
    expected = special.expit(6.0)
    np.testing.assert_allclose(jfool.Confidence()(logits, ONE), expected, rtol=1e-5)


def test_logit_ratios_are_margins_that_scale_and_shift_do_not_change():
    ordered = -np.sort(-LOGITS.astype(float), axis=1)
    for label in range(4):
        margin = np.delete(LOGITS, label, axis=1).max(1) - LOGITS[:, label].astype(float)
        wanted = margin / (ordered[:, 0] - ordered[:, 2])
        for logits in (LOGITS, 3 * LOGITS + 7):
            found = jfool.LogitRatio()(jnp.asarray(logits), jnp.int32(label))
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
        target = (label + 1) % 4
        job = jfool.PerturbationJob(LOGITS, label=label, target=target)
        for logits, order in zip(LOGITS.astype(float), ordered, strict=True):
            scale = order[0] - (order[2] + order[3]) / 2
            for one in (logits, 3 * logits + 7):
                found, _ = jfool.TargetLogitRatio()(jnp.asarray(one, jnp.float32), job, None)
                wanted = (logits[target] - logits[label]) / scale
                np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_logit_ratios_of_equal_logits_have_finite_gradients():
    logits = jnp.ones(4, jnp.float32)
    gradient = jax.grad(lambda logits: jfool.LogitRatio()(logits, ZERO))(logits)
    assert np.isfinite(gradient).all()


def test_labels_may_be_traced():
    objective = jax.jit(jfool.Margin())
    logits = jnp.asarray(LOGITS)
    for label in range(4):
        others = np.delete(LOGITS, label, axis=1).max(1)
        np.testing.assert_array_equal(
            objective(logits, jnp.int32(label)), LOGITS[:, label] - others
        )
