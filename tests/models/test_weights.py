"""Weights come back as they were, and nothing that is wrong with a file goes unnoticed."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from models import MLP, LeNet, read_card, restore, save


class Block(nnx.Module):
    """Parameters, batch statistics and a random stream."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.linear = nnx.Linear(2, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)


NAMES = {"linear.kernel", "linear.bias", "norm.scale", "norm.bias", "norm.mean", "norm.var"}


@pytest.fixture
def block():
    return Block(nnx.Rngs(0))


@pytest.fixture
def path(block, tmp_path):
    """A good file."""
    save(block, tmp_path / "block.safetensors")
    return tmp_path / "block.safetensors"


def rewrite(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def values(module):
    state = nnx.state(module, (nnx.Param, nnx.BatchStat))
    return [np.asarray(variable[...]).copy() for _, variable in nnx.to_flat_state(state)]


def refuses(path, sentence):
    """A new module refuses the file and stays as it was."""
    other = Block(nnx.Rngs(1))
    before = values(other)
    with pytest.raises(ValueError, match=sentence) as caught:
        restore(other, path)
    for old, new in zip(before, values(other), strict=True):
        np.testing.assert_array_equal(old, new)
    return str(caught.value)


def test_a_file_holds_parameters_and_statistics_under_flax_names(path):
    assert set(load_file(path)) == NAMES


def test_weights_come_back_bit_by_bit(block, path):
    other = Block(nnx.Rngs(1))
    restore(other, path)
    for saved, loaded in zip(values(block), values(other), strict=True):
        np.testing.assert_array_equal(saved, loaded)


def test_a_loaded_network_classifies_alike_and_brings_its_mean_image(tmp_path):
    images = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype(np.float32)
    saved = LeNet(mean=jnp.asarray(images[0]), rngs=nnx.Rngs(0))
    save(saved, tmp_path / "lenet.safetensors")
    loaded = LeNet(mean=jnp.zeros((28, 28, 1)), rngs=nnx.Rngs(1))
    restore(loaded, tmp_path / "lenet.safetensors")
    np.testing.assert_array_equal(saved(images), loaded(images))


def test_missing_extra_and_unfitting_tensors_are_all_named_in_one_error(path):
    def change(tensors):
        del tensors["linear.bias"]
        tensors["linear.gamma"] = np.zeros(3, np.float32)
        tensors["linear.kernel"] = np.zeros((3, 2), np.float32)
        tensors["norm.mean"] = np.zeros(3, np.int32)

    rewrite(path, change)
    message = refuses(path, "path: expected weights that fit Block, got .*block.safetensors: ")
    assert "1 missing, linear.bias" in message
    assert "1 extra, linear.gamma" in message
    assert "linear.kernel is [3, 2], not [2, 3]" in message
    assert "norm.mean is int32, not a float" in message


def test_of_many_tensors_that_do_not_fit_the_first_is_named(path):
    many = {f"{i}": np.zeros(1, np.float32) for i in range(10, 30)}
    rewrite(path, lambda tensors: tensors.update(many))
    refuses(path, r"expected weights that fit Block, got .*: 20 extra, such as 10 \(check")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_loaded_nor_saved(path, value):
    rewrite(path, lambda tensors: tensors["norm.var"].__setitem__(1, value))
    refuses(path, "path: expected finite weights, got NaN or infinity in norm.var")

    broken = Block(nnx.Rngs(0))
    broken.linear.bias[...] = jnp.full(3, value)
    with pytest.raises(ValueError, match=r"model: .* infinity in linear\.bias"):
        save(broken, path.with_name("new.safetensors"))
    assert not path.with_name("new.safetensors").exists()


@pytest.mark.parametrize(
    ("kept", "what"),
    [(0, "an empty file"), (4, "of an unknown format"), (40, "damaged: "), (-1, "damaged: ")],
)
def test_a_truncated_file_is_refused(path, kept, what):
    path.write_bytes(path.read_bytes()[:kept])
    refuses(path, f"expected weights as safetensors or of torch.save, got .*: {what}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        restore(MLP(rngs=nnx.Rngs(0)), tmp_path / "none.safetensors")


def test_the_card_lies_beside_the_weights(block, path):
    save(block, path, {"model": "block", "accuracy": 0.5})
    assert json.loads(path.with_suffix(".json").read_text()) == read_card(path)
    assert read_card(path) == {"model": "block", "accuracy": 0.5}


@pytest.mark.parametrize("content", [b"", b'{"model": ', b"[1, 2]", b"\xff\xfe"])
def test_an_unreadable_card_is_refused(path, content):
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"path: expected a card of weights, got .*, not readable: "
    ):
        read_card(path)


def test_a_missing_card_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"block\.json"):
        read_card(path)


def test_an_outline_has_no_weights_to_save(tmp_path):
    with pytest.raises(ValueError, match="model: expected a network with weights, got an outline"):
        save(nnx.eval_shape(lambda: Block(nnx.Rngs(0))), tmp_path / "block.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_prefix_of_a_parallel_training_is_dropped(block, path):
    tensors = load_file(path)
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, path)
    other = Block(nnx.Rngs(1))
    restore(other, path)
    for expected, got in zip(values(block), values(other), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_a_failed_write_leaves_the_old_file_and_no_other(block, path, monkeypatch):
    before = path.read_bytes()

    def break_off(tensors, target):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("models.weights.save_file", break_off)
    with pytest.raises(OSError, match="disk full"):
        save(block, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_has_no_card(folder):
    with pytest.raises(ValueError, match=r"^path: expected a file of weights, got the folder"):
        read_card(folder)
