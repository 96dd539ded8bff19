"""Networks by name, and the cache of trained ones."""

import json

import numpy as np
import pytest

from jfool.sweeps.fingerprint import digest
from models import CNN, MLP, SGD, LeNet, Recipe, create, load_dataset, recipe_for, trained
from models.zoo import weights_path

RECIPE = Recipe(SGD(), num_steps=10, batch_size=10, source="made up")


@pytest.fixture
def recipes(monkeypatch, cache):
    """A short recipe for the stripes, and an empty cache."""
    table = {"stripes": {"lenet": RECIPE, "mlp": RECIPE}}
    monkeypatch.setattr("models.zoo.RECIPES", table)
    return table


def reports_of(name, dataset, seed=0):
    """What `trained` gives, and how many epochs it trained for it."""
    reports = []
    model, card = trained(name, dataset, seed, lambda *report: reports.append(report))
    return model, card, len(reports)


@pytest.mark.parametrize(
    ("name", "kind", "layer"),
    [
        ("lenet", LeNet, "ip1"),
        ("mlp", MLP, "fc3"),
        ("cnn", CNN, "pool3"),
        ("cnn_nopool", CNN, "conv3"),
    ],
)
def test_names_make_the_networks_they_promise(name, kind, layer):
    model = create(name, (16, 16, 3), 4)
    assert type(model) is kind
    assert layer in model.layers
    assert ("pool1" in model.layers) == (name in {"lenet", "cnn"})
    model.eval()
    assert model(np.zeros((2, 16, 16, 3), np.float32)).shape == (2, 4)


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"expected one of lenet, mlp, .* got 'vgg'"):
        create("vgg")


@pytest.mark.parametrize(
    ("image_shape", "num_classes", "sentence"),
    [
        ((28, 28), 10, r"image_shape: expected \(height, width, channels\), got \(28, 28\)"),
        (28, 10, r"image_shape: expected \(height, width, channels\), got 28"),
        ((28.5, 28, 1), 10, r"image_shape: expected \(height, width, channels\), got \(28.5"),
        ((28, 28, 1), 2.5, "num_classes: expected at least 1, got 2.5"),
        ((28, 28, 0), 10, r"image_shape: expected \(height, width, channels\)"),
        ((28, 28, 1), 0, "num_classes: expected at least 1, got 0"),
        ((15, 28, 1), 10, "image_shape: expected at least 16 x 16 pixels, got 15 x 28"),
    ],
)
def test_shapes_that_make_no_network_are_refused(image_shape, num_classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        create("lenet", image_shape, num_classes)


def test_grey_images_are_refused_by_a_network_for_colours():
    with pytest.raises(ValueError, match="image_shape: expected 3 channels, got 1"):
        create("cifar_resnet20", (32, 32, 1))


def test_a_network_is_trained_once_and_remembered(stripes, recipes):
    first, card, num_epochs = reports_of("lenet", stripes)
    again, same_card, no_epochs = reports_of("lenet", stripes)
    assert (num_epochs, no_epochs) == (2, 0)
    assert card == same_card
    images = (stripes.test_images / 255).astype(np.float32)
    np.testing.assert_array_equal(first(images), again(images))


def test_networks_come_in_evaluation_mode_trained_or_remembered(stripes, recipes):
    for expected_epochs in (2, 0):
        model, _, num_epochs = reports_of("mlp", stripes)
        assert num_epochs == expected_epochs
        assert model.dropout.deterministic


def test_a_network_just_trained_is_that_of_the_cache_its_random_streams_included(stripes, recipes):
    first, again = (reports_of("mlp", stripes)[0] for _ in range(2))
    assert digest(first) == digest(again)  # so a sweep that began with one goes on with the other


def test_the_card_says_what_the_weights_are(stripes, recipes):
    _, card, _ = reports_of("lenet", stripes, seed=3)
    assert card == json.loads(weights_path("lenet", "stripes", 3).with_suffix(".json").read_text())
    assert (card["model"], card["dataset"], card["seed"]) == ("lenet", "stripes", 3)
    assert (card["num_train_images"], card["num_test_images"]) == (50, 23)
    assert card["recipe"] == RECIPE.settings()
    assert card["source"] == "made up"
    assert card["accuracy"] * 23 == pytest.approx(round(card["accuracy"] * 23))
    assert set(card["versions"]) == {"jax", "flax", "optax", "numpy"}


def test_another_recipe_trains_anew(stripes, recipes):
    reports_of("lenet", stripes)
    recipes["stripes"]["lenet"] = Recipe(SGD(0.02), 15, 10, "made up")
    _, card, num_epochs = reports_of("lenet", stripes)
    assert num_epochs == 3
    assert card["recipe"]["optimizer"]["learning_rate"] == 0.02


def test_other_data_of_that_name_trains_anew(stripes, recipes):
    import dataclasses

    reports_of("lenet", stripes)
    fewer = {"test_images": stripes.test_images[:9], "test_labels": stripes.test_labels[:9]}
    _, card, num_epochs = reports_of("lenet", dataclasses.replace(stripes, **fewer))
    assert (num_epochs, card["num_test_images"]) == (2, 9)


def test_a_card_whose_weights_are_gone_trains_anew(stripes, recipes):
    reports_of("lenet", stripes)
    weights_path("lenet", "stripes", 0).unlink()
    _, _, num_epochs = reports_of("lenet", stripes)
    assert num_epochs == 2


def test_damaged_files_in_the_cache_are_named(stripes, recipes):
    reports_of("lenet", stripes)
    path = weights_path("lenet", "stripes", 0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"lenet-seed0.*delete it to train anew"):
        trained("lenet", stripes)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match=r"is not a readable card.*delete it to train anew"):
        trained("lenet", stripes)


def test_lenet_learns_the_digits_to_97_percent(cache, full_compiler):
    digits = load_dataset("digits")
    assert recipe_for("lenet", "digits").num_steps == 440
    _, card, num_epochs = reports_of("lenet", digits)
    assert num_epochs == 10
    assert card["accuracy"] >= 0.97


def test_a_cache_that_cannot_be_written_is_refused_before_the_training(
    stripes, recipes, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "file"))
    epochs = []
    with pytest.raises(ValueError, match="JFOOL_CACHE: expected a folder to write to"):
        trained("mlp", stripes, 0, lambda *report: epochs.append(report))
    assert not epochs
