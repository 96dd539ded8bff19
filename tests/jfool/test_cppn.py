"""Growing networks: valid whatever happens to them, and painted as a recursive evaluator paints."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.encodings.cppn import CPPN, FUNCTIONS, INPUTS, Genome, Growth, growth, is_full
from jfool.encodings.cppn.genome import ancestors

SIZE = (6, 5)
OUTPUTS = 3
GROW = Growth(add_connection=0.9, add_neuron=0.9, delete_connection=0.2, delete_neuron=0.2)
ENCODING = CPPN((*SIZE, OUTPUTS), "rgb", max_nodes=16, max_connections=32, growth=GROW)
NUM_GENERATIONS = 60


@functools.cache
def grown() -> list[Genome]:
    """Genomes of every age, NumPy, from the start to full ones."""
    vary = jax.jit(ENCODING.vary)
    genomes = ENCODING.start(jax.random.key(0), 40)
    ages = [genomes]
    for generation in range(1, NUM_GENERATIONS):
        pairs = take(genomes, slice(20)), take(genomes, slice(20, 40))
        genomes = vary(jax.random.key(generation), *pairs, jnp.int32(generation))
        ages.append(genomes)
    flat = jax.tree.map(lambda *leaves: np.concatenate(leaves), *ages)
    return [take(flat, i) for i in range(40 * NUM_GENERATIONS)]


def take(genomes: Genome, rows) -> Genome:
    return jax.tree.map(lambda leaf: leaf[rows], genomes)


def edges(genome: Genome) -> list[tuple[int, int, float]]:
    rows = zip(genome.source, genome.target, genome.gene, genome.connected, strict=True)
    return [(int(s), int(t), -10 + 20 * float(g)) for s, t, g, there in rows if there]


FORMULAS = {
    "sine": math.sin,
    "sigmoid": lambda p: 2 / (1 + math.exp(-p)) - 1 if p > -700 else -1.0,
    "gaussian": lambda p: math.exp(-p * p),
    "linear": lambda p: max(-3.0, min(3.0, p)) / 3,
}


def paint(genome: Genome, x: float, y: float) -> list[float]:
    """The outputs at one place, by recursion over the nodes that each depends on."""
    height, width = SIZE
    radius = math.hypot(2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1)
    inputs, incoming = (x, y, radius, 1.0), edges(genome)

    @functools.cache
    def value(node: int) -> float:
        if node < len(INPUTS):
            return inputs[node]
        total = sum(weight * value(source) for source, target, weight in incoming if target == node)
        return FORMULAS[FUNCTIONS[genome.function[node]]](total)

    return [value(len(INPUTS) + i) for i in range(OUTPUTS)]


def test_every_grown_genome_is_valid():
    first_hidden, sizes = len(INPUTS) + OUTPUTS, []
    for genome in grown():
        joined = edges(genome)
        assert genome.active[:first_hidden].all()
        for source, target, weight in joined:
            assert genome.active[source]
            assert genome.active[target]
            assert target >= len(INPUTS)  # nothing leads to an input,
            assert not len(INPUTS) <= source < first_hidden  # nor from an output
            assert -10 <= weight <= 10
        order, left = [], {int(n) for n in np.flatnonzero(genome.active)}
        while left:  # Kahn: some node depends on none of the others
            free = {n for n in left if not any(t == n and s in left for s, t, _ in joined)}
            assert free, "a circle"
            order += free
            left -= free
        sizes.append(len(order))
    assert min(sizes) == first_hidden
    assert max(sizes) == 16
    assert any(len(edges(genome)) == 32 for genome in grown())
    assert sum(bool(is_full(genome)) for genome in grown()) > 100


def test_ancestors_are_those_of_a_search_over_the_graph():
    find = jax.jit(ancestors)
    for genome in grown()[::40]:
        found = np.asarray(find(jax.tree.map(jnp.asarray, genome)))
        for node in np.flatnonzero(genome.active):
            seen, todo = set(), [int(node)]
            while todo:
                here = todo.pop()
                new = {s for s, t, _ in edges(genome) if t == here} - seen
                seen |= new
                todo += new
            assert set(np.flatnonzero(found[node])) == seen


def test_rendering_is_that_of_a_recursive_evaluator():
    genomes = grown()[::8]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *genomes)
    images = np.asarray(jax.jit(jax.vmap(lambda g: ENCODING.decode(None, g)))(stacked))
    assert images.shape == (len(genomes), *SIZE, OUTPUTS)
    places = [(0, 0), (4, 5), (2, 3), (3, 1)]
    expected = [[paint(genome, x, y) for x, y in places] for genome in genomes]
    got = images[:, [y for _, y in places], [x for x, _ in places]]
    levels = np.floor(255 * np.abs(expected).astype(np.float32))  # what rounds to 1 is 255
    # Sines of large numbers: float32 may be off by one gray level, rarely by more.
    apart = np.abs(got * 255 - levels)
    assert (apart > 1.01).mean() < 1e-3
    assert (apart > 0.01).mean() < 0.01


def test_a_larger_rendering_meets_the_native_one_at_its_points():
    genome = jax.tree.map(jnp.asarray, grown()[-1])
    native = np.asarray(ENCODING.render(genome, *SIZE))
    larger = np.asarray(ENCODING.render(genome, 5 * 3 + 1, 4 * 3 + 1))
    np.testing.assert_allclose(larger[::3, ::3], native, atol=1.01 / 255)
    assert ENCODING.render(genome, 1, 1).shape == (1, 1, 3)


def rates(**others):
    none = dict.fromkeys(
        ("function", "add_connection", "delete_connection", "add_neuron", "delete_neuron"), 0.0
    )
    return Growth(jfool.PolynomialMutation(0.0), **{**none, **others})


@jax.jit
def mutants(growth: Growth, genome: Genome) -> Genome:
    """4 000 of them."""
    keys = jax.random.split(jax.random.key(1), 4000)
    return jax.vmap(lambda key: growth.mutate(key, genome, OUTPUTS, jnp.int32(0)))(keys)


def mutated(growth: Growth, genome: Genome, count: int = 300) -> Genome:
    found = mutants(growth, jax.tree.map(jnp.asarray, genome))
    return Genome(*(np.asarray(leaf)[:count] for leaf in jax.tree.leaves(found)))


SMALL = grown()[0]
MIDDLE = next(g for g in grown() if g.active.sum() == 12 and g.connected.sum() == 20)
FULL = next(g for g in grown() if g.active.all() and g.connected.all())


def test_with_all_rates_zero_nothing_changes():
    for genome in (SMALL, MIDDLE, FULL):
        same = mutated(rates(), genome, 3)
        jax.tree.map(lambda new, old: np.testing.assert_array_equal(new, [old] * 3), same, genome)


@pytest.mark.parametrize("chance", [0.3, 1.0])
@pytest.mark.parametrize(
    ("name", "nodes", "connections"),
    [
        ("add_connection", 0, 1),
        ("delete_connection", 0, -1),
        ("add_neuron", 1, 1),
        ("delete_neuron", -1, None),
    ],
)
def test_a_mutation_happens_as_often_as_it_should(name, nodes, connections, chance):
    new = mutated(rates(**{name: chance}), MIDDLE)
    more_nodes = np.asarray(new.active).sum(1) - MIDDLE.active.sum()
    more = np.asarray(new.connected).sum(1) - MIDDLE.connected.sum()
    happened = more_nodes != 0 if nodes else more != 0
    assert happened.mean() == pytest.approx(chance, abs=0.1)
    np.testing.assert_array_equal(more_nodes[happened], nodes)
    if connections is not None:
        np.testing.assert_array_equal(more[happened], connections)


def test_a_full_genome_grows_no_more_and_the_smallest_loses_no_neuron():
    for name, genome in (("add_connection", FULL), ("add_neuron", FULL), ("delete_neuron", SMALL)):
        new = mutated(rates(**{name: 1.0}), genome, 5)
        jax.tree.map(lambda n, old: np.testing.assert_array_equal(n, [old] * 5), new, genome)


def test_both_halves_of_a_split_connection_have_its_weight():
    new = mutated(rates(add_neuron=1.0), SMALL, 1)
    grown_up = jax.tree.map(lambda leaf: np.asarray(leaf[0]), new)
    (node,) = np.flatnonzero(grown_up.active & ~SMALL.active)
    ends = [(s, t, w) for s, t, w in edges(grown_up) if node in (s, t)]
    (into,) = [(s, w) for s, t, w in ends if t == node]
    (out,) = [(t, w) for s, t, w in ends if s == node]
    assert (into[0], out[0], into[1]) in edges(SMALL)
    assert into[1] == out[1]


def test_every_place_for_a_connection_is_found():
    """From any node but an output, to any neuron but itself and what leads to it."""
    new = mutated(rates(add_connection=1.0), MIDDLE, 4000)
    (slot,) = np.flatnonzero((np.asarray(new.connected) & ~MIDDLE.connected).any(0))
    drawn = set(
        zip(
            np.asarray(new.source)[:, slot].tolist(),
            np.asarray(new.target)[:, slot].tolist(),
            strict=True,
        )
    )
    above = np.asarray(ancestors(jax.tree.map(jnp.asarray, MIDDLE)))
    nodes = np.flatnonzero(MIDDLE.active).tolist()
    first_hidden = len(INPUTS) + OUTPUTS
    allowed = {
        (s, t)
        for s in nodes
        for t in nodes
        if not len(INPUTS) <= s < first_hidden and t >= len(INPUTS) and t != s and not above[s, t]
    }
    assert drawn == allowed


def test_functions_change_at_their_rate_and_may_stay():
    new = growth.change_functions(
        jax.random.key(0), Genome(*[jnp.zeros(20_000, jnp.int32)] * 6), 0.1
    )
    shares = np.bincount(new.function, minlength=4) / 20_000
    np.testing.assert_allclose(shares, [0.925, 0.025, 0.025, 0.025], atol=0.005)


def test_one_program_holds_every_topology():
    traces = []

    @jax.jit
    def render(genome):
        traces.append(1)
        return ENCODING.decode(None, genome)

    for genome in (SMALL, MIDDLE, FULL):
        render(genome)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (4, 0, 3)}, "image_shape: expected"),
        ({"colors": "hsl"}, "colors: expected one of"),
        ({"max_nodes": 6}, "max_nodes: expected at least 7"),
        ({"max_connections": 11}, "max_connections: expected at least 12"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CPPN(**{"image_shape": (4, 4, 3), "colors": "hls", **settings})
    with pytest.raises(ValueError, match=r"growth\.add_neuron: expected a number in \[0, 1\]"):
        CPPN((4, 4, 1), growth=Growth(add_neuron=2.0)).check()
