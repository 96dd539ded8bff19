"""Table 1: networks trained here or brought along, beside the paper's accuracies."""

import dataclasses

import numpy as np
import pytest

import models
from experiments import lab
from experiments.kumano2020.table1 import EXPERIMENT, PAPER, Settings, tables
from models import SGD, Dataset, Recipe

COMMAND = "kumano2020 table1"
RECIPE = Recipe(SGD(), num_steps=6, batch_size=10, source="made up")


@pytest.fixture
def stripes(monkeypatch, tmp_path):
    """Two easy classes, learned in six steps, in place of all data, and an empty cache."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, 16, 16, 1)).astype(np.uint8)
    images[labels == 1, :8] += 150
    dataset = Dataset("mnist", images, labels, images, labels, ("low", "high"))
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "image_shape", lambda name: dataset.image_shape)
    monkeypatch.setattr(models, "class_names", lambda name: dataset.class_names)
    monkeypatch.setattr("models.recipes.RECIPES", {"mnist": {"mlp": RECIPE}})
    return dataset


def made(out, **changes):
    settings = dataclasses.replace(Settings(("mnist",), ("mlp",)), **changes)
    return EXPERIMENT.run(COMMAND, "paper", settings, out)


def test_the_paper_stands_beside_what_was_measured(stripes, tmp_path):
    section = made(tmp_path / "first")
    model, _ = models.trained("mlp", stripes)
    accuracy = models.accuracy(model, stripes.test_images, stripes.test_labels)
    (table,) = section.tables
    assert table.rows == ["mnist, mlp"]
    assert table.measured == [[f"{100 * accuracy:.2f}", 40, "SGD 0.01, 6 steps of 10"]]
    assert table.paper == [[97, None, None]]
    assert (section.name, section.preset) == ("kumano2020/table1", "paper")

    file = tmp_path / "mine.safetensors"
    models.save(model, file)
    brought = made(tmp_path / "second", networks=(f"mlp={file}",))
    assert brought.tables[0].measured == [
        [f"{100 * accuracy:.2f}", 40, "weights of mine.safetensors"]
    ]
    assert "--networks mlp=mine.safetensors" in brought.command


def test_trainings_that_ended_early_and_other_seeds_say_so(stripes, out):
    section = made(out, training_seed=1, num_epochs=1)
    (table,) = section.tables
    assert table.rows == ["mnist, mlp (seed 1)"]
    assert table.measured[0][2].endswith(", ended after epoch 1")
    assert section.preset == "paper, other num_epochs"


def test_rows_are_the_papers_data_sets_and_networks():
    pairs = Settings().pairs()
    assert len(pairs) == 4 + 4 + 3
    assert pairs[0] == ("mnist", "mlp")
    assert Settings(("cifar10", "mnist"), ("mlp", "nin=a")).pairs() == [
        ("cifar10", "nin=a"),
        ("mnist", "mlp"),
    ]
    for dataset, row in PAPER.items():
        assert all(models.recipe_for(name, dataset) for name in row)
    columns = {"accuracy": 0.5, "num_test_images": 4, "training": "", "seed": 0}
    (other,) = tables(Settings(), lab.Records.of(dataset=["digits"], network="mlp", **columns))
    assert other.paper is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ("mlp=no.safetensors",)}, "networks: expected a file, got none at no"),
        ({"networks": ("mlp=",)}, "networks: expected NAME or NAME=FILE, got 'mlp='"),
        ({"networks": ("mlp", "mlp=a")}, "networks: expected different ones, got mlp mlp"),
        ({"num_epochs": 0}, "num_epochs: expected a number of at least 1, got 0"),
        ({"datasets": ("svhn",)}, "datasets: expected one of .*, got 'svhn'"),
        ({"networks": ("nin",)}, "networks: expected one of .* for mnist, got 'nin'"),
        ({"datasets": ()}, "datasets: expected one or more different ones, got none"),
        ({"datasets": ("mnist", "mnist")}, "datasets: expected one or more different ones, got"),
        ({"networks": ()}, "networks: expected at least one, got none"),
        (
            {"datasets": ("digits",), "networks": None},
            "networks: expected at least one for digits,",
        ),
        ({"datasets": ("digits",), "networks": ("nin",)}, "networks: expected one of .*'nin'"),
        ({"training_seed": -1}, r"training_seed: expected a whole number in \[0, 2\*\*32\), got"),
    ],
)
def test_what_cannot_work_is_refused(changes, sentence, out):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        made(out, **changes)
    assert not out.exists()
