"""A file from elsewhere is data: nothing in it is ever run."""

import pickle

import numpy as np
import pytest
from flax import nnx

from models import MLP, restore
from models.datasets import _read_cached


class Bomb:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.folder),)


@pytest.fixture
def bomb(tmp_path):
    bomb = Bomb(tmp_path / "ran")
    pickle.loads(pickle.dumps(bomb))
    assert bomb.folder.is_dir()  # it works where a pickle is read
    bomb.folder.rmdir()
    return bomb


def test_pickled_weights_are_refused_and_not_run(bomb, tmp_path):
    path = tmp_path / "mlp.safetensors"
    path.write_bytes(pickle.dumps(bomb))
    with pytest.raises(ValueError, match=r"a pickle that torch\.save did not"):
        restore(MLP((4, 4, 1), widths=(3, 3), rngs=nnx.Rngs(0)), path)
    assert not bomb.folder.exists()


def test_pickled_arrays_in_the_cache_are_refused_and_not_run(bomb, tmp_path):
    path = tmp_path / "mnist.npz"
    arrays = dict.fromkeys(("train_labels", "test_images", "test_labels"), np.zeros(1))
    np.savez(path, train_images=np.array([bomb], dtype=object), **arrays)
    assert _read_cached(path) is None
    assert not bomb.folder.exists()


def test_a_cache_without_all_arrays_counts_as_missing(tmp_path):
    np.savez(tmp_path / "mnist.npz", train_images=np.zeros(1))
    assert _read_cached(tmp_path / "mnist.npz") is None


@pytest.mark.parametrize(
    ("field", "bit"),
    [
        (0, 1),
        pytest.param(6, 64, id="extraction version"),
        pytest.param(8, 1, id="encryption flag"),
        pytest.param(10, 1, id="compression method"),
        (16, 1),
        (28, 1),
    ],
)
def test_a_flipped_bit_in_the_directory_of_a_cache_makes_it_count_as_missing(tmp_path, field, bit):
    """`field`: offset in the first entry of the zip's central directory."""
    path = tmp_path / "mnist.npz"
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(path, **dict.fromkeys(names, np.zeros(1)))
    assert set(_read_cached(path) or ()) == set(names)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + field] ^= bit
    path.write_bytes(content)
    assert _read_cached(path) is None
