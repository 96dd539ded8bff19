"""A genome as a graph: what is drawn, and where."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments.nguyen2015.genome_graph import HLS, draw_genome, edges, places
from jfool.encodings.cppn.rendering import grid, paint

ENCODING = jfool.CPPN((6, 7, 3), "hls", max_nodes=20, max_connections=50)


@pytest.fixture(scope="module")
def grown():
    """Genomes of 25 generations of mutation."""
    genomes, vary = ENCODING.start(jax.random.key(0), 6), jax.jit(ENCODING.vary)
    for t in range(25):
        first = jax.tree.map(lambda leaf: leaf[:3], genomes)
        second = jax.tree.map(lambda leaf: leaf[3:], genomes)
        genomes = vary(jax.random.key(t + 1), first, second, jnp.int32(t))
    genomes = jax.tree.map(np.asarray, genomes)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], genomes) for i in range(6)]


def painted_by_edges(genome):
    """The picture, of the drawn graph alone."""
    functions = (
        np.sin,
        lambda p: 2 / (1 + np.exp(-p)) - 1,
        lambda p: np.exp(-p * p),
        lambda p: np.clip(p, -3, 3) / 3,
    )
    drawn = edges(genome, 3)
    inputs = np.asarray(grid((6, 7), (6, 7)), np.float64)

    def value(node):
        if node < 4:
            return inputs[node]
        total = sum((w * value(s) for (s, t), w in drawn.items() if t == node), np.zeros(42))
        return functions[int(genome.function[node])](total)

    return np.stack([value(node) for node in (4, 5, 6)])


def test_what_is_drawn_paints_the_picture(grown):
    assert max(len(edges(genome, 3)) for genome in grown) > 12
    inputs = grid((6, 7), (6, 7))
    painted = jax.jit(paint, static_argnums=2)
    for genome in grown:
        with np.errstate(over="ignore"):
            expected = painted_by_edges(genome)
        np.testing.assert_allclose(painted(genome, inputs, 3), expected, atol=2e-3)


def test_every_connection_leads_to_the_right_and_no_two_neurons_meet(grown):
    for genome in grown:
        drawn = edges(genome, 3)
        where = places(drawn, 3)
        assert {node for ends in drawn for node in ends} | set(range(7)) == set(where)
        for source, target in drawn:
            assert where[source][0] < where[target][0]
        assert len(set(where.values())) == len(where)
        last = max(x for x, _ in where.values())
        assert {node for node, (x, _) in where.items() if x == 0} == set(range(4))
        assert {node for node, (x, _) in where.items() if x == last} == {4, 5, 6}
        assert all(0 <= y <= 1 for _, y in where.values())


def test_the_picture_grows_with_the_network(grown, tmp_path):
    start = jax.tree.map(lambda leaf: np.asarray(leaf)[0], ENCODING.start(jax.random.key(1), 1))
    large = max(grown, key=lambda genome: len(edges(genome, 3)))
    sizes = []
    for name, genome in (("start", start), ("large", large)):
        draw_genome(tmp_path / f"{name}.png", genome, HLS, name)
        with Image.open(tmp_path / f"{name}.png") as image:
            sizes.append(image.size)
            assert np.ptp(np.asarray(image)[..., :3]) > 100
    assert sizes[1][0] > sizes[0][0]
