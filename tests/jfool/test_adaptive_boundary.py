"""FAB: its algorithm in NumPy on a small net, step by step, and the distances of linear models."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.search import ToTarget
from tests.jfool.balls import to_plane
from tests.jfool.helpers import NUM_CLASSES, SHAPE, flat, photos, relu, states_of, step_keys

NET = relu(scale=2.0)
IMAGES = photos(6, seed=4)
NORMS = {"linf": (jfool.Linf(), np.inf, 1), "l2": (jfool.L2(), 2, 2), "l1": (jfool.L1(), 1, np.inf)}
NUM_STEPS = 30


def predicted(model: Any, images: np.ndarray) -> np.ndarray:
    return np.array([model.by_hand(image)[0].argmax() for image in images])


def fab(ball: str, **options: Any) -> jfool.FAB:
    return jfool.FAB(SHAPE, NUM_CLASSES, constraint=NORMS[ball][0], **options)


def jobs(images: np.ndarray, labels: np.ndarray, epsilon: float = 1.0) -> jfool.PerturbationJob:
    targets = (labels + 1) % NUM_CLASSES
    return jfool.PerturbationJob(images, np.full(len(images), epsilon), labels, targets)


def stepped(
    ball: str, image: np.ndarray, start: np.ndarray, label: int, classes: list[int]
) -> tuple[np.ndarray, float]:
    """One iteration, in float64, before it goes back; and by what margin it fools."""
    _, order, dual = NORMS[ball]
    logits, gradients = NET.by_hand(image)

    def length(k: int) -> float:
        slope = np.linalg.norm((gradients[k] - gradients[label]).ravel(), dual)
        return abs(logits[k] - logits[label]) / slope

    nearest = min(classes, key=length)
    w = gradients[nearest] - gradients[label]
    b = (w * image).sum() - (logits[nearest] - logits[label])
    d1 = to_plane(ball, image, w, b - (w * image).sum())
    d2 = to_plane(ball, start, w, b - (w * start).sum())
    first, second = (np.linalg.norm(d.ravel(), order) for d in (d1, d2))
    a = min(first / (first + second), 0.1)
    end = np.clip((image + 1.05 * d1) * (1 - a) + (start + 1.05 * d2) * a, 0, 1)
    logits = NET.by_hand(end)[0]
    return end, np.delete(logits, label).max() - logits[label]


@pytest.mark.parametrize(
    ("ball", "boundaries"),
    [("linf", "all"), ("l2", "all"), ("l1", "all"), ("l2", "target")],
)
def test_every_image_is_the_one_that_the_algorithm_goes_to_next(ball, boundaries):
    labels, order = predicted(NET, IMAGES), NORMS[ball][1]
    options = {"boundaries": ToTarget()} if boundaries == "target" else {}
    states = states_of(fab(ball, **options), NET, jobs(IMAGES, labels), NUM_STEPS)
    seen = []
    for i, label in enumerate(labels):
        others = [k for k in range(NUM_CLASSES) if k != label]
        classes = others if boundaries == "all" else [(label + 1) % NUM_CLASSES]
        start = IMAGES[i].astype(float)
        path = np.asarray(states.image[:, i], float)
        np.testing.assert_array_equal(path[0], start)
        for t in range(NUM_STEPS):
            end, margin = stepped(ball, path[t], start, label, classes)
            if abs(margin) < 1e-5:  # float32 may say either
                continue
            fools = margin > 0
            far = np.linalg.norm((end - start).ravel(), order)
            before, after = (float(states.distance[s, i]) for s in (t, t + 1))
            if fools and far < before - 3e-6:
                np.testing.assert_allclose(states.best[t + 1, i], end, atol=3e-6)
            assert after == pytest.approx(min(before, far) if fools else before, abs=3e-6)
            back = start + 0.9 * (end - start) if fools else end
            np.testing.assert_allclose(path[t + 1], back, atol=3e-6, err_msg=f"{i, t}")
            seen.append(fools)
    assert len(seen) > 3 * NUM_STEPS
    assert 0.2 < np.mean(seen) < 0.98


def distances(model: Any, weights: np.ndarray, ball: str, images: np.ndarray) -> np.ndarray:
    """Of the nearest boundary of a linear model inside the box."""
    found = []
    for image, label in zip(images.astype(float), predicted(model, images), strict=True):
        logits = (image[..., None] * weights).sum((0, 1, 2))
        steps = [
            to_plane(ball, image, weights[..., k] - weights[..., label], logits[label] - logits[k])
            for k in range(NUM_CLASSES)
        ]
        far = [np.linalg.norm(step.ravel(), NORMS[ball][1]) for step in steps]
        found.append(min(far[k] for k in range(NUM_CLASSES) if k != label))
    return np.array(found)


@pytest.mark.parametrize("num_classes", [2, NUM_CLASSES])
@pytest.mark.parametrize("ball", NORMS)
def test_on_a_linear_model_it_ends_within_one_percent_of_the_nearest_boundary(ball, num_classes):
    model, weights = flat(3)
    if num_classes == 2:  # the others are too low to count
        model = dataclasses.replace(model, second=model.second.at[:, 2:].set(-20))
        weights = np.asarray(model.first, float) @ np.asarray(model.second, float)
        weights = weights.reshape(*SHAPE, NUM_CLASSES)
    images = photos(6, seed=7)
    labels, wanted = predicted(model, images), distances(model, weights, ball, images)
    states = states_of(fab(ball), model, jobs(images, labels), NUM_STEPS)
    far = np.asarray(states.distance[-1], float)
    assert (far > wanted).all()
    np.testing.assert_allclose(far, wanted, rtol=0.01)
    best = np.asarray(states.best[-1])
    assert ((best == 0) | (best == 1)).any((1, 2, 3)).any() or ball == "l2"
    assert (predicted(model, best) != labels).all()


def test_a_random_start_is_half_way_to_a_random_image_of_the_ball():
    start = jax.tree.map(jnp.asarray, jobs(IMAGES, predicted(NET, IMAGES), 0.2))
    keys = step_keys(6, 1)[0]
    found = jax.vmap(fab("linf", random_start=True).init)(keys, start).image
    far = np.abs(np.asarray(found) - IMAGES)
    assert 0.09 < far.max() <= 0.1 + 1e-6
    assert (far.reshape(6, -1).mean(1) > 0.02).all()


def test_a_run_ends_inside_the_radius_and_not_before():
    """What fools the model farther away is no answer yet."""
    labels = predicted(NET, IMAGES)
    nearest = states_of(fab("l2"), NET, jobs(IMAGES, labels), NUM_STEPS).distance
    radius = float(np.median(np.asarray(nearest[-1])))
    given = jobs(IMAGES, labels, radius)
    result = jfool.run(
        jax.random.key(3), fab("l2"), NET, given, num_steps=NUM_STEPS - 1,
        until=jfool.misclassified(),
    )  # fmt: skip
    inside = np.asarray(nearest) <= np.float32(radius)
    np.testing.assert_array_equal(result.success, inside.any(0))
    np.testing.assert_array_equal(result.stopped, inside.any(0))
    first = np.where(inside.any(0), inside.argmax(0), NUM_STEPS)
    np.testing.assert_array_equal(result.num_gradients, 3 * first)
    np.testing.assert_array_equal(result.num_queries, first)
    assert 0 < inside.any(0).sum() < 6
