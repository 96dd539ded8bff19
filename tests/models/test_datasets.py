"""The bundled digits, the cache of decoded arrays, and what is said where data is missing."""

import json
import os
import zlib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import (
    DATASETS,
    SGD,
    Dataset,
    Recipe,
    accuracy,
    class_names,
    create,
    image_shape,
    load_dataset,
    outline,
    read_class_names,
    recipe_for,
    train,
)
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


IMAGES = np.zeros((2, 4, 4, 1), np.uint8)
ARRAYS = {"train_images": IMAGES, "test_images": IMAGES, "train_labels": [0, 1]}
ARRAYS |= {"test_labels": np.int64([1, 0]), "class_names": ["a", "b"]}
BAD_IMAGES = [
    (np.zeros((2, 4, 4, 1)), r"expected uint8 .* got float64 \[2, 4, 4, 1\] \(floats in \[0, 1\]:"),
    (jnp.zeros((2, 4, 4, 1), jnp.bfloat16), r"expected uint8 .* got bfloat16"),
    (IMAGES.astype(np.int32), r"expected uint8 .* got int32 .* \(convert with \.astype"),
    (IMAGES[..., 0], r"expected .* got \[2, 4, 4\] \(add channels: images\[\.\.\., None\]\)"),
    (np.zeros((2, 3, 5, 5), np.uint8), r"expected .*, channels last, .* \(transpose with"),
    (IMAGES[:0], r"expected uint8 .*, at least one, got \[0, 4, 4, 1\]"),
    ([[1], [2, 3]], r"expected uint8 images \[N, H, W, C\], got \[\[1\], \[2, 3\]\]"),
    ("photos", r"expected uint8"),
    (None, r"expected uint8"),
]
BAD_LABELS = [
    ([0, -1], r"expected classes from 0 (on|to 1), got -1 to 0"),
    ([0, 2**40], r"expected classes from 0 to \d+, got 0 to 1099511627776"),
    ([0.0, 1.0], r"expected integers \[2\], got float64 \[2\] \(convert with"),
    ([True, False], r"expected integers \[2\], got bool"),
    (["a", "b"], r"expected integers \[2\], got <U1"),
    (np.eye(2), r"expected integers \[2\], got float64 \[2, 2\] \(one-hot: argmax\(1\)\)"),
    ([0, 1, 1], r"expected one for each image, \[2\], got int64 \[3\]"),
    (0, r"expected one for each image, \[2\], got int64 \[\]"),
    ([[0], [1, 1]], r"expected integers \[2\], got \[\[0\], \[1, 1\]\]"),
]


RETURNED = [
    (None, "NoneType"),
    ((1, 2), "tuple"),
    (jnp.zeros(2), r"float32 \[2\]"),
    (jnp.zeros((3, 4)), r"float32 \[3, 4\]"),
]


class Returning(nnx.Module):
    """Returns the same, whatever it is given."""

    def __init__(self, value):
        self.value = nnx.data(value) if isinstance(value, jnp.ndarray) else value

    def __call__(self, *_):
        return self.value


def refused(call, sentence):
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}") as caught:
        call()
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        *(({"train_images": images}, f"train_images: {text}") for images, text in BAD_IMAGES),
        *(({"test_images": images}, f"test_images: {text}") for images, text in BAD_IMAGES),
        *(({"test_labels": labels}, f"test_labels: {text}") for labels, text in BAD_LABELS),
        ({"train_labels": [99, 0]}, "train_labels: expected classes from 0 to 1, got 0 to 99"),
        ({"class_names": ("a",)}, "train_labels: expected classes from 0 to 0, got 0 to 1"),
        ({"class_names": ()}, "class_names: expected a tuple of one name for each class"),
        *(({"name": name}, "name: expected a name") for name in (5, None, "", "a/b", "\n", "..")),
        ({"class_names": "ab"}, "class_names: expected a tuple of one name"),
        ({"class_names": (0, 1)}, "class_names: expected a tuple of one name"),
        (
            {"test_images": np.zeros((2, 5, 4, 1), np.uint8)},
            r"test_images: expected \[4, 4, 1\] as train_images, got \[5, 4, 1\]",
        ),
    ],
)
def test_a_data_set_refuses_other_arrays(change, sentence):
    refused(lambda: Dataset(**({"name": "own"} | ARRAYS | change)), sentence)


