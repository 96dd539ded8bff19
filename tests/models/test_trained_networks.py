"""Trained networks are kept, found again, and trained on where a training stopped."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from flax import nnx

from jfool.sweeps.fingerprint import digest
from models import MLP, SGD, Adam, Recipe, accuracy, load_dataset, recipe_for, save, trained
from models.trained_networks import weights_path

TWO_EPOCHS = Recipe(SGD(), num_steps=10, batch_size=10, source="made up")
FOUR_EPOCHS = Recipe(Adam(), num_steps=20, batch_size=10, source="made up")
TINY = partial(MLP, widths=(8, 8), dropout_rate=0.5)

pytestmark = pytest.mark.usefixtures("cache", "standard_promotion")


class StoppedError(Exception):
    """Stands for Ctrl-C."""


def epochs_of(dataset, seed=0, stop_after=None, recipe=TWO_EPOCHS, **options):
    """What `trained` returns for a tiny network, and the epochs that it trained."""
    epochs = []

    def on_epoch(number, loss, accuracy):
        epochs.append(number)
        if number == stop_after:
            raise StoppedError

    options = {"make": TINY, "recipe": recipe, **options}
    model, card = trained("tiny", dataset, seed, on_epoch, **options)
    return model, card, epochs


@pytest.fixture
def path():
    return weights_path("tiny", "stripes", 0)


@pytest.fixture
def checkpoint(path):
    return path.with_suffix(".checkpoint.safetensors")


def test_a_network_is_trained_once_and_found_in_evaluation_mode(stripes):
    first, card, epochs = epochs_of(stripes)
    again, same_card, none = epochs_of(stripes)
    assert (epochs, none) == ([1, 2], [])
    assert card == same_card
    assert first.dropout.deterministic
    assert again.dropout.deterministic
    # With the random streams, so a sweep that began with one resumes with the other.
    assert digest(first) == digest(again)


def test_by_default_name_and_recipe_are_those_of_the_tables(stripes, monkeypatch):
    monkeypatch.setattr("models.recipes.RECIPES", {"stripes": {"mlp": TWO_EPOCHS}})
    model, card = trained("mlp", stripes)
    assert model.fc1.out_features == 512
    assert card["recipe"] == TWO_EPOCHS.settings()
    with pytest.raises(ValueError, match="model: expected one of mlp, got 'lenet'"):
        trained("lenet", stripes)


def test_the_card_says_what_the_weights_are(stripes):
    model, card, _ = epochs_of(stripes, seed=3)
    path = weights_path("tiny", "stripes", 3)
    assert card == json.loads(path.with_suffix(".json").read_text())
    assert (card["model"], card["dataset"], card["seed"]) == ("tiny", "stripes", 3)
    assert (card["num_train_images"], card["num_test_images"]) == (50, 23)
    assert card["dataset_sha256"] == stripes.sha256()
    assert card["recipe"] == TWO_EPOCHS.settings()
    assert card["source"] == "made up"
    assert card["accuracy"] == accuracy(model, stripes.test_images, stripes.test_labels)
    assert set(card["versions"]) == {"jax", "flax", "optax", "numpy"}


def test_weights_of_ones_own_path_lie_there(stripes, path, tmp_path):
    own = tmp_path / "round" / "2.safetensors"
    assert epochs_of(stripes, path=own)[2] == [1, 2]
    assert epochs_of(stripes, path=own)[2] == []
    assert own.exists()
    assert not path.exists()


@pytest.mark.parametrize("split", ["train", "test"])
def test_other_data_of_that_name_trains_anew(stripes, split):
    epochs_of(stripes)
    labels = getattr(stripes, f"{split}_labels").copy()
    labels[0] = 1 - labels[0]
    other = dataclasses.replace(stripes, **{f"{split}_labels": labels})
    _, card, epochs = epochs_of(other)
    assert epochs == [1, 2]
    assert card["dataset_sha256"] == other.sha256() != stripes.sha256()


def test_another_recipe_trains_anew(stripes):
    epochs_of(stripes)
    _, card, epochs = epochs_of(stripes, recipe=Recipe(SGD(0.02), 15, 10, "made up"))
    assert epochs == [1, 2, 3]
    assert card["recipe"]["optimizer"]["learning_rate"] == 0.02


def test_a_card_whose_weights_are_gone_trains_anew(stripes, path):
    epochs_of(stripes)
    path.unlink()
    assert epochs_of(stripes)[2] == [1, 2]


def test_damaged_files_in_the_cache_are_named(stripes, path):
    epochs_of(stripes)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"tiny-seed0.*delete it to train again"):
        epochs_of(stripes)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(
        ValueError, match=r"card of weights, .*not readable.*delete it to train again"
    ):
        epochs_of(stripes)


def test_an_interrupted_training_resumes_and_its_checkpoint_is_deleted(stripes, path, checkpoint):
    with pytest.raises(StoppedError):
        epochs_of(stripes, stop_after=1)
    assert checkpoint.exists()
    assert not path.exists()
    assert epochs_of(stripes)[2] == [2]
    assert path.exists()
    assert not checkpoint.exists()


def test_a_training_may_end_early_and_go_on(stripes, path, tmp_path):
    early, card, epochs = epochs_of(stripes, recipe=FOUR_EPOCHS, num_epochs=3)
    assert epochs == [1, 2, 3]
    assert card["epochs"] == 3
    assert card["accuracy"] == accuracy(early, stripes.test_images, stripes.test_labels)
    assert not path.exists()  # no one takes it for a trained one

    _, card, epochs = epochs_of(stripes, recipe=FOUR_EPOCHS, num_epochs=2)
    assert epochs == []
    assert card["epochs"] == 3

    late, card, epochs = epochs_of(stripes, recipe=FOUR_EPOCHS, num_epochs=9)
    assert epochs == [4]
    assert "epochs" not in card
    whole, _, _ = epochs_of(stripes, recipe=FOUR_EPOCHS, path=tmp_path / "whole.safetensors")
    for a, b in zip(weights(whole), weights(late), strict=True):
        np.testing.assert_array_equal(a, b)


def weights(model):
    return [np.asarray(leaf[...]) for _, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))]


def test_weights_of_a_training_that_ended_early_are_no_trained_ones(stripes, path):
    early, card, _ = epochs_of(stripes, recipe=FOUR_EPOCHS, num_epochs=1)
    save(early, path, card)
    _, card, epochs = epochs_of(stripes, recipe=FOUR_EPOCHS)
    assert epochs == [2, 3, 4]
    assert "epochs" not in card


def test_no_epochs_are_refused(stripes):
    with pytest.raises(ValueError, match="num_epochs: expected at least 1, got 0"):
        epochs_of(stripes, num_epochs=0)


@pytest.mark.parametrize("setting", ["JFOOL_CACHE", "path"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    stripes, setting, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "file"))
    path = None if setting == "JFOOL_CACHE" else tmp_path / "file" / "own.safetensors"
    with pytest.raises(ValueError, match=f"{setting}: expected a folder to write to"):
        epochs_of(stripes, stop_after=1, path=path)


@pytest.mark.slow
@pytest.mark.usefixtures("full_compiler")
def test_lenet_learns_the_digits_to_97_percent():
    assert recipe_for("lenet", "digits").num_steps == 440
    epochs = []
    _, card = trained(
        "lenet", load_dataset("digits"), on_epoch=lambda *report: epochs.append(report[0])
    )
    assert epochs == list(range(1, 11))
    assert card["accuracy"] >= 0.97
