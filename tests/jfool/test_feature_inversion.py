"""Deep feature inversion on a network whose layers are worked out by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.features import cosine, num_altered, relative_distance, show_features
from jfool.penalties import L1
from tests.jfool.helpers import Linear, assert_same, photos, unchecked

SHAPE, NUM_FEATURES, NUM_CLASSES = (4, 5, 3), 7, 4


@pytree
class TwoLayers:
    """relu(x U) is the inner layer; its logits are linear in it."""

    U: Any
    V: Any

    def __call__(self, images):
        return self.features(images, "hidden") @ self.V

    def features(self, images, layer):
        assert layer == "hidden"
        return jax.nn.relu(images.reshape(len(images), -1) @ self.U)


RNG = np.random.default_rng(1)
MODEL = TwoLayers(
    jnp.asarray(RNG.normal(0.1, 0.5, (60, NUM_FEATURES)), jnp.float32),
    jnp.asarray(RNG.normal(size=(NUM_FEATURES, NUM_CLASSES)), jnp.float32),
)
ORIGINALS = photos(6, seed=3)
WANTED = show_features(MODEL, ORIGINALS, "hidden")
LABELS = np.asarray(MODEL(jnp.asarray(ORIGINALS)).argmax(-1))


def jobs(l1_weight: float, base: float = 0.5) -> jfool.InversionJob:
    count = len(ORIGINALS)
    bases = np.full((count, 3), base, np.float32)
    return jfool.InversionJob(LABELS, bases, WANTED, np.full(count, l1_weight, np.float32))


def attack(**options: Any) -> jfool.FeatureInversion:
    return jfool.FeatureInversion(SHAPE, NUM_CLASSES, layer="hidden", **options)


def invert(l1_weight: float, steps: int = 600, **options: Any):
    return jfool.run(
        jax.random.key(0), attack(**options), MODEL, jobs(l1_weight), num_steps=steps, history=True
    )


def test_without_a_penalty_the_features_become_those_of_the_natural_image():
    result = invert(0.0)
    features = show_features(MODEL, result.images, "hidden")
    assert np.median(relative_distance(features, WANTED)) < 1e-6  # one ends where a ReLU is dead
    assert relative_distance(features, WANTED).max() < 0.02
    assert cosine(jnp.asarray(features), jnp.asarray(WANTED)).min() > 0.99
    np.testing.assert_array_equal(result.prediction, LABELS)


def test_the_fitness_is_equation_1_of_the_image_that_is_returned():
    result = invert(0.01, steps=50)
    images = np.asarray(result.images)
    features = np.maximum(images.reshape(6, -1) @ np.asarray(MODEL.U), 0)
    distance = np.square(features - WANTED).sum(1) / np.square(WANTED).sum(1)
    by_hand = -distance - 0.01 * np.abs(images - 0.5).sum((1, 2, 3))
    np.testing.assert_allclose(result.history.fitness.max(1), by_hand, rtol=1e-3, atol=1e-4)


def test_a_larger_lambda_alters_fewer_pixels_and_ends_with_none():
    counts = [num_altered(invert(w).images, jobs(w).base).mean() for w in (0, 3e-3, 2e-2, 1e3)]
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


def test_more_steps_never_worsen_the_answer():
    history = np.asarray(invert(1e-3, steps=100).history.fitness)
    # XLA may compute what a step tells and what it keeps with different last bits.
    assert (np.diff(history, axis=1) >= -1e-8).all()


def test_another_rate_or_lambda_meets_the_same_compiled_program():
    traces = 0

    @pytree
    class Counted:
        model: Any

        def __call__(self, images):
            nonlocal traces
            traces += 1
            return self.model(images)

        def features(self, images, layer):
            return self.model.features(images, layer)

    def run(rate: float, weight: float) -> int:
        ascent = jfool.GradientAscent(rate)
        model = Counted(MODEL)
        jfool.run(jax.random.key(0), attack(ascent=ascent), model, jobs(weight), num_steps=3)
        return traces

    once = run(0.02, 0.0)
    assert run(0.1, 1e-3) <= once + 1  # the check before it looks at the model's shapes


def test_a_sweep_finds_what_a_run_finds(tmp_path):
    at_once = jfool.run(jax.random.key(0), attack(), MODEL, jobs(1e-3), num_steps=20, chunk=2)
    options = {"num_steps": 20, "lanes": 2, "chunk": 2, "folder": tmp_path / "run"}
    swept = jfool.sweep(jax.random.key(0), attack(), MODEL, jobs(1e-3), **options)
    assert_same(swept.column("genotype"), np.asarray(at_once.images))
    assert swept.column("num_gradients").tolist() == [21] * 6
    np.testing.assert_array_equal(
        swept.images(attack(), jfool.InversionJob), np.asarray(at_once.images)
    )
    other = attack(ascent=jfool.GradientAscent(0.5))
    with pytest.raises(ValueError, match="attack"):
        jfool.sweep(jax.random.key(0), other, MODEL, jobs(1e-3), **options)


def test_altered_pixels_are_counted_in_any_channel_above_the_threshold():
    images = np.zeros((1, 2, 2, 3), np.float32)
    images[0, 0, 0] = (0.3, 0, 0)
    images[0, 1, 1] = (0.31, 0.9, 0.9)
    assert num_altered(images, np.zeros((1, 3))).tolist() == [2]
    assert num_altered(images, np.zeros((1, 3)), 0.3).tolist() == [1]


BAD = {
    "target": (jobs(0.0).target + 9, "jobs.target: expected classes 0 to 3, got "),
    "base": (jobs(0.0).base + 2, r"jobs.base: expected values in \[0, 1\], got 2.5 to 2.5"),
    "features": (WANTED * (np.arange(6) != 2)[:, None], "jobs.features: .* only zeros in row 2"),
    "features ": (WANTED * np.nan, "jobs.features: expected finite numbers, got NaN"),
    "features  ": (np.array(["a"] * 6), "jobs.features: expected numbers, got array"),
    "l1_weight": (np.full(6, -1.0), r"jobs.l1_weight: expected numbers \[N\] of at least 0"),
    "l1_weight ": (np.array(["a"] * 6), "jobs.l1_weight: expected numbers, got array"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_jobs_are_refused_by_name(name):
    value, message = BAD[name]
    name = name.strip()
    fields = {n: getattr(jobs(0.0), n) for n in ("target", "base", "features", "l1_weight")}
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        jfool.run(
            jax.random.key(0),
            attack(),
            MODEL,
            jfool.InversionJob(**{**fields, name: value}),
            num_steps=1,
        )


@pytest.mark.parametrize(
    ("setting", "make", "message"),
    [
        ("ascent", lambda: None, "ascent: expected one such as"),
        (
            "ascent",
            lambda: jfool.GradientAscent(-1.0),
            r"ascent\.step_size: expected",
        ),
        ("penalty", lambda: 0.1, r"penalty: expected one such as jfool\.penalties\.L1\(\), got"),
        ("penalty", lambda: L1, r"penalty: expected one such as jfool\.penalties\.L1\(\), got"),
        ("encoding", lambda: jfool.SparsePixels(SHAPE, 1), "encoding: expected one such as"),
        ("layer", lambda: 3, "layer: expected the name of a layer, got 3"),
        ("image_shape", lambda: (2, 2), r"image_shape: expected \(height, width, channels\)"),
    ],
)
def test_settings_that_cannot_work_are_refused(setting, make, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        dataclasses.replace(attack(), **{setting: make()}).check(jobs(0.0))
    with unchecked(), pytest.raises(ValueError, match="num_classes: expected a whole number"):
        jfool.FeatureInversion(SHAPE, 4.0, layer="hidden").check(jobs(0.0))


def test_features_of_another_length_and_models_without_features_are_refused():
    short = jfool.InversionJob(LABELS, jobs(0.0).base, WANTED[:, :3], jobs(0.0).l1_weight)
    with unchecked(), pytest.raises(ValueError, match=r"jobs\.features: expected 7 numbers"):
        jfool.run(jax.random.key(0), attack(), MODEL, short, num_steps=1)
    bare = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.ones((60, NUM_CLASSES)))
    with unchecked(), pytest.raises(TypeError, match="model: expected one with features"):
        jfool.run(jax.random.key(0), attack(), bare, jobs(0.0), num_steps=1)
    with pytest.raises(TypeError, match="divide 8-bit by 255"):
        show_features(Linear(jnp.ones((60, 4))), np.zeros((1, *SHAPE), np.uint8), "logits")
    for shape in (SHAPE, (0, *SHAPE)):
        with pytest.raises(ValueError, match=r"images: expected (floats|at least one)"):
            show_features(MODEL, np.zeros(shape, np.float32), "hidden")


def test_the_default_penalty_is_the_papers():
    assert isinstance(attack().penalty, L1)
