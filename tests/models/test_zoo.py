"""Networks by name."""

import numpy as np
import pytest
from flax import nnx

from models import CNN, MLP, LeNet, create, outline


@pytest.mark.parametrize(
    ("name", "kind", "layer"),
    [
        ("lenet", LeNet, "ip1"),
        ("mlp", MLP, "fc3"),
        ("cnn", CNN, "pool3"),
        ("cnn_nopool", CNN, "conv3"),
    ],
)
def test_names_make_the_networks_they_promise(name, kind, layer):
    model = outline(name, (16, 16, 3), 4)
    assert type(model) is kind
    assert layer in model.layers
    assert ("pool1" in model.layers) == (name in {"lenet", "cnn"})
    images = np.zeros((2, 16, 16, 3), np.float32)
    assert nnx.eval_shape(lambda model: model(images), model).shape == (2, 4)


def test_an_unknown_network_is_told_those_of_similar_names():
    sentence = r"name: expected one of models.ARCHITECTURES, such as vgg16, .*, got 'vgg'"
    with pytest.raises(ValueError, match=sentence):
        create("vgg")


@pytest.mark.parametrize(
    ("image_shape", "num_classes", "sentence"),
    [
        ((28, 28), 10, r"image_shape: expected \(height, width, channels\), got \(28, 28\)"),
        (28, 10, r"image_shape: expected \(height, width, channels\), got 28"),
        ((28.5, 28, 1), 10, r"image_shape: expected \(height, width, channels\), got \(28.5"),
        ((28, 28, 1), 2.5, "num_classes: expected a number from 1 to 16777216, got 2.5"),
        ((28, 28, 0), 10, r"image_shape: expected \(height, width, channels\)"),
        ((28, 28, 1), 0, "num_classes: expected a number from 1 to 16777216, got 0"),
        ((15, 28, 1), 10, "image_shape: expected at least 16 x 16 pixels, got 15 x 28"),
    ],
)
def test_shapes_that_make_no_network_are_refused(image_shape, num_classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        create("lenet", image_shape, num_classes)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("cifar_resnet20", (32, 32, 1)), ("vgg16", (3, 224, 224)), ("cifar_vgg16", (3, 32, 32))],
)
def test_other_channels_are_refused_by_a_network_for_colours_before_weights_are_drawn(
    name, shape, monkeypatch
):
    monkeypatch.setattr(nnx, "Rngs", None)
    sentence = rf"image_shape: expected 3 channels, got {shape[2]} \(give height, width, channels\)"
    with pytest.raises(ValueError, match=sentence):
        create(name, shape)
