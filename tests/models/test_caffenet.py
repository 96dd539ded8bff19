"""CaffeNet, and the layers that only some networks have, against NumPy restatements."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import CaffeNet, restore, save
from models.layers import conv, local_response_norm, max_pool, mean_pool
from tests.models import oracle
from tests.models.outlines import outlined

SHAPE = (67, 71, 3)  # uneven pools: windows hang over both edges


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def pooled(x, size, stride, padding, ceil, reduce):
    """Window by window; outside lies NaN, which `reduce` passes over."""
    pad = [(0, 0), (padding, padding + stride), (padding, padding + stride), (0, 0)]
    counts = []
    for length in x.shape[1:3]:
        steps = (length + 2 * padding - size) / stride
        counts.append(int(np.ceil(steps) if ceil else np.floor(steps)) + 1)
    x = np.pad(x, pad, constant_values=np.nan)
    out = np.empty((len(x), *counts, x.shape[-1]))
    for i, j in np.ndindex(*counts):
        window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
        out[:, i, j] = reduce(window, axis=(1, 2))
    return out


def normalized(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Channel by channel."""
    out = np.empty(x.shape)
    for channel in range(x.shape[-1]):
        near = x[..., max(channel - size // 2, 0) : channel + size // 2 + 1].astype(np.float64)
        scale = k + alpha / size * (near**2).sum(axis=-1)
        out[..., channel] = x[..., channel] / scale**beta
    return out


def grouped(x, layer, groups, pad=0, stride=1):
    """One convolution for each group of channels."""
    kernel, bias = oracle.parameters(layer)
    parts = zip(*(np.split(array, groups, axis=-1) for array in (x, kernel, bias)), strict=True)
    y = np.concatenate([oracle.convolve(*part, pad) for part in parts], axis=-1)
    return y[:, ::stride, ::stride]


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (3, 1, 1)]
)
def test_max_pool_equals_the_restatement(size, stride, padding, ceil):
    for height, width in ((7, 8), (6, 9)):
        x = random(2, height, width, 3)
        expected = pooled(x, size, stride, padding, ceil, np.nanmax)
        np.testing.assert_array_equal(max_pool(x, size, stride, padding, ceil=ceil), expected)


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 2, 0), (3, 2, 1), (2, 2, 0), (8, 1, 0)]
)
def test_mean_pool_equals_the_restatement(size, stride, padding):
    x = random(2, 8, 9, 3)
    expected = pooled(x, size, stride, padding, False, np.nanmean)
    np.testing.assert_allclose(mean_pool(x, size, stride, padding), expected, atol=1e-6)


def test_the_gradient_of_mean_pool_passes_through_a_compiled_program():
    gradient = jax.jit(jax.grad(lambda x: mean_pool(x, 2, 2).sum()))(jnp.ones((1, 4, 4, 1)))
    np.testing.assert_allclose(gradient, 0.25)


@pytest.mark.parametrize("settings", [(5, 1e-4, 0.75, 1.0), (3, 0.9, 0.5, 2.0)])
def test_response_normalisation_equals_the_restatement(settings):
    x = random(2, 3, 4, 9) * 30
    got = local_response_norm(x, *settings)
    np.testing.assert_allclose(got, normalized(x, *settings), rtol=1e-5)
    half = local_response_norm(jnp.asarray(x, jnp.bfloat16), *settings)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), got, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(("groups", "pad", "stride"), [(2, 1, 1), (3, 0, 2)])
def test_groups_do_not_see_each_other(groups, pad, stride):
    layer = conv(6, 12, 3, stride=stride, padding=pad, groups=groups, rngs=nnx.Rngs(0))
    x = random(2, 7, 8, 6)
    np.testing.assert_allclose(layer(x), grouped(x, layer, groups, pad, stride), atol=1e-5)


