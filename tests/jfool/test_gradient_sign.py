"""FGSM, BIM, PGD and MI-FGSM: closed forms on linear models, re-statements on a small net."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

import jfool
from jfool.constraints import L1, L2
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    assert_same,
    photos,
    relu,
    softmax,
    weights,
)

KEY = 3
NET = relu(scale=2.0)
TWO = Linear(0.05 * weights(1, SHAPE, 2))  # small, so that no probability is 1 in float32
DIFFERENCE = (TWO.weights[:, 0].astype(float) - TWO.weights[:, 1]).reshape(SHAPE)
CROSS_ENTROPY = jfool.Untargeted(jfool.LogConfidence())


def jobs(images: Any, epsilon: Any, **classes: Any) -> jfool.PerturbationJob:
    given = {name: np.broadcast_to(each, len(images)) for name, each in classes.items()}
    radii = np.broadcast_to(np.float32(epsilon), len(images))
    return jfool.PerturbationJob(np.asarray(images, np.float32), radii, **given)


def run(attack: Any, model: Any, jobs: Any, num_steps: int, **options: Any) -> Any:
    options = {"keep": "last", **options}
    return jfool.run(jax.random.key(KEY), attack, model, jobs, num_steps=num_steps, **options)


def predicted(images: Any) -> np.ndarray:
    return np.stack([NET.by_hand(image)[0].argmax() for image in images])


# --- linear models of two classes ----------------------------------------------------------------

INNER = 0.3 + 0.4 * photos(6, seed=2)  # farther from the box than any epsilon below
LABELS = np.array([0, 1, 0, 1, 0, 1])


def aimed(targeted: bool) -> dict[str, Any]:
    """The same aim, said in both ways."""
    return {"target": 1 - LABELS} if targeted else {"label": LABELS}


def gain(images: Any, start: np.ndarray) -> np.ndarray:
    """By how much the margin of the other class has grown, in float64."""
    moved = (np.asarray(images, float) - start) * DIFFERENCE
    return np.where(LABELS == 0, -1, 1) * moved.sum((1, 2, 3))


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("name", ["FGSM", "PGD"])
def test_in_linf_the_margin_changes_by_epsilon_times_the_l1_norm_of_the_weights(name, targeted):
    objective = jfool.LogConfidence() if targeted else CROSS_ENTROPY
    attack, steps = {
        "FGSM": (jfool.FGSM(SHAPE, 2, objective=objective), 1),
        "PGD": (jfool.PGD(SHAPE, 2, step_size=0.03, objective=objective), 10),
    }[name]
    result = run(attack, TWO, jobs(INNER, 0.1, **aimed(targeted)), steps)
    np.testing.assert_allclose(
        gain(result.images, INNER), np.float32(0.1) * np.abs(DIFFERENCE).sum(), rtol=3e-7
    )


@pytest.mark.parametrize("name", ["FGSM", "PGD"])
def test_where_the_box_is_nearer_every_entry_moves_as_far_as_it_has_room(name):
    images, epsilon = photos(6, seed=3), 0.25
    attack, steps = {
        "FGSM": (jfool.FGSM(SHAPE, 2), 1),
        "PGD": (jfool.PGD(SHAPE, 2, step_size=0.1), 10),
    }[name]
    result = run(attack, TWO, jobs(images, epsilon, label=LABELS), steps)
    rises = (np.where(LABELS == 0, -1, 1)[:, None, None, None] * DIFFERENCE) > 0
    room = np.where(rises, 1 - images, images)
    most = (np.abs(DIFFERENCE) * np.minimum(epsilon, room)).sum((1, 2, 3))
    assert (room < epsilon).mean() > 0.1
    np.testing.assert_allclose(gain(result.images, images), most, rtol=1e-6)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize(("constraint", "order"), [(L2(), 2), (L1(), np.inf)], ids=["L2", "L1"])
def test_in_l2_and_l1_the_margin_changes_by_epsilon_times_the_dual_norm(
    constraint, order, random_start, targeted
):
    epsilon = 0.25
    attack = jfool.PGD(
        SHAPE,
        2,
        step_size=epsilon,
        constraint=constraint,
        objective=jfool.LogConfidence() if targeted else CROSS_ENTROPY,
        random_start=random_start,
    )
    result = run(attack, TWO, jobs(INNER, epsilon, **aimed(targeted)), 30)
    most = epsilon * np.linalg.norm(DIFFERENCE.ravel(), order)
    np.testing.assert_allclose(gain(result.images, INNER), most, rtol=2e-6)


# --- one is another in the degenerate case -------------------------------------------------------

EPSILON = np.float32(0.1)
IMAGES = photos(5, seed=4)
LABELED = predicted(IMAGES)
ON_NET = jobs(IMAGES, EPSILON, label=LABELED)


def test_fgsm_is_one_step_of_bim_and_of_pgd_without_a_random_start():
    fgsm = run(jfool.FGSM(SHAPE, NUM_CLASSES), NET, ON_NET, 1)
    bim = run(jfool.BIM(SHAPE, NUM_CLASSES, step_size=EPSILON), NET, ON_NET, 1)
    pgd = jfool.PGD(SHAPE, NUM_CLASSES, step_size=EPSILON, random_start=False)
    assert_same(fgsm, bim)
    assert_same(fgsm, run(pgd, NET, ON_NET, 1))
    np.testing.assert_array_equal(fgsm.num_gradients, 1)
    np.testing.assert_array_equal(fgsm.num_queries, 0)
    np.testing.assert_allclose(fgsm.distances["linf"], EPSILON, rtol=1e-6)


def test_mifgsm_without_momentum_is_bim_with_a_tenth_of_epsilon():
    size = np.float32(0.1) * EPSILON
    bim = run(jfool.BIM(SHAPE, NUM_CLASSES, step_size=size), NET, ON_NET, 6)
    still = run(jfool.MIFGSM(SHAPE, NUM_CLASSES, momentum=0), NET, ON_NET, 6)
    moving = run(jfool.MIFGSM(SHAPE, NUM_CLASSES), NET, ON_NET, 6)
    assert_same(bim, still)
    assert (bim.images != moving.images).any()


# --- re-statements in NumPy ----------------------------------------------------------------------


def of_cross_entropy(image: np.ndarray, label: int) -> np.ndarray:
    """d(-log p_label)/dx."""
    logits, gradients = NET.by_hand(image)
    return np.tensordot(softmax(logits) - np.eye(NUM_CLASSES)[label], gradients, 1)


def by_hand(start: Any, ascent: Any, size: float, mu: float | None, num_steps: int) -> np.ndarray:
    """Steps of the sign, in float64, in the ball of radius `EPSILON`."""
    start = np.asarray(start, float)
    image, momentum = start, np.zeros_like(start)
    for _ in range(num_steps):
        gradient = ascent(image)
        if mu is not None:
            gradient = momentum = mu * momentum + gradient / np.abs(gradient).sum()
        moved = image + size * np.sign(gradient)
        image = np.clip(np.clip(moved, start - EPSILON, start + EPSILON), 0, 1)
    return image


@pytest.mark.parametrize("mu", [1.0, 0.6])
def test_mifgsm_is_its_formula(mu):
    attack = jfool.MIFGSM(SHAPE, NUM_CLASSES, momentum=mu, relative_step_size=0.3)
    result = run(attack, NET, ON_NET, 7)
    for i, label in enumerate(ON_NET.label):
        wanted = by_hand(IMAGES[i], lambda x, y=label: of_cross_entropy(x, y), 0.3 * EPSILON, mu, 7)
        np.testing.assert_allclose(result.images[i], wanted, rtol=0, atol=1e-6)


def test_bim_goes_down_the_cross_entropy_of_the_least_likely_class():
    target = jfool.least_likely(NET, IMAGES)
    np.testing.assert_array_equal(target, [NET.by_hand(image)[0].argmin() for image in IMAGES])
    attack = jfool.BIM(SHAPE, NUM_CLASSES, objective=jfool.LogConfidence(), step_size=0.03)
    result = run(attack, NET, jobs(IMAGES, EPSILON, target=target), 6)
    for i, label in enumerate(target):
        wanted = by_hand(IMAGES[i], lambda x, y=label: -of_cross_entropy(x, y), 0.03, None, 6)
        np.testing.assert_allclose(result.images[i], wanted, rtol=0, atol=1e-6)


def test_a_margin_of_kappa_is_enough():
    """The CW attack of Madry et al.: beyond kappa the gradient is zero, and nothing moves."""
    kappa = 2.0
    objective = jfool.AtMost(jfool.Untargeted(jfool.Margin()), kappa)
    attack = jfool.BIM(SHAPE, NUM_CLASSES, objective=objective, step_size=0.03)
    result = run(attack, NET, ON_NET, 8)
    ended = []
    for i, label in enumerate(ON_NET.label):

        def ascent(image: np.ndarray, label: int = label) -> np.ndarray:
            logits, gradients = NET.by_hand(image)
            other = np.where(np.arange(NUM_CLASSES) == label, -np.inf, logits).argmax()
            enough = logits[other] - logits[label] > kappa
            return np.where(enough, 0, gradients[other] - gradients[label])

        wanted = by_hand(IMAGES[i], ascent, 0.03, None, 8)
        ended.append((ascent(wanted) == 0).all())
        np.testing.assert_allclose(result.images[i], wanted, rtol=0, atol=1e-6)
    assert any(ended)
    assert not all(ended)


# --- what is kept, and what it counts ------------------------------------------------------------


def test_the_fittest_is_the_best_of_all_images_shown_and_the_last_is_not_shown():
    attack = jfool.BIM(SHAPE, NUM_CLASSES, step_size=0.8)  # so long that it overshoots
    wide = dataclasses.replace(ON_NET, epsilon=np.full(5, 0.8, np.float32))
    last = [run(attack, NET, wide, t) for t in range(5)]
    for t, result in enumerate(last):
        np.testing.assert_array_equal(result.num_gradients, t)
        np.testing.assert_array_equal(result.num_steps, t)
    np.testing.assert_array_equal(last[0].images, IMAGES)
    fittest = run(attack, NET, wide, 4, keep="fittest")
    np.testing.assert_array_equal(fittest.num_gradients, 5)
    np.testing.assert_array_equal(fittest.num_steps, 4)
    path = np.stack([result.images for result in last], axis=1)
    loss = [
        [-np.log(softmax(NET.by_hand(image)[0])[label]) for image in images]
        for images, label in zip(path, wide.label, strict=True)
    ]
    best = np.argmax(loss, axis=1)
    assert (best < 4).any()
    np.testing.assert_array_equal(fittest.images, path[np.arange(5), best])


@pytest.mark.parametrize("keep", ["fittest", "last"])
def test_until_ends_a_job_at_the_first_image_that_is_shown_and_fools(keep):
    """The margin falls by step x ||w||_1, so the step that crosses is known."""
    size = np.float32(0.01)
    margin = (INNER * DIFFERENCE).sum((1, 2, 3))
    labels = np.where(margin > 0, 0, 1)
    needed = np.ceil(np.abs(margin) / (float(size) * np.abs(DIFFERENCE).sum())).astype(int)
    attack = jfool.BIM(SHAPE, 2, step_size=size)
    on_two = jobs(INNER, 0.25, label=labels)
    result = run(attack, TWO, on_two, 24, keep=keep, until=jfool.misclassified())
    assert needed.max() < 24
    assert len(set(needed)) > 2
    assert result.stopped.all()
    assert result.success.all()
    np.testing.assert_array_equal(result.num_gradients, needed + 1)
    np.testing.assert_array_equal(result.num_steps, needed + (keep == "last"))
    np.testing.assert_allclose(result.distances["linf"], needed * size, rtol=1e-5)
    # One gradient less: the last image fools, but nobody knows until it is judged.
    i = int(needed.argmax())
    short = run(attack, TWO, on_two, int(needed[i]), keep="last", until=jfool.misclassified())
    assert short.success[i]
    assert not short.stopped[i]


def test_several_radii_are_one_axis_of_a_grid():
    radii = np.array([0.02, 0.05, 0.1], np.float32)
    grid = jfool.grid(jfool.PerturbationJob, image=IMAGES[:2], epsilon=radii, label=1)
    result = run(jfool.FGSM(SHAPE, NUM_CLASSES), NET, grid, 1)
    np.testing.assert_array_equal(grid.image[:, 0, 0, 0], np.repeat(IMAGES[:2, 0, 0, 0], 3))
    far = np.asarray(result.distances["linf"]).reshape(2, 3)
    np.testing.assert_allclose(far, np.tile(radii, (2, 1)), rtol=1e-6)
