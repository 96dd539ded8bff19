"""The convolutional networks with and without pooling."""

import jax
import numpy as np
import pytest
from flax import nnx

from models import CNN
from tests.models import oracle


def random_images(shape, size=2):
    return np.random.default_rng(0).uniform(size=(size, *shape)).astype(np.float32)


def restated(model, images, pool):
    layers, x = {}, 255 * images.astype(np.float64)
    for number, conv in enumerate(model.convs, start=1):
        x = np.maximum(oracle.convolve(x, *oracle.parameters(conv), pad=1), 0)
        layers[f"conv{number}"] = x
        if pool:
            x = oracle.halve(x)
            layers[f"pool{number}"] = x
    layers["fc1"] = np.maximum(oracle.dense(x, model.fc1), 0)
    layers["fc2"] = oracle.dense(layers["fc1"], model.fc2)
    return layers


@pytest.mark.parametrize(
    ("shape", "pool"), [((28, 28, 1), True), ((12, 9, 3), True), ((8, 7, 3), False)]
)
def test_every_layer_equals_the_numpy_restatement(pool, shape):
    model = CNN(shape, pool=pool, rngs=nnx.Rngs(0))
    images = random_images(shape)
    layers = restated(model, images, pool)
    assert tuple(layers) == model.layers

    @jax.jit
    def features(model, images):
        return {name: model.features(images, name) for name in layers}, model(images)

    got, logits = features(model, images)
    for name, activation in got.items():
        close = {"rtol": 1e-4, "atol": 1e-5 * layers[name].max()}
        np.testing.assert_allclose(activation, layers[name], **close)
    np.testing.assert_array_equal(logits, got["fc2"])


@pytest.mark.parametrize(
    ("shape", "pool", "flat"),
    [
        ((28, 28, 1), True, 3 * 3 * 64),
        ((28, 28, 1), False, 28 * 28 * 64),
        ((32, 32, 3), True, 4 * 4 * 64),
    ],
)
def test_numbers_of_parameters_are_those_by_hand(shape, pool, flat):
    convs = (9 * shape[-1] + 1) * 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 64
    model = nnx.eval_shape(lambda: CNN(shape, pool=pool, rngs=nnx.Rngs(0)))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == convs + (flat + 1) * 128 + (128 + 1) * 10


def test_it_starts_as_pytorch_does():
    model = CNN(rngs=nnx.Rngs(0))
    for layer, fan_in in ((model.convs[2], 9 * 32), (model.fc1, 576), (model.fc2, 128)):
        kernel, bias = oracle.parameters(layer)
        for values in (kernel, bias):
            assert abs(values).max() <= fan_in**-0.5
        assert abs(kernel).max() > 0.98 * fan_in**-0.5
        assert kernel.std() == pytest.approx((3 * fan_in) ** -0.5, rel=0.1)
        assert bias.std() > 0


def test_an_inner_feature_costs_nothing_after_it():
    model = CNN((8, 8, 1), rngs=nnx.Rngs(0))
    images = random_images(model.image_shape)
    jaxpr = str(jax.make_jaxpr(lambda x: model.features(x, "pool1"))(images))
    assert jaxpr.count("conv_general_dilated[") == 1


def test_images_too_small_to_pool_thrice_are_refused():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels, got 7 x 28"):
        CNN((7, 28, 1), rngs=nnx.Rngs(0))
