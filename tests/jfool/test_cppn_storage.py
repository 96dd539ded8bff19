"""Genomes in files: what was saved comes back, what is damaged is refused in a sentence."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.encodings.cppn import CPPN, Genome, describe, is_full, load_genome, save_genome
from tests.jfool.helpers import unchecked

ENCODING = CPPN((6, 5, 3), "hsv", max_nodes=12, max_connections=20)


def arrays(genome):
    return {name: np.asarray(leaf) for name, leaf in vars(genome).items()}


@pytest.fixture(scope="module")
def genome():
    start, vary = ENCODING.start(jax.random.key(0), 2), jax.jit(ENCODING.vary)
    for generation in range(8):
        halves = (jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], start) for i in (0, 1))
        start = vary(jax.random.key(generation), *halves, jnp.int32(0))
    return jax.tree.map(lambda leaf: leaf[0], start)


def test_a_genome_comes_back_and_paints_the_same(genome, tmp_path):
    path = tmp_path / "genome.npz"
    save_genome(path, ENCODING, genome)
    encoding, loaded = load_genome(path)
    assert encoding == ENCODING
    for name, array in arrays(genome).items():
        np.testing.assert_array_equal(getattr(loaded, name), array)
        assert getattr(loaded, name).dtype == array.dtype
    np.testing.assert_array_equal(
        encoding.render(jax.tree.map(jnp.asarray, loaded), 12, 10), ENCODING.render(genome, 12, 10)
    )


def test_words_name_every_neuron_and_connection():
    genome = Genome(
        active=np.array([True] * 5 + [False, True]),
        function=np.array([0, 0, 0, 0, 2, 0, 1]),
        source=np.array([0, 3, 6]),
        target=np.array([6, 4, 4]),
        gene=np.array([1.0, 0.25, 0.525], np.float32),
        connected=np.array([True, False, True]),
    )
    assert describe(genome, 1) == "out0 = gaussian(+0.50 n6)\nn6 = sigmoid(+10.00 x)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "expected format 1, got 2"),
        ({"format": np.array([1, 1])}, r"expected format 1, got \[1, 1\]"),
        ({"format": "1"}, "expected format 1, got '1'"),
        ({"active": np.array(True)}, "expected"),
        ({"colors": "hsl"}, "colors: expected one of"),
        ({"image_shape": np.array([6, 0, 3])}, "image_shape: expected"),
        ({"gene": np.full(20, np.nan, np.float32)}, r"got genes outside \[0, 1\]"),
        ({"gene": np.zeros(19, np.float32)}, "max_connections|got source"),
        ({"function": np.full(12, 4, np.int32)}, "got an unknown activation"),
        ({"source": np.full(20, 12, np.int32)}, "got a source that is no node"),
        ({"target": np.zeros(20, np.int32)}, "got a connection to an input"),
        ({"active": np.zeros(12, bool)}, "that is not there"),
        ({"active": np.ones(12, np.float32)}, "got active float32"),
        (
            {
                "active": np.ones(12, bool),
                "connected": np.ones(20, bool),
                "source": np.full(20, 8, np.int32),
                "target": np.full(20, 8, np.int32),
            },
            "got a cycle",
        ),
    ],
    ids=str,
)
def test_damaged_genomes_are_refused(genome, tmp_path, change, message):
    path = tmp_path / "genome.npz"
    save_genome(path, ENCODING, genome)
    with np.load(path) as file:
        stored = {name: file[name] for name in file.files}
    np.savez(path, **{**stored, **change})
    with pytest.raises(ValueError, match=message):
        load_genome(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "genome.npz"
    with pytest.raises(FileNotFoundError):
        load_genome(path)
    path.write_bytes(b"no genome")
    with pytest.raises(ValueError, match="expected a genome, got"):
        load_genome(path)
    np.savez(path, active=np.ones(3))
    with pytest.raises(ValueError, match="expected a genome, got a file without"):
        load_genome(path)
    np.save(path.with_suffix(".npy"), np.ones(3))
    with pytest.raises(ValueError, match="expected a genome, got another file"):
        load_genome(path.with_suffix(".npy"))
    np.save(tmp_path / "code.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="expected a genome"):
        load_genome(tmp_path / "code.npy")


def test_a_flipped_bit_is_refused_by_name_or_harmless(genome, tmp_path):
    path = tmp_path / "genome.npz"
    save_genome(path, ENCODING, genome)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):  # and nothing else
            load_genome(path)


def test_what_cannot_be_painted_is_not_saved_and_nothing_is_lost(genome, tmp_path):
    path = tmp_path / "genome.npz"
    save_genome(str(path), ENCODING, genome)
    before = path.read_bytes()
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), genome)
    wrong = {**arrays(genome), "function": np.full(12, 9, np.int32)}
    for encoding, other, message in (
        (ENCODING, stack, r"genome: expected one, got a stack of \(2,\)"),
        (
            ENCODING,
            Genome(**wrong),
            "genome: expected one that the encoding can paint, got an unkn",
        ),
        (jfool.DirectPixels((6, 5, 3), "hsv"), genome, r"encoding: expected a jfool\.CPPN"),
    ):
        with unchecked(), pytest.raises((TypeError, ValueError), match=message):
            save_genome(path, encoding, other)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["genome.npz"]


def test_stacks_of_genomes_and_sizes_of_no_pictures_are_refused(genome):
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), genome)
    for ask in (is_full, lambda g: describe(g, 3), lambda g: ENCODING.render(g, 6, 5)):
        with pytest.raises(ValueError, match="genome: expected one, got a stack"):
            ask(stack)
    for size in (0, -3, 8.5):
        with (
            unchecked(),
            pytest.raises(ValueError, match="width: expected a number of"),
        ):
            ENCODING.render(genome, 6, size)
