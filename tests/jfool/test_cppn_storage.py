"""Genomes in files: what was saved comes back, what is damaged is refused in a sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfool.encodings.cppn import CPPN, Genome, describe, load_genome, save_genome

ENCODING = CPPN((6, 5, 3), "hsv", max_nodes=12, max_connections=20)


def arrays(genome):
    return {name: np.asarray(leaf) for name, leaf in vars(genome).items()}


@pytest.fixture
def genome():
    start = ENCODING.start(jax.random.key(0), 2)
    for generation in range(8):
        halves = (jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], start) for i in (0, 1))
        start = ENCODING.vary(jax.random.key(generation), *halves, jnp.int32(0))
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
            "got a circle",
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
    np.save(tmp_path / "code.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="expected a genome"):
        load_genome(tmp_path / "code.npy")
