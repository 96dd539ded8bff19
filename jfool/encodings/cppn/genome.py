"""The genome of a CPPN: a graph in arrays of fixed size, so that one program runs any topology.

`M` nodes: the four inputs, the outputs, then the hidden ones. `E` connections. Unused slots keep
their last content.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from jfool.base import PRNGKey, pytree
from jfool.numbers import brief

INPUTS = ("x", "y", "radius", "bias")
FUNCTIONS = ("sine", "sigmoid", "gaussian", "linear")
MAX_WEIGHT = 10.0


@pytree
class Genome:
    """
    Attributes:
      active: `[M]` bool, whether the node exists; inputs and outputs always do.
      function: `[M]` int, its activation, one of `FUNCTIONS`; unused for inputs.
      source, target: `[E]` int, the nodes that a connection joins; several may join the same two.
      gene: `[E]` in [0, 1]; the weight is -10 + 20 gene.
      connected: `[E]` bool, whether the connection exists.
    """

    active: Any
    function: Any
    source: Any
    target: Any
    gene: Any
    connected: Any


def initial(key: PRNGKey, num_outputs: int, max_nodes: int, max_connections: int) -> Genome:
    """All inputs connected to all outputs, random weights and activations, no hidden nodes."""
    gene_key, function_key = jax.random.split(key)
    count = len(INPUTS) * num_outputs
    slot = jnp.arange(max_connections, dtype=jnp.int32)
    return Genome(
        active=jnp.arange(max_nodes) < len(INPUTS) + num_outputs,
        function=random_functions(function_key, max_nodes),
        source=jnp.where(slot < count, slot % len(INPUTS), 0),
        target=jnp.where(slot < count, len(INPUTS) + slot // len(INPUTS), 0),
        gene=jax.random.uniform(gene_key, (max_connections,), jnp.float32),
        connected=slot < count,
    )


def random_functions(key: PRNGKey, count: int) -> Int[Array, " count"]:
    return jax.random.randint(key, (count,), 0, len(FUNCTIONS), jnp.int32)


def matrix(genome: Genome, values: Float[Array, " E"]) -> Float[Array, "M M"]:
    """Sums of the connections' values, target by source."""
    size = genome.active.shape[0]
    held = jnp.where(genome.connected, values, 0)
    return jnp.zeros((size, size), jnp.float32).at[genome.target, genome.source].add(held)


def ancestors(genome: Genome) -> Bool[Array, "M M"]:
    """Whether a path leads to a node (row) from another one (column)."""
    paths = matrix(genome, jnp.ones_like(genome.gene)) > 0
    reach = 1  # the longest path known so far
    while reach < genome.active.shape[0]:
        paths |= _product(paths)
        reach *= 2
    return paths


def _product(paths: Bool[Array, "M M"]) -> Bool[Array, "M M"]:
    steps = paths.astype(jnp.float32)
    return steps @ steps > 0


def check_single(genome: Genome) -> None:
    """Raises TypeError on what is no genome, ValueError on a stack of them."""
    if not isinstance(genome, Genome):
        raise TypeError(f"genome: expected one of jfool.CPPN, got {brief(genome)}")
    if jnp.ndim(genome.active) != 1:
        raise ValueError(
            f"genome: expected one, got a stack of {jnp.shape(genome.active)[:-1]} "
            "(jax.vmap, or jax.tree.map(lambda leaf: leaf[i], genomes))"
        )


def is_full(genome: Genome) -> Bool[Array, ""]:
    """Whether it can no longer grow: no free node or no free connection."""
    check_single(genome)
    return jnp.all(genome.active) | jnp.all(genome.connected)
