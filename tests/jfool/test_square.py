"""Square: its proposals in NumPy, and what every one of them keeps to."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.search.random_search import RandomSearch
from tests.jfool import helpers
from tests.jfool.helpers import NUM_CLASSES, SHAPE, photos, relu, states_of, step_keys

NET = relu(scale=2.0)
IMAGES = photos(4, seed=4)
LABELS = np.array([NET.by_hand(image)[0].argmax() for image in IMAGES])
NUM_STEPS = 60
BALLS = {"linf": (jfool.Linf(), 0.02), "l2": (jfool.L2(), 0.2), "l1": (jfool.L1(), 0.6)}


def walk(ball: str, images: np.ndarray) -> Any:
    constraint, epsilon = BALLS[ball]
    jobs = jfool.PerturbationJob(images, np.full(4, epsilon), LABELS)
    return states_of(jfool.Square(SHAPE, NUM_CLASSES, constraint=constraint), NET, jobs, NUM_STEPS)


def margin(image: np.ndarray, i: int) -> float:
    logits = NET.by_hand(image)[0]
    return np.delete(logits, LABELS[i]).max() - logits[LABELS[i]]


def test_in_linf_every_proposal_flips_a_square_of_the_image_so_far():
    states, keys = walk("linf", IMAGES), step_keys(4, NUM_STEPS)
    epsilon, (height, width, _) = float(np.float32(0.02)), SHAPE
    stripes = np.sign(np.asarray(states.proposal[0]) - IMAGES)
    assert (stripes == stripes[:, :1]).all()
    for t in range(1, NUM_STEPS + 1):  # proposal t - 1, which follows iteration t - 1
        share = 0.8 / 2 ** sum(t - 1 > after for after in (10, 50))
        side = min(max(round(np.sqrt(share * height * width)), 1), height)
        most = jnp.array([height - side + 1, width - side + 1])
        for i in range(4):
            place, sign = jax.random.split(keys[t, i])
            top, left = np.asarray(jax.random.randint(place, (2,), 0, most))
            color = np.asarray(jax.random.rademacher(sign, (1, 1, 3), jnp.float32))
            wanted = np.asarray(states.image[t, i], float)
            wanted[top : top + side, left : left + side] += 2 * epsilon * color[0, 0]
            start = IMAGES[i].astype(float)
            wanted = np.clip(np.clip(wanted, start - epsilon, start + epsilon), 0, 1)
            np.testing.assert_allclose(states.proposal[t, i], wanted, atol=1e-6)


@pytest.mark.parametrize("ball", BALLS)
def test_a_proposal_is_kept_if_it_is_fitter_and_none_leaves_the_ball(ball):
    images = IMAGES if ball == "linf" else 0.3 + 0.4 * IMAGES  # the box is farther than the ball
    states, (_, epsilon) = walk(ball, images), BALLS[ball]
    image, proposal = np.asarray(states.image, float), np.asarray(states.proposal, float)
    delta = (proposal - images).reshape(NUM_STEPS + 1, 4, -1)
    order = {"linf": np.inf, "l2": 2, "l1": 1}[ball]
    far = np.linalg.norm(delta, order, axis=-1)
    assert (far <= epsilon * (1 + 1e-6)).all()
    np.testing.assert_allclose(far, epsilon, rtol=1e-4)  # the whole budget
    if ball == "linf":
        at_box = (proposal == 0) | (proposal == 1)
        assert (at_box | (np.abs(np.abs(proposal - images) - epsilon) < 1e-6)).all()
    assert (np.diff(states.fitness[1:], axis=0) >= 0).all()
    kept = []
    for i in range(4):
        for t in range(1, NUM_STEPS):
            gain = margin(proposal[t, i], i) - margin(image[t, i], i)
            if abs(gain) > 1e-5:
                wanted = proposal[t, i] if gain > 0 else image[t, i]
                np.testing.assert_array_equal(image[t + 1, i], wanted)
                kept.append(gain > 0)
    assert 0.02 < np.mean(kept) < 0.98


@pytree
class Shares(RandomSearch):
    """Proposes the share itself."""

    share: Any = 0.8

    def first(self, key: Any, task: Any) -> Any:
        return jnp.zeros(SHAPE)

    def proposed(self, key: Any, task: Any, image: Any, share: Any) -> Any:
        return jnp.full(SHAPE, share)


def test_the_share_is_halved_after_10_50_200_and_more_steps():
    def score(_: Any) -> Any:
        return jnp.zeros(1), jnp.zeros(NUM_CLASSES)

    job = jfool.PerturbationJob(IMAGES[0], label=0)
    task = helpers.task(
        None, NUM_CLASSES, score, job=job, objective=jfool.Untargeted(jfool.Margin())
    )
    state = Shares().init(jax.random.key(0), task)

    def share(number: Any) -> Any:
        given = type(state)(state.image, state.fitness, state.logits, state.proposal, number)
        return Shares().step(jax.random.key(0), task, given)[0].proposal[0, 0, 0]

    ends = np.array([10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000])
    for late in (0, 1):
        found = jax.vmap(share)(jnp.asarray(ends + late, jnp.int32))
        np.testing.assert_allclose(found, 0.8 / 2.0 ** (np.arange(9) + late), rtol=1e-6)
