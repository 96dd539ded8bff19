"""The direct encoding of Nguyen et al. (2015): a gene for every channel of every pixel."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int, UInt8

from jfool.arguments import check_image_shape, check_part
from jfool.base import Image, PRNGKey, pytree, static
from jfool.encodings.colors import COLORS, check_colors
from jfool.encodings.variation import (
    Crossover,
    Genes,
    Mutation,
    PolynomialMutation,
    SimulatedBinaryCrossover,
)
from jfool.numbers import check_choice

Genotypes = Float[Array, "_ H W C"] | UInt8[Array, "_ H W C"]


@pytree
class DirectPixels:
    """Genotype = `[H, W, C]` genes in [0, 1]; a gene becomes the byte floor(255 gene).

    A population starts uniformly at random. (Nguyen et al., 2015, sec. 2.3; code:
    Evolving-AI-Lab/fooling)

    Attributes:
      image_shape: (H, W, C).
      colors: the color space of the genes: "grey" for one channel; for three "hls" (the paper's
        code), "hsv" (its text) or "rgb".
      dtype: "float32", or "uint8" for a quarter of the memory: children are rounded to bytes, so
        steps below half a gray level are lost.
      mutation: applied after the crossover.
      crossover: of pairs; the paper's code has one, its text has none (`NoCrossover()`).
    """

    image_shape: tuple[int, int, int] = static()
    colors: str = static(default="grey")
    dtype: str = static(default="float32")
    mutation: Mutation = PolynomialMutation()
    crossover: Crossover = SimulatedBinaryCrossover()

    def __post_init__(self) -> None:
        shape = self.image_shape
        check_image_shape(shape)
        check_colors(self.colors, shape[2])
        check_choice("dtype", self.dtype, ("float32", "uint8"))

    def start(self, key: PRNGKey, size: int) -> Genotypes:
        return self._store(jax.random.uniform(key, (size, *self.image_shape), jnp.float32))

    def vary(
        self, key: PRNGKey, first: Genotypes, second: Genotypes, generation: Int[Array, ""]
    ) -> Genotypes:
        """Two children for each of Q pairs: all first ones, then all second ones."""
        cross_key, mutation_key = jax.random.split(key)
        pairs = self.crossover(cross_key, self._genes(first), self._genes(second))
        # Otherwise XLA repeats the crossover wherever the mutation reads a gene.
        children = lax.optimization_barrier(jnp.concatenate(pairs))
        return self._store(self.mutation(mutation_key, children, generation))

    def decode(self, job: Any, genotype: Float[Array, "H W C"] | UInt8[Array, "H W C"]) -> Image:
        del job
        as_bytes = genotype.astype(jnp.float32)
        if self.dtype == "float32":
            as_bytes = jnp.floor(255 * as_bytes)
        return COLORS[self.colors](as_bytes)

    def check(self, jobs: Any = None) -> None:
        """Raises on numbers that cannot work; it uses nothing of the jobs."""
        del jobs
        check_part("mutation", self.mutation, Mutation, "jfool.PolynomialMutation()")
        check_part("crossover", self.crossover, Crossover, "jfool.SimulatedBinaryCrossover()")

    def _genes(self, stored: Genotypes) -> Genes:
        return stored.astype(jnp.float32) / 255 if self.dtype == "uint8" else stored

    def _store(self, genes: Genes) -> Genotypes:
        return jnp.round(255 * genes).astype(jnp.uint8) if self.dtype == "uint8" else genes
