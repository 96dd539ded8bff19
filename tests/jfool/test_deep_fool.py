"""DeepFool: exact distances on linear models, and its algorithm 2 in NumPy on a small net."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import jfool
from jfool.base import pytree
from jfool.constraints import L2, Linf
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, photos, relu, weights

INNER = 0.3 + 0.4 * photos(8, seed=2)
FLAT = Linear(weights(5) * np.array([0.25, 0.5, 1, 2], np.float32))
NET = relu(6, scale=2.0)
NORMS = {"L2": (L2(), 2), "Linf": (Linf(), 1)}  # with the dual norm


def run(attack: Any, model: Any, images: Any, labels: Any, num_steps: int = 30) -> Any:
    jobs = jfool.PerturbationJob(np.asarray(images, np.float32), None, np.asarray(labels))
    return jfool.run(jax.random.key(0), attack, model, jobs, num_steps=num_steps)


def predicted(model: Any, images: Any) -> np.ndarray:
    return np.asarray(model(jnp.asarray(images, jnp.float32))).argmax(1)


@pytest.mark.parametrize("name", NORMS)
def test_on_a_linear_model_it_ends_at_the_nearest_boundary_and_the_overshoot(name):
    norm, dual = NORMS[name]
    images, labels = INNER, predicted(FLAT, INNER)
    result = run(jfool.DeepFool(SHAPE, NUM_CLASSES, norm=norm), FLAT, images, labels)
    logits = images.reshape(8, -1).astype(np.float64) @ FLAT.weights
    nearest_is_second = []
    for i, label in enumerate(labels):
        others = np.delete(np.arange(NUM_CLASSES), label)
        slopes = FLAT.weights[:, others].astype(float) - FLAT.weights[:, [label]]
        far = (logits[i, label] - logits[i, others]) / np.linalg.norm(slopes, dual, axis=0)
        wanted = 1.02 * far.min()
        assert result.distances[name.lower()][i] == pytest.approx(wanted, rel=2e-4)
        assert result.prediction[i] == others[far.argmin()]
        nearest_is_second.append(far.argmin() == logits[i, others].argmax())
    assert not all(nearest_is_second)
    assert result.success.all()
    np.testing.assert_array_equal(result.num_gradients, 2 * (NUM_CLASSES - 1))
    np.testing.assert_array_equal(result.num_queries, 0)


def by_hand(image: np.ndarray, label: int, dual: int, num_candidates: int) -> tuple[Any, int]:
    """Algorithm 2 in float64, each image cut to the box; and how many images it looked at."""
    start = np.asarray(image, float)
    image, total = start, np.zeros_like(start)
    for step in range(1, 32):
        logits, gradients = NET.by_hand(image)
        if logits.argmax() != label:
            return image, step
        others = [c for c in np.argsort(-logits) if c != label][:num_candidates]
        f = logits[others] - logits[label]
        w = gradients[others] - gradients[label]
        w = np.where(((image == 0) & (w < 0)) | ((image == 1) & (w > 0)), 0, w)
        lengths = np.linalg.norm(w.reshape(len(w), -1), dual, axis=1)
        nearest = np.argmin(np.abs(f) / lengths)
        if dual == 2:
            total = total + np.abs(f[nearest]) / lengths[nearest] ** 2 * w[nearest]
        else:
            total = total + np.abs(f[nearest]) / lengths[nearest] * np.sign(w[nearest])
        total = np.clip(total, -start, 1 - start)
        image = np.clip(start + 1.02 * total, 0, 1)
    return image, 31


@pytest.mark.parametrize(("name", "num_candidates"), [("L2", 9), ("Linf", 9), ("L2", 2)])
def test_on_a_net_it_is_algorithm_2_inside_the_box(name, num_candidates):
    """With 9 there are more candidates than classes, with 2 fewer."""
    norm, dual = NORMS[name]
    images = photos(12, seed=9)
    labels = predicted(NET, images)
    attack = jfool.DeepFool(SHAPE, NUM_CLASSES, norm=norm, num_candidates=num_candidates)
    result = run(attack, NET, images, labels)
    looks = []
    for i, label in enumerate(labels):
        wanted, looked = by_hand(images[i], label, dual, num_candidates)
        looks.append(looked)
        np.testing.assert_allclose(result.images[i], wanted, rtol=0, atol=2e-5)
    found = np.asarray(looks) < 31
    assert found.any()
    assert max(np.asarray(looks)[found]) > 2  # more steps than a linear model takes
    np.testing.assert_array_equal(result.success, found)
    each = min(num_candidates, NUM_CLASSES - 1)
    np.testing.assert_array_equal(result.num_gradients, each * np.asarray(looks))
    assert ((result.images == 0) | (result.images == 1)).any()
    assert ((result.images >= 0) & (result.images <= 1)).all()


@pytest.mark.parametrize("name", NORMS)
def test_where_the_box_is_in_the_way_the_boundary_is_crossed_all_the_same(name):
    """Two classes of a linear model; the nearest image of the other class is found by bisection."""
    model = Linear(weights(1, SHAPE, 2))
    images = photos(12, seed=4)
    images = np.where(images < 0.4, 0, np.where(images > 0.6, 1, images)).astype(np.float32)
    labels = predicted(model, images)
    attack = jfool.DeepFool(SHAPE, 2, norm=NORMS[name][0])
    result = run(attack, model, images, labels)
    assert result.success.all()
    w = (model.weights[:, 0].astype(float) - model.weights[:, 1]).reshape(SHAPE)
    order = {"L2": 2, "Linf": np.inf}[name]
    for i, image in enumerate(images.astype(float)):
        away = -np.sign((image * w).sum()) * (w if name == "L2" else np.sign(w))

        def end(scale: float, image: Any = image, away: Any = away) -> np.ndarray:
            return np.clip(image + scale * away, 0, 1)

        def left(scale: float, image: Any = image, end: Any = end) -> float:
            return (end(scale) * w).sum() * np.sign((image * w).sum())

        least = np.linalg.norm((end(brentq(left, 0, 10)) - image).ravel(), order)
        far = float(result.distances[name.lower()][i])
        assert least * 0.9999 < far < 1.05 * least


def test_an_image_that_was_wrong_before_is_unchanged_and_no_success():
    labels = (predicted(NET, INNER) + 1) % NUM_CLASSES
    result = run(jfool.DeepFool(SHAPE, NUM_CLASSES), NET, INNER, labels)
    np.testing.assert_array_equal(result.images, INNER)
    assert not result.success.any()
    np.testing.assert_array_equal(result.num_gradients, NUM_CLASSES - 1)
    np.testing.assert_array_equal(result.clean_prediction, predicted(NET, INNER))


def test_without_a_gradient_it_stays_where_it_is():
    constant = Linear(np.zeros((60, NUM_CLASSES), np.float32))
    result = run(jfool.DeepFool(SHAPE, NUM_CLASSES), constant, INNER, np.zeros(8, int), 3)
    np.testing.assert_array_equal(result.images, INNER)
    assert not result.success.any()


@pytree
class Short:
    """A linear model whose logits are bfloat16."""

    weights: Any

    def __call__(self, images):
        return (images.reshape(len(images), -1) @ self.weights).astype(jnp.bfloat16)


def test_logits_may_be_bfloat16():
    model = Short(jnp.asarray(weights()) * jnp.float32(0.2))
    images = jnp.asarray(photos(4))
    labels = jnp.argmax(model(images), axis=1)
    jobs = jfool.PerturbationJob(images, None, labels)
    attack = jfool.DeepFool(SHAPE, NUM_CLASSES, overshoot=0.5)  # past the coarse steps of logits
    result = jfool.run(jax.random.key(0), attack, model, jobs, num_steps=10)
    assert result.success.sum() >= 3
    assert result.images.dtype == jnp.float32
