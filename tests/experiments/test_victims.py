"""Training by command, weights of one's own, and the tables about networks."""

import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import models
from experiments import networks, sfi, train
from experiments.bench import precision
from experiments.kumano2020 import table1
from experiments.lab import picture, record
from experiments.lab.victims import check_specs, check_victim, how, victim
from models import SGD, Dataset, Recipe

RECIPE = Recipe(SGD(), num_steps=6, batch_size=10, source="made up")


@pytest.fixture
def stripes(monkeypatch, tmp_path):
    """Two easy classes, learnt in six steps, and an empty cache."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, 16, 16, 1)).astype(np.uint8)
    images[labels == 1, :8] += 150
    dataset = Dataset("digits", images, labels, images, labels, ("low", "high"))
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr("models.zoo.RECIPES", {"digits": {"mlp": RECIPE}, "mnist": {"mlp": RECIPE}})
    return dataset


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_train_writes_weights_that_sfi_can_attack(stripes, tmp_path, capsys):
    path = tmp_path / "mlp.safetensors"
    train.main(train.Config(model="mlp", out=path))
    line = last_line(capsys)
    assert line["weights"] == str(path)
    assert line["card"] == models.read_card(path)
    small = {"k": 2, "population": 4, "generations": 1, "until": None, "colors": ("black",)}
    sfi.main(sfi.Config(model="mlp", weights=path, out=tmp_path / "sfi", **small))
    card = json.loads((tmp_path / "sfi" / record.RESULTS).read_text())["model"]
    assert card["weights"] == "mlp.safetensors"
    assert card["accuracy"] == line["card"]["accuracy"]
    assert len(card["sha256"]) == 64


def test_a_trained_network_is_not_trained_again(stripes, capsys):
    train.main(train.Config(model="mlp"))
    assert "epoch 1" in capsys.readouterr().err
    train.main(train.Config(model="mlp"))
    assert "epoch 1" not in capsys.readouterr().err


def test_a_file_where_the_card_belongs_is_not_overwritten(stripes, tmp_path):
    other = tmp_path / "results.json"
    other.write_text('{"important": 1}')
    with pytest.raises(ValueError, match=r"out: expected no file but a card at .*results\.json"):
        train.main(train.Config(model="mlp", out=tmp_path / "results.safetensors"))
    with pytest.raises(ValueError, match=r"path: expected no file but a card at .*results"):
        models.save(models.create("mlp", (16, 16, 1), 2), tmp_path / "results.safetensors")
    assert other.read_text() == '{"important": 1}'


def test_a_training_that_ended_early_leaves_no_weights_but_those_asked_for(
    stripes, tmp_path, capsys
):
    train.main(train.Config(model="mlp", num_epochs=1))
    line = last_line(capsys)
    assert line["weights"] is None
    assert line["card"]["epochs"] == 1
    path = tmp_path / "mlp.safetensors"
    train.main(train.Config(model="mlp", num_epochs=1, out=path))
    assert last_line(capsys)["weights"] == str(path)
    assert models.read_card(path)["epochs"] == 1


def test_weights_of_ones_own_classify_as_the_network_they_came_from(stripes, tmp_path):
    model, card = victim("mlp", stripes)
    models.save(model, tmp_path / "w.safetensors")
    again, again_card = victim("mlp", stripes, weights=tmp_path / "w.safetensors")
    images = (stripes.test_images / 255).astype(np.float32)
    np.testing.assert_array_equal(model(images), again(images))
    assert again_card["accuracy"] == card["accuracy"]


@pytest.mark.parametrize(
    ("name", "dataset", "weights", "error", "sentence"),
    [
        ("vgg", "digits", None, ValueError, "model: expected one of .*, got 'vgg'"),
        ("mlp", "svhn", None, ValueError, "dataset: expected one of .*, got 'svhn'"),
        ("resnet50", "digits", None, ValueError, "model: expected one of .*, got 'resnet50'"),
        ("mlp", "digits", "none", FileNotFoundError, "weights: expected a file, got none at"),
    ],
)
def test_what_cannot_work_is_refused_before_data_are_read(
    name, dataset, weights, error, sentence, tmp_path
):
    with pytest.raises(error, match=sentence):
        check_victim(name, dataset, weights and tmp_path / weights)


def test_a_network_without_a_recipe_is_refused_by_the_name_that_the_user_knows():
    with pytest.raises(ValueError, match=r"networks: expected one of .*, got 'resnet50'"):
        check_specs(["resnet50"], "digits")


def test_train_refuses_another_kind_of_file(stripes, tmp_path):
    with pytest.raises(ValueError, match=r"out: expected a file ending in \.safetensors"):
        train.main(train.Config(model="mlp", out=tmp_path / "weights.pth"))


def test_table1_sets_the_paper_beside_what_was_measured(stripes, tmp_path, capsys):
    config = table1.Config(datasets=("mnist",), models=("mlp",), out=tmp_path / "table1.json")
    table1.main(config)
    printed = capsys.readouterr().out
    (row,) = json.loads(printed.splitlines()[-1])["rows"]
    assert row["paper"] == 97
    assert row["accuracy"] == models.accuracy(
        victim("mlp", dataclasses.replace(stripes))[0], stripes.test_images, stripes.test_labels
    )
    assert f"{100 * row['accuracy']:.2f}" in printed
    assert json.loads((tmp_path / "table1.json").read_text())["rows"] == [row]


def test_table1_says_which_weights_are_published_and_which_training_ended_early(
    stripes, tmp_path, monkeypatch, capsys
):
    _, card = victim("mlp", stripes)
    file = tmp_path / "mine.safetensors"
    models.save(models.trained("mlp", stripes)[0], file)
    config = table1.Config(datasets=("mnist",), models=(f"mlp={file}",))
    table1.main(config)
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["models"] == ["mlp=mine.safetensors"]
    assert record["rows"][0]["accuracy"] == card["accuracy"]
    assert how(record["rows"][0]) == "weights of mine.safetensors"

    table1.main(table1.Config(datasets=("mnist",), models=("mlp",), seed=1, num_epochs=1))
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert row["epochs"] == 1
    assert how(row).endswith(", ended after epoch 1")
    assert "epochs" not in card


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"models": ("mlp=no.safetensors",)}, "models: expected a file of weights, got none at no"),
        ({"models": ("mlp=",)}, "network: expected NAME or NAME=FILE, got 'mlp='"),
        ({"models": ("mlp", "mlp=a")}, "datasets, models: expected each once, got .* mlp mlp=a"),
        ({"num_epochs": 0}, "num_epochs: expected at least 1, got 0"),
        ({"datasets": ("digits",)}, "datasets: expected mnist, .*, got 'digits'"),
        ({"datasets": ("mnist",), "models": ("nin",)}, "models: expected .*, got 'nin'"),
        ({"datasets": ()}, "datasets: expected at least one, got none"),
        ({"models": ()}, "models: expected at least one, got none"),
        ({"seed": -1}, r"seed: expected a whole number in \[0, 2\*\*32\), got -1"),
        ({"out": Path("/")}, "out: expected a file, got the folder /"),
    ],
)
def test_table1_knows_the_papers_rows_alone(config, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        table1.main(table1.Config(**config))


def test_every_network_of_table1_has_a_recipe():
    for dataset, row in table1.PAPER.items():
        assert all(models.recipe_for(name, dataset) for name in row)


def test_networks_lists_every_architecture(capsys):
    networks.main(networks.Config())
    listed = last_line(capsys)["networks"]
    assert list(listed) == list(models.ARCHITECTURES)
    assert listed["resnet50"]["num_parameters"] == 25_557_032


def test_networks_shows_the_layers_of_one_in_order(capsys):
    networks.main(networks.Config(name="lenet"))
    layers = last_line(capsys)["layers"]
    assert list(layers) == list(models.LeNet.layers)
    assert layers["pool2"] == [4, 4, 50]


def test_precision_compares_two_passes_over_the_same_images():
    class Halves(models.Network):
        """Logits that differ where bfloat16 rounds the pixels."""

        layers = ("logits",)
        image_shape, num_classes = (1, 2, 1), 2

        def walk(self, images):
            yield "logits", 1024 * images.reshape(len(images), 2)

    images = np.array([[0, 255], [255, 254], [254, 255]], np.uint8).reshape(3, 1, 2, 1)
    figures = precision.compare(Halves(), images, batch=2)
    assert figures["num_images"] == 3
    exact = 1 / (1 + np.exp(-1024 / 255))  # of the later two images
    gap = 1024 * (1 - float(jnp.bfloat16(254 / 255)))  # a power of two rounds nothing
    error = abs(exact - 1 / (1 + np.exp(-gap)))
    assert figures["largest_confidence_error"] == pytest.approx(error, abs=1e-5)
    assert figures["mean_confidence_error"] == pytest.approx(error * 2 / 3, abs=1e-5)


def test_a_network_without_a_name_of_its_own_is_drawn_under_its_key():
    assert picture._model_name("cnn_nopool") == "CNN without pooling"
    assert picture._model_name("cifar_resnet20") == "cifar_resnet20"
