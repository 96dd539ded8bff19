"""An encoding that evolves, and compiles in no time."""

import jax
import jax.numpy as jnp

from jfool.base import pytree, static


@pytree
class Blocks:
    """Every gene is the level of a pixel, and moves."""

    image_shape: tuple[int, int, int] = static()

    def start(self, key, size):
        return jax.random.uniform(key, (size, *self.image_shape), jnp.float32)

    def vary(self, key, first, second, generation):
        parents = jnp.concatenate([first, second])
        return jnp.clip(parents + 0.1 * jax.random.normal(key, parents.shape, jnp.float32), 0, 1)

    def decode(self, job, genotype):
        return jnp.floor(255 * genotype) / 255

    def check(self):
        pass
