"""The networks for CIFAR-10: sizes by hand, and layers restated in NumPy."""

import jax
import numpy as np
import pytest
from flax import nnx

from models import AllConv, CifarResNet, NiN
from models.cifar_resnet import DEPTHS, Block
from models.normalization import CIFAR10
from tests.models import oracle
from tests.models.outlines import marked, outlined

RANDOM = np.random.default_rng(0)


def num_parameters(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def abstract(make):
    return nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0)))


def resnet_by_hand(depth):
    n = (depth - 2) // 6
    kernels = 27 * 16 + 9 * (2 * n * 16**2 + 16 * 32 + (2 * n - 1) * 32**2)
    kernels += 9 * (32 * 64 + (2 * n - 1) * 64**2)
    norms = 2 * (16 + 2 * n * (16 + 32 + 64))
    return kernels + norms + 65 * 10


@pytest.mark.parametrize("name", marked(f"cifar_resnet{depth}" for depth in DEPTHS))
def test_a_resnet_has_the_parameters_of_its_depth(name):
    """He et al.'s table 6 says 0.27, 0.46, 0.66, 0.85 and 1.7 million."""
    model, depth = outlined(name), int(name.removeprefix("cifar_resnet"))
    published = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}[depth]
    assert num_parameters(model) == resnet_by_hand(depth)
    assert num_parameters(model) / 1e6 == pytest.approx(published, abs=0.03)


@pytest.mark.parametrize("depth", [0, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=r"depth: expected one of \[20, 32, 44, 56, 110\]"):
        CifarResNet(depth=depth, rngs=nnx.Rngs(0))


def test_the_shortcut_skips_pixels_and_pads_channels_on_both_sides():
    x = RANDOM.normal(size=(2, 6, 6, 4)).astype(np.float32)
    got = Block(4, 8, 2, nnx.Rngs(0)).shortcut(x)
    expected = np.zeros((2, 3, 3, 8))
    for row in range(3):
        for column in range(3):
            expected[:, row, column, 2:6] = x[:, 2 * row, 2 * column]
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(Block(4, 4, 1, nnx.Rngs(0)).shortcut(x), x)


def random_state(model):
    """Statistics and scales that matter."""
    model.eval()
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.BatchNorm):
            for variable in (module.scale, module.var):
                variable[...] = RANDOM.uniform(0.5, 1.5, variable.shape).astype(np.float32)
            for variable in (module.bias, module.mean):
                variable[...] = RANDOM.normal(0, 0.2, variable.shape).astype(np.float32)
    return model


def unit(x, unit, stride=1):
    """Convolution, normalisation, ReLU."""
    kernel = np.asarray(unit.conv.kernel[...], np.float64)
    bias = 0.0 if unit.conv.bias is None else np.asarray(unit.conv.bias[...])
    x = oracle.convolve(x, kernel, bias, pad=len(kernel) // 2)[:, ::stride, ::stride]
    if unit.norm is not None:
        mean, var, scale, bias = (
            np.asarray(v[...], np.float64)
            for v in (unit.norm.mean, unit.norm.var, unit.norm.scale, unit.norm.bias)
        )
        x = (x - mean) / np.sqrt(var + 1e-5) * scale + bias
    return np.maximum(x, 0)


def pooled(x, reduce):
    """3 x 3 windows, stride 2, over what lies within the image."""
    height, width = ((side - 1) // 2 + 1 for side in x.shape[1:3])
    rows = []
    for i in range(height):
        row = []
        for j in range(width):
            window = x[:, max(0, 2 * i - 1) : 2 * i + 2, max(0, 2 * j - 1) : 2 * j + 2]
            row.append(reduce(window, axis=(1, 2)))
        rows.append(np.stack(row, axis=1))
    return np.stack(rows, axis=1)


def normalized(images):
    return (images.astype(np.float64) - CIFAR10.mean) / CIFAR10.std


def assert_layers(model, images, expected):
    assert tuple(expected) == model.layers
    walked = jax.jit(lambda model, images: dict(model.walk(model.normalize(images))))
    for layer, got in walked(model, images).items():
        close = {"rtol": 1e-4, "atol": 1e-4 * abs(expected[layer]).max()}
        np.testing.assert_allclose(got, expected[layer], **close)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_network_in_network_equals_its_restatement(batch_norm):
    model = random_state(NiN((9, 9, 3), 4, batch_norm=batch_norm, rngs=nnx.Rngs(0)))
    images = RANDOM.uniform(size=(2, 9, 9, 3)).astype(np.float32)
    x, expected = normalized(images), {}
    for number, block in enumerate((model.block1, model.block2, model.block3), start=1):
        for index, layer in enumerate(block, start=1):
            x = expected[f"conv{number}_{index}"] = unit(x, layer)
        if number < 3:
            x = expected[f"pool{number}"] = pooled(x, (np.max, np.mean)[number - 1])
    expected["pool3"] = x.mean(axis=(1, 2))
    assert_layers(model, images, expected)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_all_convolutional_network_equals_its_restatement(batch_norm):
    model = random_state(AllConv((8, 9, 3), 4, batch_norm=batch_norm, rngs=nnx.Rngs(0)))
    images = RANDOM.uniform(size=(2, 8, 9, 3)).astype(np.float32)
    x, expected = normalized(images), {}
    for number, layer in enumerate(model.units, start=1):
        x = expected[f"conv{number}"] = unit(x, layer, 2 if number in (3, 6) else 1)
    expected["pool"] = x.mean(axis=(1, 2))
    assert_layers(model, images, expected)


def test_sizes_without_normalisation_are_the_papers():
    """966 986 for Network in Network; "1.3 M" for All-CNN-C (table 4)."""
    nin = abstract(lambda rngs: NiN(batch_norm=False, rngs=rngs))
    assert num_parameters(nin) == 966_986
    allconv = abstract(lambda rngs: AllConv(batch_norm=False, rngs=rngs))
    assert num_parameters(allconv) == 1_369_738


def test_resnet50_on_cifar_keeps_the_stem_of_imagenet():
    model = outlined("cifar_resnet50")
    shape = nnx.eval_shape(
        lambda model: model.features(np.zeros((1, 32, 32, 3), np.float32), "maxpool"), model
    ).shape
    assert shape == (1, 8, 8, 64)
    assert model.normalize == CIFAR10
