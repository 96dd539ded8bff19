"""NaN that a network makes reaches whoever asks for probabilities, also in one compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jfool import criteria
from jfool.objectives import Confidence, LogConfidence, Margin
from jfool.softmax import log_softmax, log_softmax_of, softmax

RANDOM = np.random.default_rng(0)
IMAGES = jnp.asarray(RANDOM.normal(size=(8, 4, 4, 1)), jnp.float32)
WEIGHTS = jnp.asarray(RANDOM.normal(size=(16, 10)), jnp.float32)
BROKEN = np.arange(8) % 2 == 0


def half_broken(images, value=jnp.nan, where=slice(None)):
    """A network that fails on every second image, in some of its logits."""
    logits = images.reshape(len(images), -1) @ WEIGHTS
    failed = jnp.zeros((1, 10), bool).at[:, where].set(True) & BROKEN[:, None]
    return jnp.where(failed, value, logits)


@pytest.mark.parametrize("where", [slice(None), 3, 7], ids=["all", "label", "another"])
@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
@pytest.mark.parametrize(
    "score",
    [
        lambda logits: Confidence()(logits, 3),
        lambda logits: LogConfidence()(logits, 3),
        lambda logits: softmax(logits)[:, 3],
        lambda logits: log_softmax(logits)[:, 3],
        lambda logits: jax.vmap(lambda one: criteria.confidence(one, jnp.int32(3), True))(logits),
    ],
    ids=["Confidence", "LogConfidence", "softmax", "log_softmax", "criterion"],
)
def test_a_broken_network_has_no_probabilities(score, value, where):
    found = np.asarray(jax.jit(lambda images: score(half_broken(images, value, where)))(IMAGES))
    assert np.isnan(found[BROKEN]).all()
    assert np.isfinite(found[~BROKEN]).all()


@pytest.mark.parametrize("where", [slice(None), 3, 7], ids=["all", "label", "another"])
def test_a_margin_of_nan_is_nan(where):
    found = np.asarray(jax.jit(lambda x: Margin()(half_broken(x, jnp.nan, where), 3))(IMAGES))
    assert np.isnan(found[BROKEN]).all()
    assert np.isfinite(found[~BROKEN]).all()


def test_logits_that_are_whole_give_what_scipy_gives():
    logits = RANDOM.normal(scale=30, size=(50, 7)).astype(np.float32)
    logits[:10, 2] = -np.inf
    ours, logarithms = softmax(jnp.asarray(logits)), log_softmax(jnp.asarray(logits))
    np.testing.assert_allclose(ours, special.softmax(logits, -1), rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(logarithms, special.log_softmax(logits, -1), rtol=1e-5)
    assert np.isnan(softmax(jnp.full((2, 3), -jnp.inf))).all()
    assert softmax(jnp.ones((2, 4), jnp.bfloat16)).dtype == jnp.float32


@pytest.mark.parametrize("scale", [1, 30])
def test_the_gradient_of_one_class_is_that_of_the_softmax(scale):
    logits = scale * RANDOM.normal(size=(6, 10))
    own = np.eye(10)[4] - special.softmax(logits, -1)
    own[:, 4] = special.softmax(logits, -1)[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]].sum(-1)
    found = jax.grad(lambda z: log_softmax_of(z, 4).sum())(jnp.asarray(logits, jnp.float32))
    np.testing.assert_allclose(found, own, rtol=2e-4, atol=1e-12)
