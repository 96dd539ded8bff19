"""An interrupted training ends as an uninterrupted one, and knows its own record."""

from dataclasses import replace

import numpy as np
import pytest
from flax import nnx

from models import MLP, SGD, Adam, Recipe, accuracy, create, save, train, trained
from models.progress import Progress
from models.zoo import weights_path

RECIPE = Recipe(Adam(), num_steps=20, batch_size=10, source="made up")  # four epochs
ORIGIN = {"seed": 0, "recipe": RECIPE.settings()}

pytestmark = pytest.mark.usefixtures("standard_promotion")


class StoppedError(Exception):
    """Stands for Ctrl-C."""


def network(seed=0):
    return MLP((16, 16, 1), 2, widths=(8, 8), dropout_rate=0.5, rngs=nnx.Rngs(seed))


def stop_behind(epoch):
    def on_epoch(number, loss, accuracy):
        if number == epoch:
            raise StoppedError

    return on_epoch


def weights(model):
    return [np.asarray(leaf[...]) for _, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))]


def assert_same(model, other):
    for a, b in zip(weights(model), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "mlp.progress.safetensors", ORIGIN)


@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_it_goes_on_from_the_last_epoch_to_the_same_weights(stripes, progress, epoch):
    """Dropout's stream and the optimiser's moments are a part of it."""
    whole = network()
    right = train(whole, stripes, RECIPE, 0)
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_behind(epoch), progress)

    epochs, resumed = [], network(seed=1)  # whatever it starts from
    again = train(resumed, stripes, RECIPE, 0, lambda *report: epochs.append(report[0]), progress)
    assert epochs == list(range(epoch + 1, 5))
    assert again == right
    assert_same(whole, resumed)


def test_another_origin_starts_anew(stripes, progress):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_behind(2), progress)
    other, epochs = Progress(progress.path, {"seed": 1}), []
    train(network(), stripes, RECIPE, 1, lambda *report: epochs.append(report[0]), other)
    assert epochs == [1, 2, 3, 4]


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_damaged_record_is_named(stripes, progress, kept):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_behind(2), progress)
    progress.path.write_bytes(progress.path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="is not a whole record of a training, delete it"):
        train(network(), stripes, RECIPE, 0, None, progress)


def test_a_record_of_another_shape_is_refused(stripes, progress):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_behind(2), progress)
    wider = MLP((16, 16, 1), 2, widths=(9, 8), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"expected float32\[\d+, 9\]|expected float32\[9"):
        train(wider, stripes, RECIPE, 0, None, progress)


def test_the_cache_keeps_the_record_only_until_the_end(stripes, cache, monkeypatch):
    recipe = Recipe(SGD(), num_steps=10, batch_size=10, source="made up")
    monkeypatch.setattr("models.zoo.RECIPES", {"stripes": {"mlp": recipe}})
    path = weights_path("mlp", "stripes", 0)
    record = path.with_suffix(".progress.safetensors")
    with pytest.raises(StoppedError):
        trained("mlp", stripes, on_epoch=stop_behind(1))
    assert record.exists()
    assert not path.exists()
    epochs = []
    trained("mlp", stripes, on_epoch=lambda *report: epochs.append(report[0]))
    assert epochs == [2]
    assert path.exists()
    assert not record.exists()


def test_a_training_may_end_early_and_go_on(stripes, cache, monkeypatch):
    recipe = Recipe(Adam(), num_steps=20, batch_size=10, source="made up")  # four epochs
    monkeypatch.setattr("models.zoo.RECIPES", {"stripes": {"mlp": recipe}})
    epochs = []

    def note(*report):
        epochs.append(report[0])

    early, card = trained("mlp", stripes, on_epoch=note, num_epochs=3)
    assert epochs == [1, 2, 3]
    assert card["epochs"] == 3
    assert card["accuracy"] == accuracy(early, stripes.test_images, stripes.test_labels)
    assert not weights_path("mlp", "stripes", 0).exists()  # no one takes it for a trained one

    _, card = trained("mlp", stripes, on_epoch=note, num_epochs=2)
    assert epochs == [1, 2, 3]
    assert card["epochs"] == 3

    late, card = trained("mlp", stripes, on_epoch=note, num_epochs=9)
    assert epochs == [1, 2, 3, 4]
    assert "epochs" not in card
    whole = create("mlp", (16, 16, 1), 2, 0)
    train(whole, stripes, recipe, 0)
    assert_same(whole, late)


def test_weights_of_a_training_that_ended_early_are_no_trained_ones(stripes, cache, monkeypatch):
    recipe = Recipe(Adam(), num_steps=20, batch_size=10, source="made up")
    monkeypatch.setattr("models.zoo.RECIPES", {"stripes": {"mlp": recipe}})
    early, card = trained("mlp", stripes, num_epochs=1)
    save(early, weights_path("mlp", "stripes", 0), card)
    epochs = []
    _, card = trained("mlp", stripes, on_epoch=lambda *report: epochs.append(report[0]))
    assert epochs == [2, 3, 4]
    assert "epochs" not in card


def test_no_epochs_are_refused(stripes):
    with pytest.raises(ValueError, match="num_epochs: expected at least 1, got 0"):
        train(network(), stripes, RECIPE, 0, num_epochs=0)
    with pytest.raises(ValueError, match="num_epochs: expected at least 1, got 0"):
        trained("lenet", replace(stripes, name="mnist"), num_epochs=0)
