"""Training by command, weights of one's own, and the tables about networks."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import models
from experiments import lab, networks, sfi, train
from experiments.bench import precision
from experiments.lab.settings import check
from experiments.lab.victims import check_network, how
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
    monkeypatch.setattr(models, "image_shape", lambda name: (16, 16, 1))
    monkeypatch.setattr(models, "class_names", lambda name: ("low", "high"))
    monkeypatch.setattr(
        "models.recipes.RECIPES", {"digits": {"mlp": RECIPE}, "mnist": {"mlp": RECIPE}}
    )
    return dataset


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_train_writes_weights_that_sfi_can_attack(stripes, tmp_path, capsys):
    path = tmp_path / "mlp.safetensors"
    train.main(train.Settings(network="mlp", out=path))
    line = last_line(capsys)
    assert line["weights"] == str(path)
    assert line["card"] == models.read_card(path)
    small = {"k": 2, "population": 4, "generations": 1, "until": None, "colors": ("black",)}
    settings = lab.changed(sfi.Settings(), network=f"mlp={path}", **small)
    section = sfi.EXPERIMENT.run("sfi", "", settings, tmp_path / "sfi")
    assert section.settings["network"] == "mlp=mlp.safetensors"
    accuracy = 100 * line["card"]["accuracy"]
    note = f"mlp (weights of mlp.safetensors) classifies {accuracy:.1f} % of 40 test images."
    assert section.notes[0] == note


def test_a_trained_network_is_not_trained_again(stripes, capsys):
    train.main(train.Settings(network="mlp"))
    assert "epoch 1" in capsys.readouterr().err
    train.main(train.Settings(network="mlp"))
    assert "epoch 1" not in capsys.readouterr().err


def test_a_file_where_the_card_belongs_is_not_overwritten(stripes, tmp_path):
    other = tmp_path / "results.json"
    other.write_text('{"important": 1}')
    with pytest.raises(ValueError, match=r"out: expected no file but a card at .*results\.json"):
        train.main(train.Settings(network="mlp", out=tmp_path / "results.safetensors"))
    with pytest.raises(ValueError, match=r"path: expected no file but a card at .*results"):
        models.save(models.create("mlp", (16, 16, 1), 2), tmp_path / "results.safetensors")
    assert other.read_text() == '{"important": 1}'


def test_a_training_that_ended_early_leaves_no_weights_but_those_asked_for(
    stripes, tmp_path, capsys
):
    train.main(train.Settings(network="mlp", num_epochs=1))
    line = last_line(capsys)
    assert line["weights"] is None
    assert line["card"]["epochs"] == 1
    path = tmp_path / "mlp.safetensors"
    train.main(train.Settings(network="mlp", num_epochs=1, out=path))
    assert last_line(capsys)["weights"] == str(path)
    assert models.read_card(path)["epochs"] == 1


def test_weights_of_ones_own_classify_as_the_network_they_came_from(stripes, tmp_path):
    trained = lab.load_victim("mlp", stripes)
    models.save(trained.model, tmp_path / "w.safetensors")
    again = lab.load_victim(f"mlp={tmp_path / 'w.safetensors'}", stripes)
    images = (stripes.test_images / 255).astype(np.float32)
    np.testing.assert_array_equal(trained.model(images), again.model(images))
    assert again.accuracy == trained.accuracy
    assert (again.image_shape, again.num_classes) == ((16, 16, 1), 2)
    assert len(again.card["sha256"]) == 64
    assert "trained here, seed 0" in trained.note
    assert (how(again.card), how(trained.card)) == (
        "weights of w.safetensors",
        "SGD 0.01, 6 steps of 10",
    )
    early = lab.load_victim("mlp", stripes, 1, num_epochs=1)
    assert how(early.card).endswith(", ended after epoch 1")


@pytest.mark.parametrize(
    ("spec", "error", "sentence"),
    [
        ("vgg", ValueError, "network: expected one of .*, got 'vgg'"),
        ("resnet50", ValueError, "network: expected one of .*, got 'resnet50'"),
        ("mlp=", ValueError, "network: expected NAME or NAME=FILE, got 'mlp='"),
        ("mlp=none", FileNotFoundError, "network: expected a file, got none at none"),
    ],
)
def test_a_network_that_cannot_be_had_is_refused_before_data_are_read(spec, error, sentence):
    with pytest.raises(error, match=sentence):
        check_network(spec, "digits")


def test_a_network_without_a_recipe_is_refused_by_the_name_that_the_user_knows():
    with pytest.raises(ValueError, match=r"networks: expected one of .*, got 'resnet50'"):
        check_network("resnet50", "digits", "networks")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": "resnet50"}, "network: expected one of .*, got 'resnet50'"),
        ({"dataset": "svhn"}, "dataset: expected one of .*, got 'svhn'"),
        ({"seed": -1}, r"seed: expected a whole number in \[0, 2\*\*32\), got -1"),
        ({"num_epochs": 0}, "num_epochs: expected a number of at least 1, got 0"),
    ],
)
def test_settings_of_a_training_that_cannot_work_are_named(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        check(train.Settings(**changes))


def test_train_refuses_another_kind_of_file(stripes, tmp_path):
    with pytest.raises(ValueError, match=r"out: expected a file ending in \.safetensors"):
        train.main(train.Settings(network="mlp", out=tmp_path / "weights.pth"))


def test_networks_lists_the_architectures(monkeypatch, capsys):
    few = {name: models.ARCHITECTURES[name] for name in ("mlp", "squeezenet1_1")}
    monkeypatch.setattr(models, "ARCHITECTURES", few)
    networks.main(networks.Settings())
    listed = last_line(capsys)["networks"]
    assert list(listed) == list(few)
    assert listed["squeezenet1_1"]["num_parameters"] == 1_235_496


def test_networks_shows_the_layers_of_one_in_order(capsys):
    networks.main(networks.Settings(name="lenet"))
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
