"""The indirect encoding of Nguyen et al. (2015): a small growing network paints every pixel."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from jfool.arguments import check_image_shape, check_part
from jfool.base import Image, PRNGKey, pytree, static
from jfool.encodings.colors import COLORS, check_colors
from jfool.encodings.cppn.genome import INPUTS, Genome, check_single, initial
from jfool.encodings.cppn.growth import Growth
from jfool.encodings.cppn.rendering import grid, paint
from jfool.numbers import check_whole


@pytree
class CPPN:
    """Genotype = a `Genome`; a pixel's byte is floor(255 |output|).

    (Nguyen et al., 2015, sec. 2.3; code: Evolving-AI-Lab/fooling)

    Attributes:
      image_shape: (H, W, C), for which networks evolve; `render` paints them at any size.
      colors: the color space of the outputs: "grey" for one channel; for three "hls" (the paper's
        code), "hsv" (its text) or "rgb".
      max_nodes: inputs and outputs included; a full network grows no more (`is_full`).
      max_connections: likewise.
      growth: probabilities of the mutations. There is no crossover: children are mutated copies.
    """

    image_shape: tuple[int, int, int] = static()
    colors: str = static(default="grey")
    max_nodes: int = static(default=64)
    max_connections: int = static(default=128)
    growth: Growth = Growth()

    def __post_init__(self) -> None:
        shape = self.image_shape
        check_image_shape(shape)
        check_colors(self.colors, shape[2])
        ends = len(INPUTS) + shape[2]
        expected = f"at least {ends}, inputs and outputs"
        check_whole("max_nodes", self.max_nodes, ends, expected)
        least = len(INPUTS) * shape[2]
        expected = f"at least {least}, between inputs and outputs"
        check_whole("max_connections", self.max_connections, least, expected)

    def start(self, key: PRNGKey, size: int) -> Genome:
        def one(key: PRNGKey) -> Genome:
            return initial(key, self.image_shape[2], self.max_nodes, self.max_connections)

        return jax.vmap(one)(jax.random.split(key, size))

    def vary(
        self, key: PRNGKey, first: Genome, second: Genome, generation: Int[Array, ""]
    ) -> Genome:
        """Mutated copies of Q first parents, then of Q second ones."""
        parents = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, second)

        def one(key: PRNGKey, parent: Genome) -> Genome:
            return self.growth.mutate(key, parent, self.image_shape[2], generation)

        return jax.vmap(one)(jax.random.split(key, len(parents.active)), parents)

    def decode(self, job: Any, genotype: Genome) -> Image:
        del job
        return self.render(genotype, *self.image_shape[:2])

    def render(self, genotype: Genome, height: int, width: int) -> Image:
        """The same picture at any size, `[height, width, C]` in [0, 1].

        Raises:
          ValueError: several genomes, or no size.
        """
        check_single(genotype)
        for name, size in (("height", height), ("width", width)):
            check_whole(name, size, 1, "a number of pixels")
        places = grid(self.image_shape[:2], (height, width))
        outputs = paint(genotype, places, self.image_shape[2])
        levels = jnp.floor(255 * jnp.abs(outputs))
        return COLORS[self.colors](levels.T.reshape(height, width, -1))

    def check(self, jobs: Any = None) -> None:
        """Raises on numbers that cannot work; it uses nothing of the jobs."""
        del jobs
        check_part("growth", self.growth, Growth, "jfool.encodings.cppn.Growth()")
