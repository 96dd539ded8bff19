"""What a CPPN paints: its outputs at every pixel of a grid.

Nodes are computed in the order of their number of ancestors, which grows along every path, so that
each comes after all it depends on.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from jfool.encodings.cppn.genome import INPUTS, MAX_WEIGHT, Genome, ancestors, matrix


def grid(native: tuple[int, int], size: tuple[int, int]) -> Float[Array, "4 pixels"]:
    """The inputs at every pixel, row by row.

    x and y count the columns and rows of the native size, as in the code of Nguyen et al. (2015).
    Another size samples the same intervals, [0, W - 1] and [0, H - 1], and so agrees with the
    native picture at its points. The radius is that of [-1, 1] x [-1, 1].

    Args:
      native: (H, W) for which the network evolved.
      size: (H, W) of the picture.
    """
    rows, columns = (
        jnp.arange(count, dtype=jnp.float32) * (jnp.float32(last - 1) / max(count - 1, 1))
        for last, count in zip(native, size, strict=True)
    )
    y, x = (axis.reshape(-1) for axis in jnp.meshgrid(rows, columns, indexing="ij"))
    across, down = (
        2 * axis / max(last - 1, 1) - 1 for axis, last in zip((x, y), native[::-1], strict=True)
    )
    return jnp.stack([x, y, jnp.sqrt(across**2 + down**2), jnp.ones_like(x)])


def paint(
    genome: Genome, inputs: Float[Array, "4 pixels"], num_outputs: int
) -> Float[Array, "outputs pixels"]:
    """The outputs, in [-1, 1].

    Under `vmap` a CPU paints one picture at a time, in its cache and only as many nodes as there
    are; other devices paint all pictures at once.
    """

    def alone(genome: Genome, inputs: Array) -> Array:
        return _compute(genome, inputs, num_outputs, genome.active.sum())

    def together(genome: Genome, inputs: Array) -> Array:
        return _compute(genome, inputs, num_outputs, len(genome.active))

    def many(axis_size: int, in_batched: Any, genomes: Genome, inputs: Array) -> Any:
        del axis_size
        axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
        at_once = jax.vmap(together, axes)
        if in_batched[1] or not all(jax.tree.leaves(in_batched[0])):
            return at_once(genomes, inputs), True

        def in_turn(genomes: Genome, inputs: Array) -> Array:
            return lax.map(lambda genome: alone(genome, inputs), genomes)

        return lax.platform_dependent(genomes, inputs, cpu=in_turn, default=at_once), True

    painted = jax.custom_batching.custom_vmap(alone)
    painted.def_vmap(many)
    return painted(genome, inputs)


def _compute(
    genome: Genome, inputs: Float[Array, "4 pixels"], num_outputs: int, count: Int[Array, ""] | int
) -> Float[Array, "outputs pixels"]:
    """Computes `count` nodes, inputs included; unused ones come last."""
    size = len(genome.active)
    weights = matrix(genome, MAX_WEIGHT * (2 * genome.gene - 1))
    rank = jnp.where(genome.active, ancestors(genome).sum(axis=1), size + 1)
    rank = jnp.where(jnp.arange(size) < len(INPUTS), -1, rank)  # inputs first
    order = jnp.argsort(rank, stable=True)
    weights, function = weights[order][:, order], genome.function[order]

    values = jnp.zeros((size, inputs.shape[1]), jnp.float32).at[: len(INPUTS)].set(inputs)

    def compute(node: Int[Array, ""], values: Array) -> Array:
        row = lax.dynamic_index_in_dim(weights, node, keepdims=False)
        value = activate(function[node], row @ values)
        return lax.dynamic_update_index_in_dim(values, value, node, 0)

    values = lax.fori_loop(len(INPUTS), count, compute, values)
    first = len(INPUTS)
    return values[jnp.argsort(order)[first : first + num_outputs]]


def activate(function: Int[Array, ""], p: Float[Array, " pixels"]) -> Float[Array, " pixels"]:
    """sin p, 2 / (1 + e^-p) - 1, e^-p^2, or p / 3 clipped to [-1, 1]; see `FUNCTIONS`."""
    falling = jnp.exp(-jnp.where(function == 2, p * p, p))
    return jnp.select(
        [function == 0, function == 1, function == 2],
        [jnp.sin(p), 2 / (1 + falling) - 1, falling],
        jnp.clip(p, -3, 3) / 3,
    )
