"""The theorems for one class of several: between bounds, and with two classes the paper's."""

import itertools

import jax
import numpy as np
import pytest

import jfool
from jfool import theory
from tests.jfool.test_theory import images_of, whole

D, K = 5, 3


def softmax(y):
    e = np.exp(y - y.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_with_two_classes_they_are_the_papers():
    rng = np.random.default_rng(0)
    for _ in range(5):
        W, U, V = whole(rng, 2, D), whole(rng, 4, D), whole(rng, 2, 4)
        Q = whole(rng, 2, D, D)
        for label, other in ((0, 1), (1, 0)):
            linear = theory.linear_among(W, label, r=-1.0, R=2.0)
            assert np.array_equal(
                linear.bound, theory.linear(W[label] - W[other], r=-1.0, R=2.0).bound
            )
            hidden = theory.hidden_layer_among(U, V, label, R=2.0)
            assert np.array_equal(
                hidden.bound, theory.hidden_layer(U, V[label] - V[other], R=2.0).bound
            )
            kernel = theory.polynomial_among(Q, label, R=2.0)
            assert np.array_equal(kernel.bound, theory.polynomial(Q[label] - Q[other], R=2.0).bound)


@pytest.mark.parametrize("confidence", [0.4, 0.7, 0.9, 0.99])
def test_the_fewest_pixels_of_a_linear_model_lie_between_the_bounds(confidence):
    rng = np.random.default_rng(int(100 * confidence))
    W = whole(rng, 300, K, D)
    bounds = jax.jit(
        jax.vmap(lambda W, c: theory.linear_bounds_on_k(W, c, confidence), in_axes=(0, None))
    )
    images, k = images_of(D, 0.0, 1.0)
    tight = 0
    for label in range(K):
        lower, upper = (np.asarray(bound) for bound in bounds(W, label))
        reached = softmax(np.einsum("ncd,sd->nsc", W, images))[..., label] >= confidence
        for i in range(len(W)):
            fewest = k[reached[i]].min(initial=D + 1)
            assert fewest >= (lower[i] if lower[i] >= 0 else D + 1)
            assert fewest <= (upper[i] if upper[i] >= 0 else D + 1)
            tight += lower[i] == upper[i]
    assert tight > 0.6 * K * len(W)


def test_each_necessary_condition_is_needed():
    """One other class close by decides, or all of them together; ln 9 = 2.2, ln 90 = 4.5."""
    half = np.array([1, 1, 1, 1, -1, -1, -1, -1], np.float32)  # no color is of any use
    close = np.stack([half, 0 * half, -9 * half])
    assert int(theory.linear_bounds_on_k(close, 0, 0.9)[0]) == 3
    equal = np.concatenate([2.5 * half[None], np.zeros((10, 8), np.float32)])
    assert int(theory.linear_bounds_on_k(equal, 0, 0.9)[0]) == 2  # 2.5 < ln 90 < 5
    white = abs(equal)
    assert int(theory.linear_bounds_on_k(white, 0, 0.9)[0]) == 0
    assert int(theory.linear_bounds_on_k(-white, 0, 0.9)[0]) == -1


def test_certificates_shown_to_the_models_have_the_predicted_confidence():
    rng = np.random.default_rng(1)
    W, U, V = rng.normal(size=(K, 9)), rng.normal(size=(6, 9)), rng.normal(size=(K, 6))
    x, s = rng.normal(size=(7, 9)), rng.normal(size=(K, 7))
    Q = jax.jit(jax.vmap(theory.quadratic_form, (0, None)))(*(v.astype(np.float32) for v in (s, x)))
    models = [
        (lambda c: theory.linear_among(W, c, R=0.5), lambda z: W @ z),
        (lambda c: theory.hidden_layer_among(U, V, c, R=0.5), lambda z: V @ np.maximum(U @ z, 0)),
        (lambda c: theory.polynomial_among(Q, c, R=0.5), lambda z: s @ (x @ z) ** 2),
    ]
    models = [(jax.jit(among), logits) for among, logits in models]
    for (among, logits), label in itertools.product(models, range(K)):
        sfis = among(label)
        assert (np.diff(sfis.bound) >= 0).all()
        for k in range(10):
            image = np.asarray(sfis.image(k), np.float64)
            predicted = softmax(logits(image))[label]
            assert predicted == pytest.approx(float(sfis.confidence(k)), rel=1e-5)
            assert 9 - max((image == 0).sum(), (image == 0.5).sum()) <= k


def test_they_can_be_vmapped_over_classes():
    W = whole(np.random.default_rng(2), K, D)
    one = jax.jit(lambda c: theory.linear_among(W, c, 4))
    together = jax.jit(jax.vmap(one))(np.arange(K, dtype=np.int32))
    for label in range(K):
        alone = one(label)
        assert np.array_equal(together.log_odds[label], alone.log_odds)
        assert np.array_equal(together.bound[label], alone.bound)
        assert np.array_equal(together.confidence(3)[label], alone.confidence(3))
        assert np.array_equal(together.image(3)[label], alone.image(3))
        for confidence in (0.3, 0.6, 0.9):
            assert together.smallest_k(confidence)[label] == alone.smallest_k(confidence)


def test_confidences_next_to_0_and_1_have_finite_odds():
    for confidence, odds in ((1 - 1e-8, 18.42068), (1e-50, -115.12925)):
        assert float(theory.log_odds_of(confidence)) == pytest.approx(odds, rel=1e-6)
    assert int(theory.linear(10 * ones(4)).smallest_k(1 - 1e-8)) == 0


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_the_smallest_gap_decides_up_to_the_number_of_classes(num_classes):
    rng = np.random.default_rng(num_classes)
    logits = rng.normal(scale=4, size=(2000, num_classes)).astype(np.float32)
    gap = np.asarray(jfool.Margin()(jax.numpy.asarray(logits), 0))
    for confidence in (0.3, 0.9):
        reached = softmax(logits.astype(np.float64))[:, 0] >= confidence
        necessary = float(theory.necessary_gap(confidence))
        sufficient = float(theory.sufficient_gap(confidence, num_classes))
        assert (gap[reached] >= necessary).all()
        assert reached[gap >= sufficient + 1e-6].all()
        odds = np.log(confidence / (1 - confidence))
        assert necessary == pytest.approx(odds, rel=1e-5)
        assert sufficient == pytest.approx(np.log(num_classes - 1) + odds, rel=1e-5)


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.linear(ones(2, 3)), r"delta_w: expected an array \[D\], got \[2, 3\]"),
        (lambda: theory.linear(ones(3), 4), "max_k: expected 1 to the 3 pixels, got 4"),
        (lambda: theory.linear(ones(3), 0), "max_k: expected 1 to the 3 pixels, got 0"),
        (lambda: theory.linear(ones(3), r=1.0), "R: expected a number above r = 1.0, got 1.0"),
        (lambda: theory.linear(ones(3), R=np.nan), "R: expected a number above r = 0.0, got nan"),
        (lambda: theory.hidden_layer(ones(3), ones(3)), r"U: expected an array \[D_h, D\]"),
        (lambda: theory.hidden_layer(ones(2, 3), ones(3)), "delta_v: expected the 2 hidden units"),
        (lambda: theory.hidden_layer(ones(2, 3), ones(2), R=0.0), "R: expected a number above"),
        (lambda: theory.polynomial(ones(2, 3)), r"Q: expected a square matrix, got \[2, 3\]"),
        (lambda: theory.polynomial_among(ones(2, 2, 3), 0), "Q: expected square matrices, got"),
        (lambda: theory.quadratic_form(ones(2), ones(3, 4)), "s: expected the 3 data of x, got 2"),
        (lambda: theory.form_of_features(ones(5), 3), "t: expected 6 entries for 3 pixels, got 5"),
        (lambda: theory.pair_index(2, 1, 4), "i: expected 0 <= i < j < 4, got"),
        (lambda: theory.linear_among(ones(1, 3), 0), "W: expected at least 2 classes, got 1"),
        (lambda: theory.linear_among(ones(2, 3), 2), "target: expected a class from 0 to 1, got 2"),
        (lambda: theory.linear_bounds_on_k(ones(2, 3), -1, 0.9), "target: expected a class from 0"),
        (lambda: theory.hidden_layer_among(ones(2, 3), ones(2, 4), 0), "V: expected the 2 hidden"),
        (lambda: theory.linear(ones(3)).smallest_k(1.0), r"confidence: expected a number in \(0, "),
        (lambda: theory.linear(ones(3)).image(4), "k: expected 0 to 3, got 4"),
        (lambda: theory.linear(ones(3)).confidence(-1), "k: expected 0 to 3, got -1"),
        (
            lambda: theory.linear(ones(3)).image(np.arange(2)),
            r"k: expected 0 to 3, got array\(\[0, 1\]\)",
        ),
        (lambda: theory.linear(np.inf * ones(3)), "delta_w: expected finite numbers, got NaN"),
        (lambda: theory.linear(np.array(["a"])), "delta_w: expected real numbers, got <U1"),
        (lambda: theory.polynomial(np.nan * ones(2, 2)), "Q: expected finite numbers, got NaN"),
        (lambda: theory.linear_among(np.nan * ones(2, 2), 0), "W: expected finite numbers, got"),
        (lambda: theory.linear_among(ones(2, 2), 1.5), "target: expected a class .*, got 1.5"),
        (
            lambda: theory.log_odds(jax.numpy.ones(10), 12),
            "target: expected a class from 0 to 9, got 12",
        ),
        (lambda: theory.sufficient_gap(0.9, 1), "num_classes: expected at least 2 classes, got 1"),
    ],
)
def test_what_cannot_work_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
