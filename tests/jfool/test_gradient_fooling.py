"""Gradient ascent with the steps and regularizers of Nguyen et al. (2015), against NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage

import jfool
from jfool.regularizers import blur
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    photos,
    primitives,
    softmax,
    task,
    unchecked,
    weights,
)

WEIGHTS = weights(3) * np.float32(0.1)  # so that no class is sure from the start
BASE = photos(1, seed=2)
JOBS = jfool.AscentJob(np.array([1]), BASE)


def run(num_steps=6, **options):
    attack = jfool.GradientFooling(SHAPE, NUM_CLASSES, start=jfool.NearBase(0.0), **options)
    model = Linear(jnp.asarray(WEIGHTS))
    return jfool.run(jax.random.key(0), attack, model, JOBS, num_steps=num_steps)


def gradient(image):
    """Of the softmax probability of class 1, by the closed form for logits image @ WEIGHTS."""
    p = softmax((image.reshape(1, -1) @ WEIGHTS).astype(np.float64))[0]
    return p[1], (p[1] * (WEIGHTS[:, 1] - WEIGHTS @ p)).reshape(SHAPE)


def blurred(image, radius):
    channels = image.transpose(2, 0, 1)
    return np.stack([ndimage.gaussian_filter(c, radius, radius=2) for c in channels], -1)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"decay": 0.1},
        {"decay": 0.01, "blur_radius": 0.4, "blur_every": 2},
        {"blur_radius": 0.7, "small_norm": 30.0, "small_benefit": 20.0},
    ],
    ids=str,
)
def test_steps_are_those_of_the_original_loop(settings):
    early, late = 0.03, 0.05
    ascent = jfool.GradientAscent(early, lambda rate: jfool.confidence_steps(rate, late))
    result = run(ascent=ascent, regularizers=jfool.Regularizers(**settings))
    image, shown, base = BASE[0].astype(np.float64), [], BASE[0]
    for step in range(7):
        p, slope = gradient(image)
        shown.append((p, image))
        distance = image + min(early, late * (1 - p)) / (slope**2).sum() * slope - base
        distance = distance * (1 - settings.get("decay", 0))
        if settings.get("blur_radius") and step % settings.get("blur_every", 1) == 0:
            distance = blurred(distance, settings["blur_radius"])
        norm = np.linalg.norm(distance, axis=-1)
        distance[norm < np.percentile(norm, settings.get("small_norm", 0))] = 0
        benefit = np.abs((slope * distance).sum(-1))
        distance[benefit < np.percentile(benefit, settings.get("small_benefit", 0))] = 0
        image = np.clip(base + distance, 0, 1)
    confidence, best = max(shown, key=lambda pair: pair[0])
    np.testing.assert_allclose(result.confidence[0], confidence, rtol=1e-4)
    np.testing.assert_allclose(result.images[0], best, atol=1e-4)


def test_a_step_gains_the_confidence_it_aims_at():
    ascent = jfool.GradientAscent(0.01, jfool.confidence_steps)
    gains = np.diff([float(run(t, ascent=ascent).confidence[0]) for t in range(5)])
    np.testing.assert_allclose(gains, 0.01, atol=0.001)


def test_where_the_gradient_is_zero_the_image_stays():
    update, _ = jfool.confidence_steps(0.02).update(
        jnp.zeros(SHAPE), optax.EmptyState(), value=jnp.float32(-0.1)
    )
    np.testing.assert_array_equal(update, 0)


def step_primitives(regularizers):
    """What one step of the ascent is made of, the model left out."""

    def differentiate(image):
        return image.sum(), image, jnp.zeros(NUM_CLASSES)

    def step(regularizers, image):
        ascent = jfool.GradientAscent(0.1, optax.sgd)
        job = jax.tree.map(lambda leaf: leaf[0], JOBS)
        parts = {"penalty": regularizers, "start": lambda key, _: image}
        goal = task(None, NUM_CLASSES, differentiate, job=job, objective=jfool.Logit(), **parts)
        key = jax.random.key(0)
        return ascent.step(key, goal, ascent.init(key, goal))

    jaxpr = jax.make_jaxpr(step)(regularizers, jnp.asarray(BASE[0])).jaxpr
    return set().union(*map(primitives, jaxpr.eqns))


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ({}, ""),
        ({"decay": 0.1}, ""),
        ({"blur_radius": 0.3}, "concatenate dot_general exp"),
        ({"blur_radius": 0.3, "blur_every": 2}, "concatenate dot_general exp rem"),
        ({"small_norm": 20.0}, "sort sqrt"),
        ({"small_benefit": 20.0}, "sort"),
    ],
    ids=str,
)
def test_a_regularizer_that_is_absent_costs_nothing(settings, there):
    costly = {"sort", "concatenate", "dot_general", "rem", "sqrt", "exp"}
    assert costly & step_primitives(jfool.Regularizers(**settings)) == set(there.split())


@pytest.mark.parametrize("settings", [{"decay": 0.1}, {"blur_radius": 0.4}, {"small_norm": 30.0}])
def test_a_number_of_no_effect_leaves_the_bits_as_they_are(settings):
    """Absent regularizers change nothing beside others."""
    none = {"decay": 0.0, "blur_radius": 0.0, "small_norm": 0.0, "small_benefit": 0.0}
    moved, slope = (jnp.asarray(photos(1, seed=seed)[0]) for seed in (5, 6))
    job = jax.tree.map(lambda leaf: leaf[0], JOBS)
    alone, beside = (
        jfool.Regularizers(**given).land(job, moved, slope, moved, jnp.int32(0))
        for given in (settings, none | settings)
    )
    np.testing.assert_array_equal(alone, beside)
    assert (alone != moved).any()


@pytest.mark.parametrize("radius", [0.3, 0.4, 1.0])
def test_the_blur_is_scipys(radius):
    image = photos(1, seed=4)[0]
    np.testing.assert_allclose(
        blur(jnp.asarray(image), radius, 2), blurred(image, radius), atol=1e-6
    )
    np.testing.assert_array_equal(blur(jnp.asarray(image), 0.0, 2), image)


def test_any_optimizer_and_the_logit_will_do():
    result = run(40, ascent=jfool.GradientAscent(0.05, optax.adam), objective=jfool.Logit())
    assert result.success.all()
    logit = (np.asarray(result.images[0]).ravel() @ WEIGHTS)[1]
    highest = np.where(WEIGHTS[:, 1] > 0, WEIGHTS[:, 1], 0).sum()  # white where it helps
    assert logit == pytest.approx(highest, rel=0.05)


def test_starts_are_the_base_and_noise_or_uniform():
    base = jnp.full((60, 60, 3), 0.5)
    near = jfool.NearBase()(jax.random.key(0), base)
    assert float((near - base).std()) == pytest.approx(1 / 255, rel=0.05)
    spread = jfool.Uniform()(jax.random.key(0), base)
    assert float(spread.std()) == pytest.approx(12**-0.5, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 1.5}, r"decay: expected None or a number in \[0, 1\], got 1\.5"),
        ({"blur_radius": -1.0}, "blur_radius: expected None or a number >= 0"),
        (
            {"blur_radius": 0.3, "blur_every": 0},
            "blur_every: expected None or a whole number of at least 1, got 0",
        ),
        ({"small_norm": 100.0}, r"small_norm: expected None or a percentile in \[0, 100\)"),
        ({"small_benefit": -1.0}, "small_benefit: expected None or a percentile"),
        (
            {"blur_radius": 0.3, "blur_every": 1.5},
            "regularizers.blur_every: expected None or a whole number",
        ),
        ({"blur_every": 2}, "regularizers.blur_every: expected a blur_radius beside it, got none"),
        ({"reach": 0}, "regularizers.reach: expected at least 1 pixel"),
    ],
    ids=str,
)
def test_regularizers_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        run(regularizers=jfool.Regularizers(**settings))


RATE = 0.02


@pytest.mark.parametrize(
    ("part", "make", "message"),
    [
        ("start", lambda: jfool.NearBase(np.nan), r"start\.noise: expected .* 0, got nan"),
        ("start", lambda: jfool.NearBase(-1.0), r"start\.noise: expected a number of at least 0"),
        ("start", lambda: jfool.Uniform, "start: expected one such as .* got <class"),
        ("start", lambda: None, "start: expected one such as .* got None"),
        ("ascent", lambda: None, "ascent: expected one such as .* got None"),
        ("ascent", lambda: optax.adam(0.1), "ascent: expected one such as"),
        ("ascent", lambda: jfool.GradientAscent(np.nan), r"ascent\.step_size: expected a pos"),
        ("ascent", lambda: jfool.GradientAscent(-0.1), r"ascent\.step_size: expected a pos"),
        ("ascent", lambda: jfool.GradientAscent("a"), r"ascent\.step_size: expected a pos"),
        ("ascent", lambda: jfool.GradientAscent(np.ones(2)), r"ascent\.step_size: expected a pos"),
        ("ascent", lambda: jfool.GradientAscent(0.1, None), r"ascent\.optimizer: expected a func"),
        (
            "ascent",
            lambda: jfool.GradientAscent(0.1, optax.adam(0.1)),
            r"ascent\.optimizer: expected a function",
        ),
        (
            "ascent",
            lambda: jfool.GradientAscent(RATE, lambda rate: jfool.confidence_steps(rate, np.nan)),
            "late: expected a positive number, got nan",
        ),
        ("regularizers", lambda: jfool.Regularizers, "regularizers: expected one such as"),
        ("encoding", lambda: None, "encoding: expected one such as"),
        ("objective", lambda: jfool.Confidence, "objective: expected one such as"),
        ("num_classes", lambda: 4.0, r"num_classes: expected a whole number .* got 4\.0"),
        ("num_classes", lambda: 0, "num_classes: expected a whole number of at least 1, got 0"),
        ("image_shape", lambda: SHAPE[:2], "image_shape: expected"),
    ],
)
def test_parts_that_cannot_work_are_refused(part, make, message):
    attack = jfool.GradientFooling(SHAPE, NUM_CLASSES)
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        dataclasses.replace(attack, **{part: make()}).check(JOBS)


@pytest.mark.parametrize(
    "optimizer", [jfool.confidence_steps, lambda rate: jfool.confidence_steps(rate, 0.1)]
)
def test_steps_that_aim_at_confidence_are_refused_for_logits(optimizer):
    """By whatever function they are made."""
    ascent = jfool.GradientAscent(RATE, optimizer)
    with pytest.raises(ValueError, match="ascent: expected an optax optimizer"):
        run(ascent=ascent, objective=jfool.Logit())


def test_jobs_of_another_attack_are_refused():
    attack = jfool.GradientFooling(SHAPE, NUM_CLASSES)
    jobs = jfool.SparseJob(base=np.zeros((1, 3), np.float32), target=np.array([1]), k=np.array([1]))
    with pytest.raises(TypeError, match=r"jobs: expected jfool\.AscentJob, got SparseJob"):
        attack.check(jobs)


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        (jfool.AscentJob(np.array([9]), BASE), "jobs.target: expected classes 0 to 3, got 9 to 9"),
        (jfool.AscentJob(np.array([1]), BASE[:, :2]), "jobs.base: expected floats"),
        (jfool.AscentJob(np.array([1]), BASE + 1), r"jobs.base: expected values in \[0, 1\]"),
    ],
    ids=str,
)
def test_jobs_that_cannot_work_are_refused(jobs, message):
    attack = jfool.GradientFooling(SHAPE, NUM_CLASSES)
    with pytest.raises(ValueError, match=message):
        jfool.run(jax.random.key(0), attack, Linear(jnp.asarray(WEIGHTS)), jobs, num_steps=1)
    with pytest.raises(TypeError, match="objective: expected a targeted one"):
        jfool.GradientFooling(SHAPE, NUM_CLASSES, objective=jfool.Untargeted()).check(JOBS)
    with pytest.raises(ValueError, match="ascent: expected an optax optimizer"):
        jfool.GradientFooling(SHAPE, NUM_CLASSES, objective=jfool.Logit()).check(JOBS)
