"""The prepared data of this machine, read through tensorflow-datasets."""

import os

import numpy as np
import pytest

from models import load_dataset

pytestmark = pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is unset: no prepared data"
)


def test_cifar10s_test_split_has_the_size_that_lies_here(monkeypatch, cache):
    """The test split stands in for both: 50 000 training images take too long to decode."""
    import tensorflow_datasets as tfds

    read = tfds.data_source
    monkeypatch.setattr(
        tfds, "data_source", lambda name, split, **options: read(name, split="test", **options)
    )
    cifar10 = load_dataset("cifar10")
    builder = tfds.builder("cifar10", data_dir=os.environ["TFDS_DATA_DIR"])
    size = builder.info.splits["test"].num_examples
    assert cifar10.test_images.shape == (size, 32, 32, 3)
    assert set(np.unique(cifar10.test_labels)) == set(range(10))
    # Published means of the channels; 1 000 images leave some thousandths of chance.
    means = cifar10.test_images.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(means, (0.491, 0.482, 0.447), atol=0.02)
    assert cifar10.class_names == tuple(builder.info.features["label"].names)
    assert [file.name for file in (cache / "datasets").iterdir()] == [
        f"cifar10-{builder.version}-{size}-{size}.npz"
    ]
