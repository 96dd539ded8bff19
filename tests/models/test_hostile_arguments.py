"""Every function that makes, loads or keeps networks refuses hostile values in a sentence.

The sentence names the argument and has at most 300 characters; nothing is made, written or trained.
"""

import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import models
from models import MLP, Dataset
from models.trained_networks import weights_path
from tests.fuzz import fault_of

HOSTILE = {
    "None": None,
    "truth": True,
    "zero": 0,
    "negative": -1,
    "huge": 2**70,
    "minus huge": -(2**70),
    "fraction": 2.5,
    "whole float": 3.0,
    "NaN": math.nan,
    "infinity": math.inf,
    "tiny": 1e-300,
    "bfloat16": np.array(1, jnp.bfloat16),
    "array": np.arange(4),
    "empty array": np.zeros(0),
    "empty text": "",
    "text": "hostile",
    "long text": "x" * 5000,
    "zero byte": "a\0b",
    "escape codes": "\x1b[31mred\x1b[0m",
    "surrogate": "\ud800",
    "nobody's home": "~nobody-of-this-name/a.safetensors",
    "bytes": b"mlp",
    "list": ["mlp"],
    "nested list": [[28, 28, 1]],
    "list of texts": ["28", "28", "1"],
    "list of fractions": [28.5, 28.5, 1.5],
    "list of huge": [2**40, 2**40, 3],
    "empty list": [],
    "dictionary": {"a": 1},
    "set": {1, 2, 3},
    "class": MLP,
    "function": len,
}
SPLIT = (np.zeros((20, 4, 4, 1), np.uint8), np.zeros(20, np.int32))
DATASET = Dataset("made up", *SPLIT, *SPLIT, class_names=("a", "b"))
RECIPE = models.Recipe(models.SGD(), num_steps=1, batch_size=10, source="made up")


def network():
    return MLP((4, 4, 1), 2, widths=(3, 3), rngs=nnx.Rngs(0))


def train(path="own.safetensors", name="mlp", dataset=DATASET, **options):
    """Every training that begins is one too many."""
    return models.trained(name, dataset, **{"recipe": RECIPE, "path": path, **options})


# Each function, its argument, a call with a value for it, and the values that are right.
CALLS = {
    ("create", "name"): (lambda v: models.create(v), ()),
    ("outline", "name"): (lambda v: models.outline(v), ()),
    ("outline", "image_shape"): (lambda v: models.outline("mlp", v), ("None",)),
    ("create", "image_shape"): (lambda v: models.create("lenet", v), ("None",)),
    ("outline", "num_classes"): (lambda v: models.outline("mlp", num_classes=v), ("None",)),
    ("create", "seed"): (
        lambda v: models.create("mlp", (4, 4, 1), 2, v),
        ("zero", "negative"),
    ),
    ("load", "name"): (lambda v: models.load(v, "none"), ()),
    ("load", "path"): (lambda v: models.load("mlp", v), ()),
    ("load", "image_shape"): (lambda v: models.load("mlp", "none", v), ("None",)),
    ("load", "num_classes"): (lambda v: models.load("mlp", "none", None, v), ("None",)),
    ("restore", "model"): (lambda v: models.restore(v, "none"), ()),
    ("restore", "path"): (lambda v: models.restore(network(), v), ()),
    ("save", "model"): (lambda v: models.save(v, "a.safetensors"), ()),
    ("save", "path"): (lambda v: models.save(network(), v), ()),
    ("save", "card"): (
        lambda v: models.save(network(), "a.safetensors", v),
        ("None", "dictionary"),
    ),
    ("read_card", "path"): (lambda v: models.read_card(v), ()),
    ("read_class_names", "path"): (lambda v: models.read_class_names(v), ()),
    ("weights_path", "name"): (
        lambda v: weights_path(v, "mnist", 0),
        ("text",),
    ),
    ("weights_path", "dataset_name"): (lambda v: weights_path("mlp", v, 0), ("text",)),
    ("weights_path", "seed"): (lambda v: weights_path("mlp", "mnist", v), ("zero", "negative")),
    ("trained", "dataset"): (lambda v: train(dataset=v), ()),
    ("trained", "seed"): (lambda v: train(seed=v), ("zero", "negative")),
    ("trained", "num_epochs"): (lambda v: train(num_epochs=v), ("None", "huge")),
    ("trained", "recipe"): (lambda v: train(recipe=v), ("None",)),
    ("trained", "path"): (lambda v: train(path=v), ("None",)),
    ("trained", "on_epoch"): (lambda v: train(on_epoch=v), ("None", "class", "function")),
    ("trained", "make"): (lambda v: train(make=v), ("None", "class", "function")),
    ("TrainingCheckpoint", "path"): (
        lambda v: models.TrainingCheckpoint(v, {}),
        ("text", "escape codes"),
    ),
    ("TrainingCheckpoint", "origin"): (
        lambda v: models.TrainingCheckpoint(Path("a.safetensors"), v),
        ("dictionary",),
    ),
}
PUBLIC = {"read_class_names",
          "create", "outline", "load", "restore", "save", "read_card", "weights_path", "trained",
          "TrainingCheckpoint"}  # fmt: skip


def test_every_function_is_in_the_table():
    assert {name for name, _ in CALLS} == PUBLIC <= set(models.__all__)


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_hostile_values_are_refused_in_a_sentence(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("models.trained_networks.train", None)
    function, right = CALLS[call]
    for kind, value in HOSTILE.items():
        if kind in right:
            continue
        with pytest.raises((TypeError, ValueError, FileNotFoundError)) as caught:
            function(value)
        assert fault_of(caught.value) is None, (kind, str(caught.value))
        assert str(caught.value).startswith(f"{call[1]}: expected "), (kind, str(caught.value))
        assert not [*tmp_path.iterdir()], kind


@pytest.mark.parametrize("shape", [(28, 28, 1), [28, 28, 1], (np.int64(28), 28, 1)])
def test_shapes_of_whole_numbers_are_taken(shape):
    assert models.outline("mlp", shape, np.int32(3)).num_classes == 3
