"""Published ImageNet weights, loaded from their files, classify as they are known to."""

import json

import jax
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from models import load

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("full_compiler")]

NUM_PHOTOS, CHUNK, SIDE = 200, 50, 224


@pytest.fixture(scope="module")
def photos(photos_folder):
    """`[200, 224, 224, 3]` in [0, 1], the centres, and their classes."""
    labels = json.loads((photos_folder / "labels.json").read_text())
    images = []
    for name in labels:
        with Image.open(photos_folder / name) as photo:
            left, top = ((side - SIDE) // 2 for side in photo.size)
            images.append(photo.convert("RGB").crop((left, top, left + SIDE, top + SIDE)))
    assert len(images) == NUM_PHOTOS
    return np.stack(images).astype(np.float32) / 255, np.array(list(labels.values()))


@pytest.fixture(scope="module")
def squeezenet(weights_folder):
    return load("squeezenet1_1", weights_folder / "imagenet_squeezenet1_1.safetensors")


def top1(model, images, labels):
    """Share of the photos that it gets right."""
    logits = jax.jit(lambda model, images: model(images))
    chunks = np.split(images, len(images) // CHUNK)
    classes = np.concatenate([np.argmax(logits(model, chunk), axis=1) for chunk in chunks])
    return (classes == labels).mean()


def test_squeezenet_gives_its_reference_logits(squeezenet, weights_folder):
    reference = load_file(weights_folder / "imagenet_squeezenet1_1_reference.safetensors")
    # Normalised already, channels first: the walk begins after that.
    images = np.concatenate([reference["input_0"], reference["input_1"]]).transpose(0, 2, 3, 1)
    logits = jax.jit(lambda model, images: dict(model.walk(images))["pool10"])(squeezenet, images)
    expected = np.concatenate([reference["output_0"], reference["output_1"]])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=2e-4)


def test_squeezenet_gets_60_percent_of_the_photos(squeezenet, photos):
    assert top1(squeezenet, *photos) >= 0.6


def test_tensorflows_mobilenet_gets_84_percent_of_the_photos(weights_folder, photos):
    path = weights_folder / "imagenet_mobilenet_v2.safetensors"
    assert top1(load("mobilenet_v2_tf", path), *photos) >= 0.84
