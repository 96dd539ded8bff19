"""What holds for every network by name; shapes alone, no weights are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import ARCHITECTURES, CNN, Network, in_precision, outline
from models.slots import own_slots, pytorch_slots
from tests.models.outlines import marked, outlined

# As torchvision's documentation has them; CaffeNet's by hand from its prototxt, and those for
# CIFAR-10 by hand from the papers' tables.
NUM_PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "alexnet": 61_100_840,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v2": 3_504_872,
    "caffenet": 60_965_224,
    "cifar_resnet56": 853_018,
    "cifar_resnet110": 1_727_962,
    "wong": 166_406,
    "cifar_wong": 214_918,
}


@pytest.fixture(params=marked(ARCHITECTURES), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name: str) -> Network:
    return outlined(name)


def test_the_walk_passes_the_layers_in_order_and_in_the_precision_asked_for(name, network):
    model, walked = nnx.clone(network), []
    model.set_attributes(dtype=jnp.bfloat16)
    images = jax.ShapeDtypeStruct((2, *model.image_shape), jnp.bfloat16)

    def walk(model, images):
        activations = list(model.walk(images))
        walked.extend(layer for layer, _ in activations)
        return [activation for _, activation in activations]

    activations = nnx.eval_shape(walk, model, images)
    assert tuple(walked) == model.layers
    assert len(set(model.layers)) == len(model.layers)
    assert activations[-1].shape == (2, model.num_classes)
    assert (model.image_shape, model.num_classes) == (
        ARCHITECTURES[name].image_shape,
        ARCHITECTURES[name].num_classes,
    )
    assert jnp.bfloat16 in [y.dtype for y in activations[:-1]]


def test_no_two_weights_share_a_published_name(network):
    slots = pytorch_slots(network)
    assert sorted(slot.name for slot in slots.values()) == sorted(own_slots(network))


@pytest.mark.parametrize("name", marked(NUM_PARAMETERS))
def test_it_has_the_published_number_of_parameters(name):
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(outlined(name), nnx.Param))]
    assert sum(sizes) == NUM_PARAMETERS[name]


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
    images = jax.ShapeDtypeStruct((5, 16, 16, 3), np.float32)
    model = outline(name, (16, 16, 3), 4)
    layers = [layer for layer in model.layers if layer.startswith(("conv", "pool"))]
    maps = nnx.eval_shape(lambda model, x: dict(model.walk(x)), model, images)
    assert [maps[layer].shape[:3] for layer in layers] == [(5, side, side) for side in sides]


def test_precision_is_a_copy_close_to_the_original():
    model = CNN((8, 8, 1), 4, widths=(3, 4, 5), hidden=6, rngs=nnx.Rngs(0))
    model.eval()
    logits = jax.jit(lambda model, images: model(images))
    pixels = np.random.default_rng(0).uniform(size=(8, 8, 8, 1)).astype(np.float32)
    before = logits(model, pixels)
    half = in_precision(model, jnp.bfloat16)
    rounded = logits(half, pixels)
    assert rounded.dtype == jnp.float32
    assert 0 < abs(rounded - before).max() < 0.05 * abs(before).max()
    np.testing.assert_array_equal(logits(model, pixels), before)
    np.testing.assert_array_equal(logits(in_precision(half, jnp.float32), pixels), before)
    layer = jax.eval_shape(lambda images: half.features(images, "conv1"), pixels)
    assert layer.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(half, nnx.Param))} == {
        jnp.dtype("float32")
    }


@pytest.mark.parametrize("dtype", [jnp.float16, "int8", "half"])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype: expected bfloat16 or float32, got"):
        in_precision(outlined("cnn"), dtype)
