"""How a CPPN's genome mutates. (The code of Nguyen et al., 2015: evolving networks of Sferes)

On every child, in this order: weights change, activations change, one connection may be added, one
deleted, one neuron added, one deleted. No connection closes a cycle. A mutation without room, or
with nothing to delete, leaves the genome as it is.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Int

from jfool.arguments import check_part
from jfool.base import PRNGKey, pytree
from jfool.encodings.cppn.genome import INPUTS, Genome, ancestors, random_functions
from jfool.encodings.variation import Mutation, PolynomialMutation
from jfool.numbers import check_number


@pytree
class Growth:
    """
    Attributes:
      weights: mutation of the connections' genes.
      function: share of the neurons that draw a new activation (it may be the same again).
      add_connection, delete_connection, add_neuron, delete_neuron: probability of each.
    """

    weights: Mutation = PolynomialMutation()
    function: ArrayLike = 0.1
    add_connection: ArrayLike = 0.5
    delete_connection: ArrayLike = 0.3
    add_neuron: ArrayLike = 0.5
    delete_neuron: ArrayLike = 0.2

    def mutate(
        self, key: PRNGKey, genome: Genome, num_outputs: int, generation: Int[Array, ""]
    ) -> Genome:
        keys = jax.random.split(key, 6)
        genome = replace(genome, gene=self.weights(keys[0], genome.gene, generation))
        genome = change_functions(keys[1], genome, self.function)
        first_hidden = len(INPUTS) + num_outputs
        for probability, change, step_key in (
            (self.add_connection, add_connection, keys[2]),
            (self.delete_connection, delete_connection, keys[3]),
            (self.add_neuron, add_neuron, keys[4]),
            (self.delete_neuron, delete_neuron, keys[5]),
        ):
            chance_key, change_key = jax.random.split(step_key)
            happens = jax.random.uniform(chance_key, (), jnp.float32) < probability
            genome = _where(happens, change(change_key, genome, first_hidden), genome)
        return genome

    def check(self) -> None:
        """Raises on numbers that cannot work."""
        check_part("growth.weights", self.weights, Mutation, "jfool.PolynomialMutation()")
        rates = ("function", "add_connection", "delete_connection", "add_neuron", "delete_neuron")
        for name in rates:
            check_number(
                f"growth.{name}", getattr(self, name), "a number in [0, 1]", least=0, most=1
            )


def change_functions(key: PRNGKey, genome: Genome, rate: ArrayLike) -> Genome:
    which_key, function_key = jax.random.split(key)
    drawn = random_functions(function_key, len(genome.function))
    changes = jax.random.uniform(which_key, genome.function.shape, jnp.float32) < rate
    return replace(genome, function=jnp.where(changes, drawn, genome.function))


def add_connection(key: PRNGKey, genome: Genome, first_hidden: int) -> Genome:
    """From any node but an output to any neuron without a path to it. Two nodes may be connected
    more than once."""
    source_key, target_key, gene_key = jax.random.split(key, 3)
    node = jnp.arange(len(genome.active))
    is_input, is_output = node < len(INPUTS), (node >= len(INPUTS)) & (node < first_hidden)
    source, _ = _pick(source_key, genome.active & ~is_output)
    upstream = ancestors(genome)[source] | (node == source)
    target, found = _pick(target_key, genome.active & ~is_input & ~upstream)
    slot, room = _free(genome.connected)
    grown = replace(
        genome,
        source=genome.source.at[slot].set(source),
        target=genome.target.at[slot].set(target),
        gene=genome.gene.at[slot].set(jax.random.uniform(gene_key, (), jnp.float32)),
        connected=genome.connected.at[slot].set(True),
    )
    return _where(found & room, grown, genome)


def delete_connection(key: PRNGKey, genome: Genome, first_hidden: int) -> Genome:
    del first_hidden
    slot, found = _pick(key, genome.connected)
    return replace(genome, connected=genome.connected.at[slot].set(genome.connected[slot] & ~found))


def add_neuron(key: PRNGKey, genome: Genome, first_hidden: int) -> Genome:
    """In the middle of a connection; both halves get its weight."""
    del first_hidden
    split_key, function_key = jax.random.split(key)
    whole, found = _pick(split_key, genome.connected)
    half, room = _free(genome.connected)
    node, place = _free(genome.active)
    grown = Genome(
        active=genome.active.at[node].set(True),
        function=genome.function.at[node].set(random_functions(function_key, 1)[0]),
        source=genome.source.at[half].set(node),
        target=genome.target.at[half].set(genome.target[whole]).at[whole].set(node),
        gene=genome.gene.at[half].set(genome.gene[whole]),
        connected=genome.connected.at[half].set(True),
    )
    return _where(found & room & place, grown, genome)


def delete_neuron(key: PRNGKey, genome: Genome, first_hidden: int) -> Genome:
    """A hidden neuron, with all its connections."""
    hidden = jnp.arange(len(genome.active)) >= first_hidden
    node, found = _pick(key, genome.active & hidden)
    touches = (genome.source == node) | (genome.target == node)
    shrunk = replace(
        genome,
        active=genome.active.at[node].set(False),
        connected=genome.connected & ~touches,
    )
    return _where(found, shrunk, genome)


def _pick(key: PRNGKey, among: Bool[Array, " n"]) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """One of the marked, uniformly, and whether there is any."""
    drawn = jax.random.uniform(key, among.shape, jnp.float32)
    return jnp.where(among, drawn, -1.0).argmax().astype(jnp.int32), among.any()


def _free(taken: Bool[Array, " n"]) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """The first free slot, and whether there is any."""
    return (~taken).argmax().astype(jnp.int32), ~taken.all()


def _where(condition: Bool[Array, ""], new: Genome, old: Genome) -> Genome:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
