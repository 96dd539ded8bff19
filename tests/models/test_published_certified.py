"""Certified networks classify as many of the first 1000 test images as their weights say."""

import os

import numpy as np
import pytest

from models import accuracy, load

pytestmark = pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is unset: no prepared data"
)
RIGHT = {  # of 1 000, by the authors' code in PyTorch
    "mnist_wong_eps0.1": ("wong", "mnist", 982),
    "mnist_wong_eps0.3": ("wong", "mnist", 853),
    "fashion_mnist_wong_eps0.1": ("wong", "fashion_mnist", 786),
    "cifar10_wong_eps8": ("cifar_wong", "cifar10", 312),
}


@pytest.mark.parametrize(("file", "of"), RIGHT.items(), ids=RIGHT.keys())
def test_as_many_images_are_right_as_published(file, of, weights_folder):
    import tensorflow_datasets as tfds

    name, dataset, expected = of
    if not (path := weights_folder / f"{file}.safetensors").exists():
        pytest.skip(f"no weights {path.name} in the folder JFOOL_WEIGHTS")
    folder = os.environ["TFDS_DATA_DIR"]
    source = tfds.data_source(dataset, split="test", data_dir=folder, download=False)
    rows = [source[number] for number in range(1000)]
    images, labels = (np.stack([row[field] for row in rows]) for field in ("image", "label"))
    assert round(1000 * accuracy(load(name, path), images, labels)) == expected
