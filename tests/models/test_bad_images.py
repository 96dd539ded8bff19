"""Every architecture refuses the same wrong images, before anything is computed."""

import jax
import numpy as np
import pytest
from flax import nnx

from models import ARCHITECTURES, create

SHAPE = (16, 16, 3)


def abstract(name):
    """A network of shapes without numbers."""
    return nnx.eval_shape(lambda: create(name, SHAPE, 4))


@pytest.fixture(params=ARCHITECTURES, scope="module")
def network(request):
    return abstract(request.param)


def test_bytes_are_refused(network):
    with pytest.raises(TypeError, match=r"floating point in \[0, 1\], got uint8"):
        network(np.zeros((1, *SHAPE), np.uint8))


@pytest.mark.parametrize("shape", [SHAPE, (1, 16, 16, 1), (1, 3, 16, 16), (1, 1, *SHAPE)])
def test_another_shape_is_refused(network, shape):
    with pytest.raises(ValueError, match=r"images: expected shape \[B, 16, 16, 3\], got"):
        network(np.zeros(shape, np.float32))


def test_an_unknown_layer_lists_the_known_ones(network):
    with pytest.raises(ValueError, match=f"one of {', '.join(network.layers)}, got 'conv9'"):
        network.features(np.zeros((1, *SHAPE), np.float32), "conv9")


@pytest.mark.parametrize(
    ("name", "sides"), [("cnn", [16, 8, 8, 4, 4, 2]), ("cnn_nopool", [16, 16, 16])]
)
def test_only_pooling_makes_the_maps_smaller(name, sides):
    images = jax.ShapeDtypeStruct((5, *SHAPE), np.float32)
    model = abstract(name)
    layers = [layer for layer in model.layers if layer.startswith(("conv", "pool"))]
    maps = nnx.eval_shape(lambda model, x: [model.features(x, y) for y in layers], model, images)
    assert [x.shape[:3] for x in maps] == [(5, side, side) for side in sides]
