"""A tiny victim and tiny data, so that experiments run in seconds and train nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jfool
import models
from experiments.lab import kinds
from models import Dataset


def _linear(weights: jax.Array, images: jax.Array) -> jax.Array:
    # A sum of products in a fixed order, whatever the batch.
    flat = images.reshape(len(images), -1)
    return (flat[:, :, None] * weights[None]).sum(1)


@pytest.fixture(autouse=True)
def data_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test needs a data set on this machine in order to have its settings checked."""
    monkeypatch.setattr(kinds, "check_prepared", lambda name, setting="dataset": None)


@pytest.fixture(scope="session")
def linear_model() -> Any:
    """Four classes, 6 x 6 grey images."""
    weights = np.random.default_rng(0).normal(size=(36, 4)).astype(np.float32)
    return jfool.wrap(_linear, weights, mean=0.5)


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    """A monkeypatch that lasts for a module."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def tiny_module(module_patch: pytest.MonkeyPatch, linear_model: Any) -> None:
    """For a module: `models` hands out the linear model and a data set of four classes."""
    patch_models(module_patch, linear_model)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, linear_model: Any) -> None:
    """For a test: the same."""
    patch_models(monkeypatch, linear_model)


def patch_models(patch: pytest.MonkeyPatch, linear_model: Any) -> None:
    """Makes `models` hand out the linear model and a data set of four classes."""
    images, labels = np.zeros((4, 6, 6, 1), np.uint8), np.arange(4, dtype=np.int32)
    names = ("north", "east", "south", "west")
    dataset = Dataset("digits", images, labels, images, labels, names)
    card = {
        "model": "lenet",
        "dataset": "digits",
        "seed": 0,
        "accuracy": 0.75,
        "num_test_images": 4,
        "weights": "made_up.safetensors",
    }
    patch.setattr(models, "load_dataset", lambda name: dataset)
    patch.setattr(models, "class_names", lambda name: names)
    patch.setattr(models, "trained", lambda *args, **kwargs: (linear_model, card))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"
