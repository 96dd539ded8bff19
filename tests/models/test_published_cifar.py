"""Published weights for CIFAR-10 classify the test images as their sources say."""

import os

import pytest

from models import accuracy, load, load_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is unset: no prepared data"
    ),
]


@pytest.fixture
def cifar10(monkeypatch, cache):
    """The lossless test images at hand; 50 000 training images take too long to decode."""
    import tensorflow_datasets as tfds

    read = tfds.data_source
    monkeypatch.setattr(
        tfds, "data_source", lambda name, split, **options: read(name, split="test", **options)
    )
    return load_dataset("cifar10")


RIGHT = {  # of 1 000
    "cifar_resnet20": ("cifar10_resnet20.safetensors", 915),
    "cifar_resnet32": ("cifar10_resnet32.safetensors", 928),
    "cifar_resnet44": ("cifar10_resnet44.safetensors", 933),
    "cifar_vgg16": ("cifar10_vgg16_bn.safetensors", 862),
}


@pytest.mark.usefixtures("full_compiler")
def test_as_many_images_are_right_as_published(cifar10, weights_folder):
    images, labels = cifar10.test_images[:1000], cifar10.test_labels[:1000]
    for name, (file, expected) in RIGHT.items():
        model = load(name, weights_folder / file)
        right = 1000 * accuracy(model, images, labels, batch_size=250)
        assert right == pytest.approx(expected, abs=2), name
