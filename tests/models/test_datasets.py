"""The bundled digits, the cache of decoded arrays, and what is said where data is missing."""

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from models import DATASETS, Dataset, class_names, load_dataset, read_class_names
from models.cache import cache_folder

needs_data = pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is unset")


def test_digits_have_a_fixed_split():
    digits = load_dataset("digits")
    assert digits.train_images.shape == (1437, 28, 28, 1)
    assert digits.test_images.shape == (360, 28, 28, 1)
    assert digits.image_shape == (28, 28, 1)
    assert zlib.crc32(digits.test_labels.astype("<i4").tobytes()) == 1473915990


def test_digits_are_stratified():
    digits = load_dataset("digits")
    train, test = (np.bincount(x) for x in (digits.train_labels, digits.test_labels))
    np.testing.assert_allclose(test / (train + test), 0.2, atol=0.01)


def test_digits_of_the_two_splits_are_disjoint_and_complete():
    from sklearn.datasets import load_digits

    digits = load_dataset("digits")
    images = np.concatenate([digits.train_images, digits.test_images])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(
        np.unique(load_digits().data, axis=0)
    )


def test_digits_are_enlarged_bilinearly_to_the_whole_range():
    """Bilinear at 28 / 8: output pixel i looks at input position (i + 0.5) * 8 / 28 - 0.5."""
    from sklearn.datasets import load_digits

    positions = np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7)
    weights = np.maximum(1 - abs(positions[:, None] - np.arange(8)), 0)
    scans = load_digits().images * 255 / 16
    expected = np.einsum("iy,nyx,jx->nij", weights, scans, weights)

    digits = load_dataset("digits")
    images = np.concatenate([digits.train_images, digits.test_images])[..., 0].astype(float)
    for image in images[:20]:
        assert abs(expected - image).max(axis=(1, 2)).min() <= 1
    assert images.min() == 0
    assert images.max() >= 250


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=f"expected one of {', '.join(DATASETS)}, got 'svhn'"):
        load_dataset("svhn")


def test_missing_data_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    assert str(tmp_path)[:60] in message
    assert len(message) <= 300
    assert "TFDS_DATA_DIR" in message
    assert 'pip install "jfool[prepare]"' in message


def test_damaged_data_is_blamed_on_its_folder(monkeypatch, tmp_path, cache):
    folder = tmp_path / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text('{"name": ')
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(OSError, match=r"3\.0\.1 is damaged or not array_record data"):
        load_dataset("mnist")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train_images": np.zeros((2, 4, 4, 1))}, "train_images: expected uint8 .* got float64"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8)}, "test_images: expected uint8"),
        ({"test_labels": np.zeros(2, np.int64)}, r"test_labels: expected int32 \[2\], got int64"),
        ({"train_labels": np.zeros(3, np.int32)}, r"expected int32 \[2\], got int32 \[3\]"),
    ],
)
def test_a_data_set_refuses_other_arrays(change, sentence):
    images, labels = np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int32)
    arrays = {"train_images": images, "train_labels": labels}
    arrays |= {"test_images": images, "test_labels": labels}
    with pytest.raises(ValueError, match=sentence):
        Dataset("own", **(arrays | change), class_names=("a", "b"))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"JFOOL_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/jfool"),
        ({}, str(Path.home() / ".cache" / "jfool")),
    ],
)
def test_the_cache_folder_follows_the_environment(monkeypatch, variables, expected):
    for name in ("JFOOL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


class FakeSources:
    """Stands in for tensorflow-datasets: counts how often a split is decoded."""

    def __init__(self) -> None:
        self.decoded = 0

    def data_source(self, name, split, data_dir, download):
        assert (name, download) == ("mnist:10.0.0", False)
        return FakeSource(self, 5 if split == "train" else 3)


class FakeSource:
    def __init__(self, owner, size) -> None:
        self.owner, self.size = owner, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index):
        if index >= self.size:
            raise IndexError
        self.owner.decoded += index == 0
        return {"image": np.full((28, 28, 1), index, np.uint8), "label": index}


@pytest.fixture
def sources(monkeypatch, tmp_path, cache):
    for version in ("9.0.0", "10.0.0"):
        folder = tmp_path / "mnist" / version
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text(json.dumps({}))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    fake = FakeSources()
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_datasets", fake)
    return fake


def test_prepared_data_of_the_newest_version_is_decoded_once(sources, cache):
    first, second = load_dataset("mnist"), load_dataset("mnist")
    assert sources.decoded == 2
    assert (first.train_images.shape, len(first.test_images)) == ((5, 28, 28, 1), 3)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(second.train_labels, np.arange(5))
    assert [file.name for file in (cache / "datasets").iterdir()] == ["mnist-10.0.0-5-3.npz"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "other"])
def test_a_damaged_cache_is_rebuilt(sources, cache, damage):
    load_dataset("mnist")
    path = cache / "datasets" / "mnist-10.0.0-5-3.npz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[300] ^= 1
    kept = {"truncated": content[:-100], "flipped": content, "empty": b"", "other": b"no zip"}
    path.write_bytes(kept[damage])
    again = load_dataset("mnist")
    assert sources.decoded == 4
    np.testing.assert_array_equal(again.train_images[:, 0, 0, 0], np.arange(5))


@needs_data
@pytest.mark.slow
def test_mnist_is_what_it_is_known_to_be(cache):
    mnist = load_dataset("mnist")
    assert mnist.train_images.shape[1:] == (28, 28, 1)
    assert set(np.unique(mnist.test_labels)) == set(range(10))
    np.testing.assert_allclose(mnist.train_images.mean() / 255, 0.1307, atol=1e-4)


def test_classes_have_names_without_any_data():
    assert class_names("mnist") == tuple("0123456789")
    assert class_names("fashion_mnist")[9] == "Ankle boot"
    with pytest.raises(ValueError, match=r"dataset: expected one of digits, .*got 'imagenet'"):
        class_names("imagenet")


def test_class_names_come_from_a_file_of_ones_own(tmp_path):
    path = tmp_path / "names.json"
    path.write_text('["tench", "goldfish"]')
    assert read_class_names(path) == ("tench", "goldfish")
    for content, sentence in (
        ('{"0": "tench"}', "expected a JSON list of strings"),
        ("[1, 2]", "expected a JSON list of strings"),
        ("[", "is not JSON"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=sentence):
            read_class_names(path)
    with pytest.raises(FileNotFoundError, match=r"expected class names at .*none\.json"):
        read_class_names(tmp_path / "none.json")
