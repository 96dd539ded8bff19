"""An interrupted training ends like an uninterrupted one, and only its own checkpoint counts."""

import numpy as np
import pytest
from flax import nnx

from models import MLP, Adam, Recipe, TrainingCheckpoint, train
from tests.fuzz import Outcomes, cases, mutations

RECIPE = Recipe(Adam(), num_steps=20, batch_size=10, source="made up")  # four epochs
ORIGIN = {"seed": 0, "recipe": RECIPE.settings()}

pytestmark = pytest.mark.usefixtures("standard_promotion")


class StoppedError(Exception):
    """Stands for Ctrl-C."""


def network(seed=0):
    return MLP((16, 16, 1), 2, widths=(8, 8), dropout_rate=0.5, rngs=nnx.Rngs(seed))


def stop_after(epoch):
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
def checkpoint(tmp_path):
    return TrainingCheckpoint(tmp_path / "mlp.checkpoint.safetensors", ORIGIN)


@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_training_resumes_after_the_last_epoch_to_the_same_weights(stripes, checkpoint, epoch):
    """The checkpoint includes the random stream of dropout and the moments of the optimiser."""
    whole = network()
    right = train(whole, stripes, RECIPE, 0)
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_after(epoch), checkpoint)

    epochs, resumed = [], network(seed=1)  # whatever it starts from
    again = train(resumed, stripes, RECIPE, 0, lambda *report: epochs.append(report[0]), checkpoint)
    assert epochs == list(range(epoch + 1, 5))
    assert again == right
    assert_same(whole, resumed)


def test_a_checkpoint_of_another_origin_is_ignored(stripes, checkpoint):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_after(2), checkpoint)
    other, epochs = TrainingCheckpoint(checkpoint.path, {"seed": 1}), []
    train(network(), stripes, RECIPE, 1, lambda *report: epochs.append(report[0]), other)
    assert epochs == [1, 2, 3, 4]


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_damaged_checkpoint_is_named(stripes, checkpoint, kept):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_after(2), checkpoint)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"path: expected a whole checkpoint, .* \(delete it"):
        train(network(), stripes, RECIPE, 0, None, checkpoint)


def test_a_checkpoint_of_another_shape_is_refused(stripes, checkpoint):
    with pytest.raises(StoppedError):
        train(network(), stripes, RECIPE, 0, stop_after(2), checkpoint)
    wider = MLP((16, 16, 1), 2, widths=(9, 8), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"expected float32\[\d+, 9\]|expected float32\[9"):
        train(wider, stripes, RECIPE, 0, None, checkpoint)


def test_a_damaged_checkpoint_is_read_as_it_was_or_refused(tmp_path):
    state = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(3)}
    written = TrainingCheckpoint(tmp_path / "mlp.checkpoint.safetensors", ORIGIN)
    written.save(7, state)
    outcomes, whole = Outcomes(), written.path.read_bytes()

    def same(found):
        epoch, values = found  # (0, start): the origin is another
        expected = state if epoch else start
        return epoch in (0, 7) and all(np.array_equal(values[n], expected[n]) for n in state)

    start = {name: np.zeros_like(value) for name, value in state.items()}
    for damage, content in mutations(whole, cases(100)):
        written.path.write_bytes(content)
        outcomes.check(damage, lambda: written.load(start), same)
        outcomes.check(damage, written.num_epochs, lambda found: found in (0, 7))
    assert outcomes.refused > 50


@pytest.mark.parametrize("change", ["epoch", "value"])
def test_another_value_than_was_written_is_noticed(tmp_path, change):
    checkpoint = TrainingCheckpoint(tmp_path / "mlp.checkpoint.safetensors", ORIGIN)
    checkpoint.save(7, {"weights": np.full(3, 2.5, np.float32)})
    old, new = (b'"7"', b'"8"') if change == "epoch" else (b"\x20\x40", b"\x21\x40")
    content = checkpoint.path.read_bytes()
    assert content.count(old) >= 1
    checkpoint.path.write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match=r"damaged: other values than were written \(delete"):
        checkpoint.num_epochs()


def test_no_epochs_are_refused(stripes):
    with pytest.raises(ValueError, match="num_epochs: expected at least 1 or None, got 0"):
        train(network(), stripes, RECIPE, 0, num_epochs=0)
