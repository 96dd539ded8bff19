"""A small data set, and strict rules lifted where optax does not keep them."""

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from models import Dataset

collect_ignore_glob = ["goldens/*"]  # they import torch; pytest would look for doctests


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """optax.adam mixes dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Published weights, which are no part of the project."""
    return _folder("JFOOL_WEIGHTS", "weights")


@pytest.fixture(scope="session")
def photos_folder() -> Path:
    """Photographs with their ImageNet classes, which are no part of the project."""
    return _folder("JFOOL_PHOTOS", "photos")


def _folder(variable: str, name: str) -> Path:
    """By environment variable, else in `shared` beside the checkout; the test skips without."""
    beside = Path(__file__).parents[3] / "shared" / name
    folder = Path(os.environ.get(variable, beside))
    if not folder.is_dir():
        pytest.skip(f"no {name}: {variable} names no folder")
    return folder


@pytest.fixture
def stripes() -> Dataset:
    """Two easy classes, 16 x 16: bright left half or bright right half; 50 and 23 images."""
    random = np.random.default_rng(0)

    def split(size: int) -> tuple[np.ndarray, np.ndarray]:
        labels = random.integers(0, 2, size).astype(np.int32)
        images = random.integers(0, 100, (size, 16, 16, 1)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 8 * label : 8 * label + 8] += 150
        return images, labels

    return Dataset("stripes", *split(50), *split(23), class_names=("left", "right"))
