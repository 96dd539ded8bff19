"""The network and the images that come with jfool."""

import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.examples import digits, lenet

FOLDER = Path(jfool.__file__).parent / "examples"


def test_there_is_one_digit_of_each_class():
    images, labels = digits()
    assert images.shape == (10, 28, 28, 1)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels.tolist() == list(range(10))


def test_the_network_reads_the_ten_digits():
    images, labels = digits()
    logits = lenet()(images)
    assert logits.dtype == jnp.float32
    assert logits.argmax(1).tolist() == labels.tolist()


def test_the_network_is_a_pytree_of_61706_float32_numbers():
    leaves = jax.tree.leaves(lenet())
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}
    assert sum(leaf.size for leaf in leaves) == 61_706


def test_layers_have_the_sizes_of_lenet():
    model, images = lenet(), digits().images
    shapes = [model.features(images, name).shape[1:] for name in vars(model)]
    assert shapes == [(14, 14, 6), (5, 5, 16), (120,), (84,), (10,)]
    with pytest.raises(ValueError, match=r"layer: expected one of conv1, conv2, .*, got 'pool'"):
        model.features(images, "pool")


def test_the_accuracy_is_the_one_that_the_docstring_states():
    pytest.importorskip("sklearn")
    models = pytest.importorskip("models")
    data = models.load_dataset("digits")
    logits = lenet()(jnp.asarray(data.test_images, jnp.float32) / 255)
    right = int((np.asarray(logits.argmax(1)) == data.test_labels).sum())
    assert f"{right} of the {len(data.test_labels)} scans" in (lenet.__doc__ or "")
    assert f"({right / len(data.test_labels):.1%})".replace("%", " %") in (lenet.__doc__ or "")


def test_the_ten_digits_are_the_first_of_each_class_that_were_held_out():
    pytest.importorskip("sklearn")
    models = pytest.importorskip("models")
    data = models.load_dataset("digits")
    first = [int(np.flatnonzero(data.test_labels == digit)[0]) for digit in range(10)]
    images = np.rint(np.asarray(digits().images) * 255).astype(np.uint8)
    assert (images == data.test_images[first]).all()


def test_the_files_are_small_and_hold_plain_arrays():
    files = [path for path in FOLDER.iterdir() if path.suffix not in (".py", "")]
    assert {path.name for path in files} == {"lenet.npz", "digits.npz"}
    assert sum(path.stat().st_size for path in FOLDER.glob("*.*")) < 200_000
    for path in files:
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)
        with zipfile.ZipFile(path) as archive:
            assert all(name.endswith(".npy") for name in archive.namelist())


def test_importing_jfool_does_not_load_the_examples():
    code = "import sys, jfool; print('jfool.examples' in sys.modules, jfool.examples.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "jfool.examples"]


def test_a_few_pixels_fool_the_network():
    images, labels = digits()
    attack = jfool.GreedyFooling(
        (28, 28, 1), 10, max_k=10, objective=jfool.Untargeted(jfool.Margin())
    )
    job = jfool.SparseJob(label=labels[7:8], base=images[7:8], k=np.array([10]))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        result = jfool.run(
            jax.random.key(0), attack, lenet(), job, num_steps=60, until=jfool.misclassified()
        )
    assert result.success.tolist() == [True]
    altered = (result.images[0] != images[7]).any(-1).sum()
    assert 1 <= altered <= 10
