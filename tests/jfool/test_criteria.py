"""When an attack has got what it wants."""

import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool import criteria

CONFIDENCE = 0.9
# Softmax 0.9, 0.06, 0.04
LOGITS = jnp.log(jnp.array([CONFIDENCE, 0.06, 0.04], jnp.float32))
NAN = LOGITS.at[2].set(jnp.nan)


def test_the_prediction_is_the_largest_logit_and_minus_one_where_there_is_no_softmax():
    assert criteria.prediction(LOGITS) == 0
    assert criteria.prediction(LOGITS[::-1]) == 2
    assert criteria.prediction(LOGITS.at[0].set(-jnp.inf)) == 1
    assert criteria.prediction(jnp.full(3, -jnp.inf)) == -1
    for i in range(3):
        assert criteria.prediction(LOGITS.at[i].set(jnp.nan)) == -1
        assert criteria.prediction(LOGITS.at[i].set(jnp.inf)) == -1
        for label in range(3):
            broken = LOGITS.at[i].set(jnp.inf), jnp.int32(label)
            assert not criteria.fooled(*broken, True)
            assert not criteria.fooled(*broken, False)


def test_confidence_is_of_the_target_or_without_one_of_the_prediction():
    np.testing.assert_allclose(criteria.confidence(LOGITS, jnp.int32(1), True), 0.06, rtol=1e-5)
    np.testing.assert_allclose(criteria.confidence(LOGITS, jnp.int32(1), False), 0.9, rtol=1e-5)


@pytest.mark.parametrize(
    ("label", "targeted", "expected"),
    [(0, True, True), (1, True, False), (0, False, False), (1, False, True)],
)
def test_fooled_is_reaching_the_target_or_leaving_the_label(label, targeted, expected):
    assert criteria.fooled(LOGITS, jnp.int32(label), targeted) == expected
    assert jfool.misclassified()(LOGITS, jnp.int32(label), targeted) == expected


@pytest.mark.parametrize(
    ("label", "targeted", "threshold", "expected"),
    [
        (0, True, 0.89, True),
        (0, True, 0.91, False),
        (1, True, 0.01, False),  # confident enough, yet not predicted
        (1, False, 0.89, True),
        (1, False, 0.91, False),
        (0, False, 0.01, False),
    ],
)
def test_confident_asks_for_fooled_and_for_the_threshold(label, targeted, threshold, expected):
    assert jfool.confident(threshold)(LOGITS, jnp.int32(label), targeted) == expected


def test_confident_counts_the_threshold_itself():
    certain = jnp.array([1000.0, 0.0], jnp.float32)
    assert jfool.confident(1.0)(certain, jnp.int32(0), True)


@pytest.mark.parametrize(
    ("label", "threshold", "expected"),
    [(1, 0.07, True), (1, 0.05, False), (2, 0.05, True), (0, 1.0, False)],
)
def test_suppressed_asks_for_fooled_and_for_little_of_the_true_class(label, threshold, expected):
    assert jfool.suppressed(threshold)(LOGITS, jnp.int32(label), False) == expected


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_nan_logits_never_count(label, targeted):
    tests = [criteria.fooled, jfool.misclassified(), jfool.confident(0.01)]
    for criterion in tests if targeted else [*tests, jfool.suppressed(1.0)]:
        assert not criterion(NAN, jnp.int32(label), targeted)
        assert not criterion(jnp.full(3, jnp.nan, jnp.float32), jnp.int32(label), targeted)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5, 90.0, float("nan")])
@pytest.mark.parametrize("criterion", [jfool.confident, jfool.suppressed])
def test_thresholds_are_probabilities(criterion, threshold):
    with pytest.raises(ValueError, match="threshold: expected a probability"):
        criterion(threshold)


TIE = jnp.array([2.0, 2.0, 1.0, -jnp.inf], jnp.float32)


@pytest.mark.parametrize("criterion", [criteria.fooled, jfool.misclassified()])
def test_of_equal_logits_none_is_reached_and_none_is_left(criterion):
    for reference in (0, 1):
        assert not criterion(TIE, jnp.int32(reference), True)
        assert not criterion(TIE, jnp.int32(reference), False)
    for reference in (2, 3):  # whichever of the other two is predicted
        assert not criterion(TIE, jnp.int32(reference), True)
        assert criterion(TIE, jnp.int32(reference), False)
