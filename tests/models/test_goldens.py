"""Every layer of the published networks against PyTorch's originals, on weights by formula."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from models import outline
from models.slots import pytorch_slots
from models.weights import fill
from tests.models.goldens import formula
from tests.models.outlines import marked

GOLDENS = {path.stem: path for path in Path(__file__).with_name("goldens").glob("*.safetensors")}


def filled(name, image_shape, num_classes, gain):
    """The port with the weights that the original had."""
    model = outline(name, image_shape, num_classes)
    slots = pytorch_slots(model)
    tensors = {key: formula.weight(key, slot.shape, gain) for key, slot in slots.items()}
    fill(model, tensors, f"{name} by formula")
    return model


@jax.jit
def walked(model, images):
    """Every layer in one forward pass."""
    layers = dict(model.walk(model.normalize(images)))
    assert tuple(layers) == model.layers
    return layers


@pytest.mark.parametrize("name", marked(sorted(GOLDENS)))
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
