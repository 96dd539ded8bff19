"""Training by command, weights of one's own, and the tables about networks."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import models
from experiments import networks, sfi, train
from experiments.bench import precision
from experiments.lab import picture, record
from experiments.lab.victims import check_specs, check_victim, victim
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