def restated(model, images, mean):
    """train_val.prototxt: pool, then norm; groups; ReLU everywhere; bytes, blue first."""

    def pool(x):
        return pooled(x, 3, 2, 0, True, np.nanmax)

    x = (255 * images.astype(np.float64) - mean)[..., ::-1]
    layers = {"conv1": np.maximum(grouped(x, model.conv1, 1, stride=4), 0)}
    layers["pool1"] = pool(layers["conv1"])
    layers["norm1"] = normalized(layers["pool1"])
    layers["conv2"] = np.maximum(grouped(layers["norm1"], model.conv2, 2, pad=2), 0)
    layers["pool2"] = pool(layers["conv2"])
    layers["norm2"] = normalized(layers["pool2"])
    layers["conv3"] = np.maximum(grouped(layers["norm2"], model.conv3, 1, pad=1), 0)
    layers["conv4"] = np.maximum(grouped(layers["conv3"], model.conv4, 2, pad=1), 0)
    layers["conv5"] = np.maximum(grouped(layers["conv4"], model.conv5, 2, pad=1), 0)
    layers["pool5"] = pool(layers["conv5"])
    kernel, bias = oracle.parameters(model.fc6)
    flat = layers["pool5"].reshape(len(images), -1)
    layers["fc6"] = np.maximum(flat @ kernel.reshape(-1, 4096) + bias, 0)
    layers["fc7"] = np.maximum(oracle.dense(layers["fc6"], model.fc7), 0)
    layers["fc8"] = oracle.dense(layers["fc7"], model.fc8)
    return layers


IMAGES = np.random.default_rng(1).uniform(size=(3, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    model = CaffeNet(SHAPE, 7, mean=jnp.asarray(IMAGES[2]), rngs=nnx.Rngs(0))
    model.eval()
    return model


def test_every_layer_equals_the_restatement(model, full_compiler):
    expected = restated(model, IMAGES[:2], 255 * IMAGES[2])
    layers = jax.jit(lambda model, images: dict(model.walk(model.normalize(images))))
    got = layers(model, IMAGES[:2])
    assert tuple(expected) == model.layers
    for name, activation in expected.items():
        tolerance = 1e-5 * abs(activation).max()
        np.testing.assert_allclose(got[name], activation, rtol=0, atol=tolerance, err_msg=name)
    for name in ("conv1", "norm2", "conv5", "fc7"):
        assert 0.1 < (expected[name] > 0).mean() <= 1


def test_without_a_mean_image_the_mean_colour_is_subtracted():
    bytes_of_bgr = (255 * IMAGES - [123, 117, 104])[..., ::-1]
    got = outlined("caffenet").normalize(jnp.asarray(IMAGES))
    np.testing.assert_allclose(got, bytes_of_bgr, atol=1e-4)


def test_start_weights_are_those_of_the_prototxt(model):
    lifted = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        kernel, bias = oracle.parameters(getattr(model, name))
        np.testing.assert_allclose(
            kernel.std(), 0.005 if name in ("fc6", "fc7") else 0.01, rtol=0.02
        )
        np.testing.assert_array_equal(bias, float(name in lifted))


def test_the_mean_image_is_saved_with_the_weights(model, tmp_path):
    save(model, tmp_path / "caffenet.safetensors")
    other = nnx.eval_shape(lambda: CaffeNet(SHAPE, 7, mean=jnp.zeros(SHAPE), rngs=nnx.Rngs(0)))
    restore(other, tmp_path / "caffenet.safetensors")
    np.testing.assert_array_equal(other.mean[...], IMAGES[2])


@pytest.mark.parametrize(
    ("shape", "mean", "sentence"),
    [
        ((54, 99, 3), None, "at least 55 x 55 pixels, got 54 x 99"),
        ((64, 64, 1), None, "expected 3 channels, got 1"),
        (SHAPE, (64, 64, 3), r"mean: expected shape \(67, 71, 3\), got \(64, 64, 3\)"),
    ],
)
def test_bad_shapes_are_one_clear_sentence(shape, mean, sentence):
    mean = None if mean is None else jnp.zeros(mean)
    with pytest.raises(ValueError, match=sentence):
        CaffeNet(shape, mean=mean, rngs=nnx.Rngs(0))
