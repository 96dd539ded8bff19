"""Models of other frameworks: normalization, layout and size against NumPy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    grey_jobs,
    photos,
    softmax,
    sparse_fooling,
    unchecked,
    weights,
)

IMAGES = photos(3)
MEAN, STD = np.float32([0.1, 0.2, 0.3]), np.float32([0.5, 1.0, 2.0])


def inputs_of(**options) -> np.ndarray:
    """What a wrapped function is given, `[B, ...]`."""

    def flat(variables, inputs):
        return inputs.reshape(len(inputs), -1) + variables

    model = jfool.wrap(flat, jnp.zeros((1, 1), jnp.float32), **options)
    return np.asarray(model(jnp.asarray(IMAGES)))


def test_images_pass_through_unchanged_by_default():
    np.testing.assert_array_equal(inputs_of(), IMAGES.reshape(3, -1))


@pytest.mark.parametrize(
    ("mean", "std"), [(MEAN, STD), (0.5, 0.25), (MEAN, 2.0), ([0.1, 0.2, 0.3], (0.5, 1.0, 2.0))]
)
def test_inputs_are_normalized_per_channel_or_by_one_number(mean, std):
    expected = (IMAGES - np.float32(mean)) / np.float32(std)
    np.testing.assert_allclose(
        inputs_of(mean=np.asarray(mean), std=np.asarray(std)), expected.reshape(3, -1), rtol=1e-5
    )


def test_channels_come_first_where_the_model_wants_them_so():
    expected = ((IMAGES - MEAN) / STD).transpose(0, 3, 1, 2)
    got = inputs_of(layout="NCHW", mean=MEAN, std=STD)
    np.testing.assert_allclose(got, expected.reshape(3, -1), rtol=1e-5)


def test_images_are_resized_before_they_are_normalized():
    resized = jax.image.resize(jnp.asarray(IMAGES), (3, 8, 6, 3), "bilinear")
    expected = (np.asarray(resized) - MEAN) / STD
    got = inputs_of(size=(8, 6), mean=MEAN, std=STD)
    np.testing.assert_allclose(got, expected.reshape(3, -1), rtol=1e-5)
    np.testing.assert_array_equal(inputs_of(size=SHAPE[:2]), IMAGES.reshape(3, -1))


def test_a_resized_color_stays_that_color():
    model = jfool.wrap(lambda w, x: x.mean((1, 2)) * w, jnp.float32(1), size=(9, 7))
    images = jnp.broadcast_to(jnp.asarray(MEAN), (2, *SHAPE))
    np.testing.assert_allclose(model(images), np.broadcast_to(MEAN, (2, 3)), rtol=1e-5)


def test_logits_are_float32_whatever_the_model_computes_in():
    model = jfool.wrap(lambda w, x: x.mean((1, 2)).astype(jnp.bfloat16) * w, jnp.bfloat16(1))
    assert model(jnp.asarray(IMAGES)).dtype == jnp.float32


def dense(variables, inputs):
    return inputs.reshape(len(inputs), -1) @ variables["w"] + variables["b"][None]


def test_a_hand_written_function_runs():
    bias = np.float32([0.5, 0, -0.5, 1])
    model = jfool.wrap(dense, {"w": weights(), "b": bias}, mean=0.5, std=0.25)
    result = jfool.run(jax.random.key(0), sparse_fooling(), model, grey_jobs(), num_steps=10)
    inputs = (np.asarray(result.images).reshape(4, -1) - 0.5) / 0.25
    probability = softmax(inputs @ weights() + bias)
    np.testing.assert_array_equal(result.prediction, probability.argmax(1))
    np.testing.assert_allclose(result.confidence, np.diag(probability), rtol=1e-3, atol=1e-6)


def test_a_linen_module_runs():
    module = nn.Sequential([lambda x: x.reshape(len(x), -1), nn.Dense(6), nn.relu, nn.Dense(4)])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        variables = module.init(jax.random.key(1), jnp.asarray(IMAGES))
        model = jfool.wrap(module.apply, variables)
        result = jfool.run(jax.random.key(0), sparse_fooling(), model, grey_jobs(), num_steps=10)
    layers = jax.tree.map(np.asarray, variables["params"])
    first, last = layers["layers_1"], layers["layers_3"]
    hidden = np.asarray(result.images).reshape(4, -1) @ first["kernel"] + first["bias"]
    probability = softmax(np.maximum(hidden, 0) @ last["kernel"] + last["bias"])
    assert probability.shape[1] == NUM_CLASSES
    np.testing.assert_array_equal(result.prediction, probability.argmax(1))
    np.testing.assert_allclose(result.confidence, np.diag(probability), rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "HWC"}, "layout: .*NHWC.*HWC"),
        ({"std": 0.0}, "std: .*positive.*0"),
        ({"std": [1.0, -1.0, 1.0]}, "std: .*positive.*-1"),
        ({"std": float("nan")}, "std: .*finite.*nan"),
        ({"mean": np.zeros((1, 3))}, r"mean: .*per channel.*\(1, 3\)"),
        ({"size": (0, 8)}, r"size: .*\(height, width\).*\(0, 8\)"),
        ({"size": (8, 8, 3)}, r"size: .*\(height, width\).*\(8, 8, 3\)"),
        ({"size": 8}, r"size: .*\(height, width\).*8"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        jfool.wrap(dense, {}, **options)


def test_what_is_no_function_is_refused():
    with unchecked(), pytest.raises(TypeError, match="apply: expected a function"):
        jfool.wrap(weights(), dense)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_constants_of_other_images_are_refused(name):
    model = jfool.wrap(lambda w, x: x.mean((1, 2)) * w, jnp.float32(1), **{name: np.full(3, 0.5)})
    with (
        unchecked(),
        pytest.raises(ValueError, match=f"{name}: expected one number or 1, .* got 3"),
    ):
        model(jnp.zeros((2, 4, 4, 1)))
