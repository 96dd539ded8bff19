"""The data sets that the victim networks are trained on, as arrays in memory.

`digits` comes with scikit-learn and needs no download. The others are read from data prepared by
tensorflow-datasets, without TensorFlow. Decoding tens of thousands of PNG files takes a while, so
the arrays are kept in the cache folder.
"""

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.cache import cache_folder, check_writable, replacing
from models.data_checks import as_images, as_labels, as_names
from models.names import is_word, one_of
from models.paths import given_path, home, shown

_DIGITS = tuple("0123456789")
_CLASS_NAMES = {
    "digits": _DIGITS,
    "mnist": _DIGITS,
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}
DATASETS = tuple(_CLASS_NAMES)

_GREY_SIDE = 28
_DIGITS_TEST_SHARE = 0.2
_DIGITS_SPLIT_SEED = 0

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a training and a test split.

    Sizes may differ from the published ones: a folder may contain only a part of a split.

    Attributes:
      name: one of `DATASETS`, or any other name that a file can have.
      train_images: `[N, H, W, C]` uint8.
      train_labels: `[N]` int32, indices into `class_names`; other integers are converted.
      test_images: `[M, H, W, C]` uint8.
      test_labels: `[M]` int32.
      class_names: one name per class.
    Raises:
      TypeError, ValueError: naming the field, what was expected, and what came.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not is_word(self.name):
            raise ValueError(f"name: expected a name that a file can have, got {self.name!r:.60}")
        checked: dict[str, Any] = {"class_names": as_names("class_names", self.class_names)}
        for split in ("train", "test"):
            images, labels = f"{split}_images", f"{split}_labels"
            checked[images] = as_images(images, getattr(self, images))
            sizes = len(checked[images]), len(checked["class_names"])
            checked[labels] = as_labels(labels, getattr(self, labels), *sizes)
        ours, theirs = (list(checked[f"{split}_images"].shape[1:]) for split in ("test", "train"))
        if ours != theirs:
            raise ValueError(f"test_images: expected {theirs} as train_images, got {ours}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of one image."""
        height, width, channels = self.train_images.shape[1:]
        return height, width, channels

    def sha256(self) -> str:
        """Digest of the images and labels of both splits."""
        digest = hashlib.sha256()
        for name in _ARRAYS:
            digest.update(getattr(self, name).tobytes())
        return digest.hexdigest()


def class_names(dataset: str) -> tuple[str, ...]:
    """The names of the classes of a data set, in order; reads no data.

    Raises:
      ValueError: unknown data set.
    """
    if not isinstance(dataset, str) or dataset not in _CLASS_NAMES:
        raise ValueError(f"dataset: expected {one_of(DATASETS, dataset)}, got {dataset!r:.60}")
    return _CLASS_NAMES[dataset]


def image_shape(dataset: str) -> tuple[int, int, int]:
    """`(H, W, C)` of the images of a data set; reads no data.

    Raises:
      ValueError: unknown data set.
    """
    class_names(dataset)
    return (32, 32, 3) if dataset == "cifar10" else (_GREY_SIDE, _GREY_SIDE, 1)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Class names from a file, as for ImageNet: a JSON list of strings, in order.

    Raises:
      FileNotFoundError: there is no such file.
      TypeError, ValueError: no path, or it is not a list of strings.
    """
    path = given_path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"path: expected class names, got no file at {shown(path)}")
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        reason = f"{error!s:.80}"
        raise ValueError(f"path: expected JSON in {shown(path)}, got {reason}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"path: expected a JSON list of strings in {shown(path)}, got {type(names).__name__}"
        )
    return tuple(names)


def load_dataset(name: str) -> Dataset:
    """Reads a data set.

    Args:
      name: one of `DATASETS`.
    Returns:
      The data on this machine; `digits` always has 1 437 and 360 images.
    Raises:
      ValueError: unknown name.
      FileNotFoundError: the data has not been prepared on this machine.
      OSError: the prepared data is damaged, or its format has no random access.
    """
    names = class_names(name)
    arrays = _digits() if name == "digits" else _prepared(name)
    return Dataset(name, **arrays, class_names=names)


def _digits() -> dict[str, np.ndarray]:
    """scikit-learn's 8 x 8 scans, enlarged to 28 x 28 by bilinear interpolation; 16 becomes 255.

    The split is stratified and fixed. (E. Alpaydin, C. Kaynak, UCI Optical Recognition of
    Handwritten Digits; the UCI test set of 1 797 scans.)
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans, labels = load_digits(return_X_y=True)
    images = np.stack([_enlarge(scan.reshape(8, 8) * (255 / 16)) for scan in scans])
    labels = labels.astype(np.int32)
    train, test = train_test_split(
        np.arange(len(labels)),
        test_size=_DIGITS_TEST_SHARE,
        stratify=labels,
        random_state=_DIGITS_SPLIT_SEED,
    )
    return {
        "train_images": images[train],
        "train_labels": labels[train],
        "test_images": images[test],
        "test_labels": labels[test],
    }


def _enlarge(scan: np.ndarray) -> np.ndarray:
    """`[8, 8]` grey levels to uint8 `[28, 28, 1]`."""
    size = (_GREY_SIDE, _GREY_SIDE)
    enlarged = Image.fromarray(scan.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.rint(np.asarray(enlarged)).astype(np.uint8)[..., None]


def _prepared(name: str) -> dict[str, np.ndarray]:
    """The arrays of a data set that tensorflow-datasets prepared; decoded once, then cached."""
    import tensorflow_datasets as tfds

    folder = _newest_version(name)
    with _blaming(folder):
        options = {"data_dir": folder.parent.parent, "download": False}
        sources = {
            split: tfds.data_source(f"{name}:{folder.name}", split=split, **options)
            for split in ("train", "test")
        }
    sizes = "-".join(str(len(source)) for source in sources.values())
    path = cache_folder() / "datasets" / f"{name}-{folder.name}-{sizes}.npz"
    if (cached := _read_cached(path)) is not None:
        return cached
    check_writable(path.parent, "JFOOL_CACHE")

    arrays: dict[str, Any] = {}
    for split, source in sources.items():
        with _blaming(folder):
            records = list(source)
        arrays[f"{split}_images"] = np.stack([record["image"] for record in records])
        arrays[f"{split}_labels"] = np.array([record["label"] for record in records], np.int32)
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)
    return arrays


def check_prepared(name: str, setting: str = "dataset") -> None:
    """Refuses a data set that is not on this machine; reads no data.

    Args:
      name: one of `DATASETS`.
      setting: what the user calls it.
    Raises:
      FileNotFoundError: naming the setting, and what to do.
    """
    if name != "digits":
        _newest_version(name, setting)


def _newest_version(name: str, setting: str = "dataset") -> Path:
    """The folder of the newest prepared version of a data set."""
    root = home(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    infos = (root / name).glob("*/dataset_info.json")
    prepared = [info.parent for info in infos if _VERSION.fullmatch(info.parent.name)]
    if not prepared:
        raise FileNotFoundError(
            f"{setting}: expected {name} in TFDS_DATA_DIR, got none in {root!s:.60} (set it, or "
            'pip install "jfool[prepare]" and run python -c "import tensorflow_datasets as t; '
            f"t.builder('{name}', file_format='array_record').download_and_prepare()\")"
        )
    return max(prepared, key=lambda folder: [int(part) for part in folder.name.split(".")])


@contextmanager
def _blaming(folder: Path) -> Iterator[None]:
    """Turns any error of tensorflow-datasets into one that names the folder."""
    try:
        yield
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise OSError(
            f"{folder} is damaged or not array_record data, prepare it again: {reason}"
        ) from error


def _read_cached(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a cache file; None if it is missing or damaged (zip has checksums)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in _ARRAYS}
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
