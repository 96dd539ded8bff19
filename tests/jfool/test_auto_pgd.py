"""Auto-PGD: its algorithms in NumPy on a small net, step by step, and closed forms."""

import dataclasses
from collections.abc import Callable, Generator
from typing import Any

import jax
import numpy as np
import pytest

import jfool
from tests.jfool.balls import nearest
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    flat,
    photos,
    relu,
    softmax,
    states_of,
    step_keys,
)

NET = relu(scale=2.0)
IMAGES = photos(6, seed=4)
LABELS = np.array([NET.by_hand(image)[0].argmax() for image in IMAGES])
TARGETS = (LABELS + 1) % NUM_CLASSES
BALLS = {"linf": (jfool.Linf(), 0.08), "l2": (jfool.L2(), 0.3), "l1": (jfool.L1(), 2.0)}
Loss = Callable[[np.ndarray, int], tuple[Any, np.ndarray]]

# --- losses and their gradients, by hand ---------------------------------------------------------


def cross_entropy(image: np.ndarray, i: int) -> tuple[Any, np.ndarray]:
    logits, gradients = NET.by_hand(image)
    p = softmax(logits)
    return -np.log(p[LABELS[i]]), np.tensordot(p - np.eye(NUM_CLASSES)[LABELS[i]], gradients, 1)


def quotient(image: np.ndarray, above: np.ndarray, below: np.ndarray) -> tuple[Any, np.ndarray]:
    """Of two linear functions of the logits."""
    logits, gradients = NET.by_hand(image)
    a, b = above @ logits, below @ logits
    return a / b, np.tensordot((above * b - a * below) / b**2, gradients, 1)


def logit_ratio(image: np.ndarray, i: int) -> tuple[Any, np.ndarray]:
    e, y = np.eye(NUM_CLASSES), LABELS[i]
    order = np.argsort(-NET.by_hand(image)[0])
    other = order[0] if order[0] != y else order[1]
    return quotient(image, e[other] - e[y], e[order[0]] - e[order[2]])


def target_logit_ratio(image: np.ndarray, i: int) -> tuple[Any, np.ndarray]:
    e = np.eye(NUM_CLASSES)
    order = np.argsort(-NET.by_hand(image)[0])
    below = e[order[0]] - (e[order[2]] + e[order[3]]) / 2
    return quotient(image, e[TARGETS[i]] - e[LABELS[i]], below)


def fools(image: np.ndarray, i: int) -> bool:
    return NET.by_hand(image)[0].argmax() != LABELS[i]


# --- the searches, by hand; each is sent the image that is shown, and tells the next -------------

Search = Generator[np.ndarray, np.ndarray, None]


