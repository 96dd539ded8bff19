"""Caffe's LeNet against a NumPy restatement."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import LeNet
from tests.models import oracle


def random_images(size=3, shape=(28, 28, 1)):
    return np.random.default_rng(0).uniform(size=(size, *shape)).astype(np.float32)


def restated(model, images, mean):
    """lenet_train_test.prototxt: no ReLU after the convolutions, one after ip1."""
    x = (255 * images.astype(np.float64) - 255 * mean) / 256
    layers = {"conv1": oracle.convolve(x, *oracle.parameters(model.conv1))}
    layers["pool1"] = oracle.halve(layers["conv1"])
    layers["conv2"] = oracle.convolve(layers["pool1"], *oracle.parameters(model.conv2))
    layers["pool2"] = oracle.halve(layers["conv2"])
    layers["ip1"] = np.maximum(oracle.dense(layers["pool2"], model.ip1), 0)
    layers["ip2"] = oracle.dense(layers["ip1"], model.ip2)
    return layers


@pytest.mark.parametrize("with_mean", [False, True])
def test_every_layer_equals_the_numpy_restatement(with_mean):
    mean = random_images(1)[0] * with_mean
    model = LeNet(mean=jnp.asarray(mean) if with_mean else None, rngs=nnx.Rngs(0))
    images = random_images()
    layers = restated(model, images, mean)
    assert tuple(layers) == model.layers
    features = jax.jit(lambda images: {name: model.features(images, name) for name in layers})
    for name, activation in features(images).items():
        np.testing.assert_allclose(activation, layers[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(images), layers["ip2"], rtol=1e-4, atol=1e-5)
    assert (layers["conv1"] < 0).any()
    assert (layers["conv2"] < 0).any()


def test_it_has_431_080_parameters():
    model = LeNet(rngs=nnx.Rngs(0))
    by_hand = (25 + 1) * 20 + (25 * 20 + 1) * 50 + (4 * 4 * 50 + 1) * 500 + (500 + 1) * 10
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == by_hand == 431_080


def test_start_weights_fill_the_range_of_caffes_xavier():
    model = LeNet(rngs=nnx.Rngs(0))
    for layer, fan_in in ((model.conv1, 25), (model.conv2, 500), (model.ip1, 800)):
        bound = np.sqrt(3 / fan_in)
        kernel, bias = oracle.parameters(layer)
        assert abs(kernel).max() <= bound
        assert abs(kernel).max() > 0.98 * bound
        np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.1)
        assert not bias.any()


def test_colour_images_and_other_numbers_of_classes_fit():
    model = LeNet((32, 32, 3), 7, rngs=nnx.Rngs(0))
    assert model(random_images(2, (32, 32, 3))).shape == (2, 7)


def test_logits_are_float32_for_half_precision_images():
    images = jnp.asarray(random_images(), jnp.float16)
    assert LeNet(rngs=nnx.Rngs(0))(images).dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: LeNet((12, 28, 1), rngs=nnx.Rngs(0)), ValueError, "at least 16 x 16 .* 12 x 28"),
        (
            lambda: LeNet(mean=jnp.zeros((28, 28)), rngs=nnx.Rngs(0)),
            ValueError,
            r"mean: expected shape \(28, 28, 1\), got \(28, 28\)",
        ),
        (
            lambda: LeNet(rngs=nnx.Rngs(0)).features(random_images(), "conv3"),
            ValueError,
            "layer: expected one of conv1, pool1, conv2, pool2, ip1, ip2, got 'conv3'",
        ),
        (
            lambda: LeNet(rngs=nnx.Rngs(0))(np.zeros((1, 28, 28, 1), np.uint8)),
            TypeError,
            "expected floating point in .* got uint8",
        ),
        (
            lambda: LeNet(rngs=nnx.Rngs(0))(random_images(2, (32, 32, 3))),
            ValueError,
            r"images: expected shape \[B, 28, 28, 1\], got \[2, 32, 32, 3\]",
        ),
        (lambda: LeNet(rngs=nnx.Rngs(0))(random_images()[0]), ValueError, "expected shape"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_new_weights_meet_the_same_trace():
    traces = []

    @jax.jit
    def logits(model, images):
        traces.append(None)
        return model(images)

    images = random_images()
    first, second = (logits(LeNet(rngs=nnx.Rngs(seed)), images) for seed in (0, 1))
    assert len(traces) == 1
    assert not np.array_equal(first, second)