def test_a_data_set_takes_lists_and_all_integers():
    dataset = Dataset("own", **(ARRAYS | {"train_labels": np.uint8([0, 1])}))
    assert (dataset.train_labels.dtype, dataset.test_labels.dtype) == (np.int32, np.int32)
    assert dataset.test_labels.tolist() == [1, 0]
    assert dataset.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        *(({"images": images}, f"images: {text}") for images, text in BAD_IMAGES),
        *(({"labels": labels}, f"labels: {text}") for labels, text in BAD_LABELS),
        ({"model": None}, "model: expected a network such as"),
        ({"images": np.zeros((2, 5, 4, 1), np.uint8)}, r"images: expected \[N, 4, 4, 1\]"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"batch_size": 1.5}, "batch_size: expected at least 1, got 1.5"),
        ({}, "model: expected a network with weights, got an outline of one"),
        *(
            ({"model": Returning(value)}, rf"model: .* logits \[2, K\] for 2 images, got {got}")
            for value, got in RETURNED
        ),
    ],
)
def test_accuracy_refuses_what_it_cannot_count(change, sentence):
    usual = {"model": outline("mlp", (4, 4, 1), 2), "images": IMAGES, "labels": [0, 1]}
    refused(lambda: accuracy(**(usual | change)), sentence)


def test_accuracy_takes_classes_that_the_network_does_not_have():
    assert accuracy(create("mlp", (4, 4, 1), 2), IMAGES, [5, 9]) == 0


RECIPE = Recipe(SGD(), 1, 2, "made up")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "mlp"}, "model: expected a network such as"),
        ({"model": outline("mlp", (4, 4, 1), 1)}, "dataset: expected at most the 1 classes"),
        ({"model": outline("mlp", (5, 4, 1), 2)}, r"dataset: expected images \[5, 4, 1\] as the"),
        ({"dataset": "mnist"}, "dataset: expected a models.Dataset, got 'mnist'"),
        ({"recipe": None}, "recipe: expected a models.Recipe, got None"),
        ({"recipe": Recipe(SGD(), 1, 3, "")}, "dataset: expected at least one batch of 3"),
        ({"seed": -1}, r"seed: expected a whole number in \[0, 2\*\*32\), got -1"),
        ({"seed": 0.5}, "seed: expected a whole number"),
        ({"seed": 2**70}, "seed: expected a whole number"),
        ({"num_epochs": 0}, "num_epochs: expected at least 1 or None, got 0"),
        ({"num_epochs": "3"}, "num_epochs: expected at least 1 or None, got '3'"),
        ({"on_epoch": 5}, "on_epoch: expected a function or None, got 5"),
        ({"perturb": 5}, "perturb: expected a function or None, got 5"),
        ({"checkpoint": "x"}, "checkpoint: expected a models.TrainingCheckpoint or None, got 'x'"),
        (
            {"model": Returning(None)},
            r"model: expected a network with loss\(images",
        ),
        ({}, "model: expected a network with weights, got an outline of one"),
        *(
            (
                {"model": create("mlp", (4, 4, 1), 2), "perturb": Returning(value)},
                rf"perturb: expected it to return images \[2, 4, 4, 1\], got {got}",
            )
            for value, got in RETURNED
        ),
    ],
)
def test_training_refuses_before_anything_is_compiled(change, sentence):
    model, dataset = outline("mlp", (4, 4, 1), 2), Dataset("own", **ARRAYS)
    usual = {"model": model, "dataset": dataset, "recipe": RECIPE, "seed": 0}
    refused(lambda: train(**(usual | change)), sentence)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, 1e39, 1e-50, "x", None, True, [1]])
def test_a_recipe_refuses_numbers_that_train_nothing(value):
    refused(lambda: Recipe(SGD(value), 1, 1, ""), "learning_rate: expected a finite number above 0")
    for name in ("num_steps", "batch_size"):
        changes = {"num_steps": 1, "batch_size": 1, name: value}
        refused(lambda c=changes: Recipe(SGD(), **c, source=""), f"{name}: expected a whole number")


@pytest.mark.parametrize("name", [None, 3, ["mnist"], "", "x" * 5000, {}])
def test_names_of_other_types_are_refused(name):
    for call in (class_names, image_shape, load_dataset):
        refused(lambda call=call: call(name), "dataset: expected one of digits, mnist")
    refused(lambda: recipe_for("mlp", name), "dataset: expected a recipe for one of mnist")
    refused(lambda: recipe_for(name, "digits"), "model: expected one of lenet, mlp")


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
        ("[", "path: expected JSON in"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=sentence):
            read_class_names(path)
    with pytest.raises(FileNotFoundError, match=r"^path: .*no file at .*none\.json"):
        read_class_names(tmp_path / "none.json")