def auto_pgd(i: int, ball: str, epsilon: float, loss: Loss, n: int, jumps: list[str]) -> Search:
    """Algorithm 1 of Croce & Hein (2020), for one job; its checkpoints by their times."""
    center = IMAGES[i].astype(float)

    def direction(gradient: np.ndarray) -> np.ndarray:
        return np.sign(gradient) if ball == "linf" else gradient / np.linalg.norm(gradient)

    def project(image: np.ndarray) -> np.ndarray:
        return nearest(ball, image, center, epsilon)

    intervals = [max(22 * n // 100, 1)]
    while sum(intervals) < n:
        shorter = intervals[-1] - max(3 * n // 100, 1)
        intervals.append(max(shorter, 6 * n // 100, 1))
    checkpoints = np.cumsum(intervals)
    shown, losses, gradients = [(yield center)], [], []
    eta, halved, best_then = 2 * epsilon, [True], None
    before = shown[0]
    for t in range(n + 1):
        value, gradient = loss(shown[t], i)
        losses.append(value)
        gradients.append(gradient)
        best = int(np.argmax(losses))
        best_then = losses[0] if t == 0 else best_then
        image, slope = shown[t], gradient
        if t in checkpoints:
            last = intervals[list(checkpoints).index(t)]
            rises = sum(losses[s] > losses[s - 1] for s in range(t - last + 1, t + 1))
            few, same = rises <= 0.75 * last, losses[best] == best_then and not halved[-1]
            halved.append(few or same)
            best_then = losses[best]
            jumps.append("few" if few else "same" if same else "on")
            if halved[-1]:
                eta /= 2
                image, slope = shown[best], gradients[best]
        end = project(image + eta * direction(slope))
        a = 1 if t == 0 else 0.75
        moved = image + a * (end - image) + (1 - a) * (image - before)
        before = image
        shown.append((yield project(moved)))


def sparse_pgd(i: int, _: str, epsilon: float, loss: Loss, n: int, jumps: list[str]) -> Search:
    """Auto-PGD for L1 (Croce & Hein, 2021), in three stages."""
    center = IMAGES[i].astype(float)
    original = IMAGES[i]

    def altered(image: np.ndarray) -> int:
        return int((image != original).sum())

    image = yield center
    for factor, length in ((3, 3 * n // 10), (2, 3 * n // 10), (1, n - 2 * (3 * n // 10))):
        radius = factor * epsilon
        best, best_loss, best_slope = image, -np.inf, None
        count, eta = altered(image), radius
        for t in range(length + 1):
            value, slope = loss(image, i)
            if value > best_loss:
                best, best_loss, best_slope = image, value, slope
            now = image
            if t == length and factor > 1:
                break
            if t > 0 and t % max(4 * length // 100, 1) == 0:
                fewer = altered(best) < 0.95 * count
                jumps.append("fewer" if fewer else "on")
                count, eta = altered(best), radius if fewer else max(eta / 1.5, radius / 10)
                if fewer:
                    now, slope = best, best_slope
            largest = np.argsort(-np.abs(slope).ravel())[: int(np.ceil(count / 1.5))]
            step = np.zeros(slope.size)
            step[largest] = np.sign(slope.ravel()[largest]) / len(largest)
            image = yield nearest("l1", now + eta * step.reshape(SHAPE), center, radius)
        image = yield nearest("l1", best, center, (factor - 1) * epsilon)


CASES = {
    "Linf, cross-entropy": ("linf", jfool.Untargeted(jfool.LogConfidence()), cross_entropy, 100),
    "Linf, targeted ratio": ("linf", jfool.TargetLogitRatio(), target_logit_ratio, 100),
    "L2, cross-entropy": ("l2", jfool.Untargeted(jfool.LogConfidence()), cross_entropy, 100),
    "L2, logit ratio": ("l2", jfool.LogitRatio(), logit_ratio, 60),
    "L1, cross-entropy": ("l1", jfool.Untargeted(jfool.LogConfidence()), cross_entropy, 100),
}


def attack_of(ball: str, objective: Any, n: int) -> jfool.APGD:
    constraint = BALLS[ball][0]
    return jfool.APGD(SHAPE, NUM_CLASSES, constraint=constraint, objective=objective, num_steps=n)


def jobs(ball: str, images: Any = IMAGES, labels: Any = LABELS, scale: float = 1) -> Any:
    epsilon = np.full(len(images), scale * BALLS[ball][1], np.float32)
    return jfool.PerturbationJob(images, epsilon, labels, (labels + 1) % NUM_CLASSES)


@pytest.mark.parametrize("name", CASES)
def test_every_image_is_the_one_that_the_algorithm_shows_next(name):
    ball, objective, loss, n = CASES[name]
    extra = 2 if ball == "l1" else 0
    states = states_of(attack_of(ball, objective, n), NET, jobs(ball), n + 1 + extra)
    near = (
        1e-4 if ball == "l2" else 3e-6
    )  # of two images of nearly the same fitness either is the best
    seen: list[str] = []
    by_hand = sparse_pgd if ball == "l1" else auto_pgd
    epsilon = float(np.float32(BALLS[ball][1]))
    for i in range(len(IMAGES)):
        search = by_hand(i, ball, epsilon, loss, n, seen)
        next(search)
        path = np.asarray(states.image[:, i], float)
        for t in range(n + extra):
            np.testing.assert_allclose(
                path[t + 1], search.send(path[t]), atol=near, err_msg=f"{i, t}"
            )
        # The answer is the last image that fooled the model, else the fittest.
        judged = range(2 * (3 * n // 10 + 1) if extra else 0, n + 1 + extra)
        fooling = [t for t in judged if fools(path[t], i)]
        fittest = max(judged, key=lambda t: loss(path[t], i)[0])
        last = fooling[-1] if fooling else fittest
        np.testing.assert_allclose(states.answer.image[-1, i], path[last], atol=near)
        assert states.fooled[-1, i] == bool(fooling)
    assert seen.count("fewer" if ball == "l1" else "few") > len(IMAGES)  # the search has gone back


def test_in_l1_the_start_is_normal_noise_in_three_times_the_ball():
    states = states_of(attack_of("l1", *CASES["L1, cross-entropy"][1::2]), NET, jobs("l1"), 103)
    keys = step_keys(len(IMAGES), 1)[0]
    noise = jax.vmap(lambda key: jax.random.normal(key, SHAPE))(keys)
    for i, image in enumerate(IMAGES.astype(float)):
        wanted = nearest("l1", image + np.asarray(noise[i], float), image, 3 * BALLS["l1"][1])
        np.testing.assert_allclose(states.image[0, i], wanted, atol=1e-6)


# --- linear models -------------------------------------------------------------------------------

FLAT, WEIGHTS = flat()


@pytest.mark.parametrize("ball", BALLS)
def test_on_a_linear_model_the_answer_is_the_best_of_the_ball(ball):
    """Of two classes that are far above the others, so that all losses rise with one margin."""
    model = dataclasses.replace(FLAT, second=(FLAT.second / 50).at[:, 2:].set(-0.2))
    slope = (WEIGHTS[..., 1] - WEIGHTS[..., 0]) / 50
    name = {"linf": "Linf, cross-entropy", "l2": "L2, cross-entropy", "l1": "L1, cross-entropy"}[
        ball
    ]
    images = IMAGES if ball != "l2" else 0.3 + 0.4 * IMAGES  # the box is farther than the ball
    epsilon = float(np.float32(BALLS[ball][1]))
    room = np.where(slope > 0, 1 - images, images).astype(float)
    if ball == "linf":
        most = (np.abs(slope) * np.minimum(room, epsilon)).sum((1, 2, 3))
    elif ball == "l2":
        most = np.full(6, epsilon * np.linalg.norm(slope))
    else:  # the steepest entries go as far as the box lets them
        order = np.argsort(-np.abs(slope), axis=None)
        far = np.minimum(np.cumsum(room.reshape(6, -1)[:, order], axis=1), epsilon)
        most = (np.diff(far, prepend=0, axis=1) * np.abs(slope).flat[order]).sum(1)
    extra = 2 if ball == "l1" else 0
    attack = attack_of(ball, *CASES[name][1::2])
    states = states_of(attack, model, jobs(ball, images, np.zeros(6, int)), 101 + extra)
    got = ((np.asarray(states.best.image[-1], float) - images) * slope).sum((1, 2, 3))
    np.testing.assert_allclose(got, most, rtol={"linf": 1e-5, "l2": 1e-3, "l1": 0.02}[ball])
    assert (room < epsilon).any() or ball == "l2"
