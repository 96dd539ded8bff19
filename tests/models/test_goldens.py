"""Every layer of the published networks against PyTorch's originals, on weights by formula."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import load_file

from models import create
from models.slots import pytorch_slots
from models.weights import fill
from tests.models.goldens import formula

GOLDENS = {path.stem: path for path in Path(__file__).with_name("goldens").glob("*.safetensors")}

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
}


def filled(name, image_shape, num_classes, gain):
    """The port with the weights that the original had."""
    model = nnx.eval_shape(lambda: create(name, image_shape, num_classes))
    slots = pytorch_slots(model)
    tensors = {key: formula.weight(key, slot.shape, gain) for key, slot in slots.items()}
    fill(model, tensors, Path(f"{name} by formula"))
    model.eval()
    return model


@jax.jit
def walked(model, images):
    """Every layer in one forward pass."""
    layers = dict(model.walk(model.normalize(images)))
    assert tuple(layers) == model.layers
    return layers


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_every_layer_gives_what_the_original_gives(name, full_compiler):
    with safe_open(GOLDENS[name], "numpy") as file:
        origin = file.metadata()
    golden = load_file(GOLDENS[name])
    image_shape = tuple(json.loads(origin["image_shape"]))
    model = filled(name, image_shape, int(origin["num_classes"]), float(origin["gain"]))
    layers = walked(model, formula.images(image_shape))
    assert set(golden) == set(layers)
    for layer, activation in layers.items():
        tolerance = 1e-4 * golden[layer][-1]  # the largest magnitude
        got = formula.samples(activation)
        np.testing.assert_allclose(got, golden[layer], rtol=0, atol=tolerance, err_msg=layer)


@pytest.mark.parametrize("name", NUM_PARAMETERS)
def test_it_has_the_published_number_of_parameters(name):
    model = nnx.eval_shape(lambda: create(name))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == NUM_PARAMETERS[name]
