"""Metrics against SciPy, scikit-learn and loops."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from jfool.metrics import auroc, total_variation, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 50), (1, 3), (37, 100), (50, 50)])
def test_wilsons_interval_is_scipys(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson(successes / trials, trials), expected, rtol=1e-9, atol=1e-12)


def test_wilsons_interval_holds_the_rate_and_narrows_with_the_trials():
    widths = []
    for trials in (10, 100, 1000):
        low, high = wilson(0.3, trials)
        assert 0 <= low < 0.3 < high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("rate", "trials", "name"), [(1.5, 10, "rate"), (math.nan, 10, "rate"), (0.5, 0, "trials")]
)
def test_rates_that_cannot_be_are_refused(rate, trials, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        wilson(rate, trials)


@pytest.mark.parametrize("levels", [3, 10_000])  # many ties, and hardly any
def test_auroc_is_scikit_learns(levels):
    rng = np.random.default_rng(levels)
    positive = rng.integers(0, levels, 40) / levels + 0.2
    negative = rng.integers(0, levels, 70) / levels
    labels = np.repeat([1, 0], [40, 70])
    expected = roc_auc_score(labels, np.concatenate([positive, negative]))
    np.testing.assert_allclose(auroc(positive, negative), expected, rtol=1e-12)
    np.testing.assert_allclose(auroc(negative, positive), 1 - expected, rtol=1e-12)


def test_infinite_scores_rank_and_nan_is_refused():
    assert auroc(np.array([np.inf, 0.0]), np.array([-np.inf, 0.0])) == 0.875
    for positive in (np.array([np.nan]), np.zeros(0)):
        with pytest.raises(ValueError, match=r"^positive: expected scores"):
            auroc(positive, np.ones(2))


def test_total_variation_is_that_of_a_loop_over_neighbors():
    images = np.random.default_rng(0).uniform(size=(2, 3, 4, 5, 3)).astype(np.float32)
    found = total_variation(jnp.asarray(images))
    assert found.shape == (2, 3)
    for index in np.ndindex(2, 3):
        image, total = images[index].astype(float), 0.0
        for i, j, c in np.ndindex(4, 5, 3):
            total += abs(image[i + 1, j, c] - image[i, j, c]) if i < 3 else 0
            total += abs(image[i, j + 1, c] - image[i, j, c]) if j < 4 else 0
        np.testing.assert_allclose(found[index], 255 * total / 60, rtol=1e-5)


def test_total_variation_of_noise_is_as_documented():
    noise = np.random.default_rng(0).normal(0.5, 1 / 255, (300, 300, 1)).astype(np.float32)
    np.testing.assert_allclose(
        total_variation(jnp.asarray(noise)), 4 / math.sqrt(math.pi), rtol=0.02
    )
