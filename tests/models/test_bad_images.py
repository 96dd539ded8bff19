"""Every architecture refuses the same wrong images, before anything is computed."""

import jax
import numpy as np
import pytest
from flax import nnx

from models import ARCHITECTURES, create

SHAPE = (16, 16, 3)


def abstract(name, image_shape=None):
    """A network of shapes without numbers."""
    return nnx.eval_shape(lambda: create(name, image_shape, 4))


@pytest.fixture(params=ARCHITECTURES, scope="module")
def network(request):
    return abstract(request.param)


def test_bytes_are_refused(network):
    with pytest.raises(TypeError, match=r"floating point in \[0, 1\], got uint8"):
        network(np.zeros((1, *network.image_shape), np.uint8))


@pytest.mark.parametrize("axes", ["HWC", "1HWD", "1CHW", "11HWC"])
def test_another_shape_is_refused(network, axes):
    height, width, channels = network.image_shape
    sizes = {"1": 1, "H": height, "W": width, "C": channels, "D": channels + 1}
    expected = rf"images: expected shape \[B, {height}, {width}, {channels}\], got"
    with pytest.raises(ValueError, match=expected):
        network(np.zeros([sizes[axis] for axis in axes], np.float32))


def test_an_unknown_layer_lists_the_known_ones(network):
    with pytest.raises(ValueError, match=f"one of {', '.join(network.layers)}, got 'conv99'"):
        network.features(np.zeros((1, *network.image_shape), np.float32), "conv99")


@pytest.mark.parametrize(
    ("name", "sides"), [("cnn", [16, 8, 8, 4, 4, 2]), ("cnn_nopool", [16, 16, 16])]
)
def test_only_pooling_makes_the_maps_smaller(name, sides):
    images = jax.ShapeDtypeStruct((5, *SHAPE), np.float32)
    model = abstract(name, SHAPE)
    layers = [layer for layer in model.layers if layer.startswith(("conv", "pool"))]
    maps = nnx.eval_shape(lambda model, x: [model.features(x, y) for y in layers], model, images)
    assert [x.shape[:3] for x in maps] == [(5, side, side) for side in sides]
