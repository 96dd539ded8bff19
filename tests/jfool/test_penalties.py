"""Gradient ascent with penalties against closed forms: min 1/2 ||x - a||^2 + lambda penalty."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jfool
from jfool.base import pytree
from jfool.penalties import L1, GroupL1, SmoothL1
from tests.jfool.helpers import task

BASE = np.array([0.5, 0.2, 0.9], np.float32)
WEIGHT = 0.15


@pytree
class Job:
    base: jax.Array
    l1_weight: jax.Array


JOB = Job(jnp.asarray(BASE), jnp.float32(WEIGHT))


def wanted_image() -> np.ndarray:
    """Some pixels near the base, some far, some outside [0, 1]."""
    rng = np.random.default_rng(0)
    image = BASE + rng.normal(0, 0.4, (6, 5, 3))
    image[0] = BASE + rng.normal(0, 0.05, (5, 3))
    return image.astype(np.float32)


def climbing(penalty, differentiate, shape, start=BASE):
    def begin(key, image):
        del key
        return jnp.broadcast_to(jnp.asarray(start, jnp.float32), image.shape)

    parts = {"penalty": penalty, "image_shape": shape, "start": begin}
    return task(None, 2, differentiate, job=JOB, objective=jfool.Confidence(), **parts)


def climb(penalty, ascent, steps=400, start=BASE):
    wanted = jnp.asarray(wanted_image())

    def differentiate(image):
        return -0.5 * jnp.square(image - wanted).sum(), wanted - image, jnp.zeros(2)

    goal = climbing(penalty, differentiate, wanted.shape, start)

    def step(state, _):
        state, info = ascent.step(jax.random.key(0), goal, state)
        return state, info.fitness

    first = ascent.init(jax.random.key(0), goal)
    state, fitness = jax.jit(lambda first: jax.lax.scan(step, first, length=steps))(first)
    return np.asarray(state.best), np.asarray(fitness)


def soft(alpha, size):
    """Shrinks alpha by lambda in the norm that `size` gives."""
    return alpha * np.maximum(1 - WEIGHT / np.maximum(size, 1e-9), 0)


def optimum(penalty) -> np.ndarray:
    """Of L1 inside the box; of GroupL1 where the box does not bind."""
    alpha = wanted_image() - BASE
    size = np.abs(alpha) if isinstance(penalty, L1) else np.linalg.norm(alpha, axis=-1)[..., None]
    return np.clip(BASE + soft(alpha, size), 0, 1)


ASCENTS = [
    jfool.GradientAscent(0.3, optax.sgd),
    jfool.GradientAscent(0.01),
    jfool.GradientAscent(0.05, functools.partial(optax.sgd, momentum=0.8)),
]


@pytest.mark.parametrize("ascent", ASCENTS, ids=["sgd", "adam", "momentum"])
@pytest.mark.parametrize("penalty", [L1(), GroupL1()])
def test_it_comes_to_rest_at_the_closed_form_with_its_exact_zeros(penalty, ascent):
    found, _ = climb(penalty, ascent)
    best = optimum(penalty)
    inside = np.ones(best.shape[:2], bool)
    if isinstance(penalty, GroupL1):  # the box couples a pixel's channels
        unclipped = BASE + soft(
            wanted_image() - BASE, np.linalg.norm(wanted_image() - BASE, axis=-1)[..., None]
        )
        inside = ((unclipped >= 0) & (unclipped <= 1)).all(-1)
    np.testing.assert_allclose(found[inside], best[inside], atol=0.02)
    zero = np.broadcast_to(BASE, best.shape) == best
    assert 5 <= zero[inside].sum() < zero[inside].size
    np.testing.assert_array_equal(found[inside][zero[inside]], best[inside][zero[inside]])


@pytest.mark.parametrize("penalty", [L1(), GroupL1()])
def test_pixels_that_start_away_from_the_base_land_on_it_exactly(penalty):
    """From the base, those that belong there never leave it; here their steps must end there."""
    start = np.clip(wanted_image(), 0, 1)
    zero = np.broadcast_to(BASE, start.shape) == optimum(penalty)
    assert zero.sum() >= 15
    assert (start != BASE)[zero].all()
    found, _ = climb(penalty, jfool.GradientAscent(0.3, optax.sgd), start=start)
    np.testing.assert_array_equal(found[zero], np.broadcast_to(BASE, start.shape)[zero])


def test_the_channels_of_a_pixel_are_zero_together_with_groups_only():
    for penalty, together in ((GroupL1(), True), (L1(), False)):
        zero = climb(penalty, ASCENTS[0])[0] == BASE
        assert (zero.all(-1) == zero.any(-1)).all() == together


def test_the_plain_subgradient_never_rests_at_zero():
    found, _ = climb(SmoothL1(), jfool.GradientAscent(0.01))
    assert (found != BASE).all()
    np.testing.assert_allclose(found, optimum(L1()), atol=0.05)


def test_the_best_image_is_kept_while_the_search_moves_on():
    found, fitness = climb(L1(), jfool.GradientAscent(0.5), steps=60)  # jumps about
    assert (np.diff(fitness) >= 0).all()
    penalty = WEIGHT * np.abs(found - BASE).sum()
    by_hand = -0.5 * np.square(found - wanted_image()).sum() - penalty
    np.testing.assert_allclose(fitness[-1], by_hand, rtol=1e-4)


def test_a_nan_gradient_leaves_a_finite_image():
    def broken(image):
        nan = jnp.float32(jnp.nan)
        return nan, jnp.full_like(image, nan), jnp.full(2, nan)

    ascent = jfool.GradientAscent(0.1)
    goal = climbing(L1(), broken, (2, 2, 3))
    state = ascent.init(jax.random.key(0), goal)
    for _ in range(2):
        state, _ = ascent.step(jax.random.key(0), goal, state)
    assert np.isfinite(state.image).all()
    assert np.isfinite(state.best).all()
    assert np.isneginf(state.fitness)
