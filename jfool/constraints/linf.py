"""The L-infinity ball: no entry moves by more than epsilon."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import Image, PRNGKey, pytree
from jfool.constraints import norms
from jfool.constraints.base import center, moved, offset, projected, radius
from jfool.constraints.checks import check_image, check_radius


@pytree
class Linf:
    """max |image - job.image| <= job.epsilon, in [0, 1]; epsilon 8/255 is eight gray levels."""

    def start(self, key: PRNGKey, job: Any) -> Image:
        """Uniform in (-epsilon, epsilon), cut to the box. (Madry et al., 2018)"""
        noise = jax.random.uniform(key, center(job).shape, jnp.float32, -1, 1)
        return self.project(job, center(job) + radius(job) * noise)

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        """sign(gradient)."""
        del job, image
        return jnp.sign(jnp.nan_to_num(jnp.asarray(gradient, jnp.float32)))

    def project(self, job: Any, image: Image) -> Image:
        """Cuts every entry to epsilon around the center."""

        def cut(image: Image) -> Image:
            return jnp.clip(image, moved(job, -radius(job)), moved(job, radius(job)))

        return projected(self, job, image, cut)

    def distance(self, job: Any, image: Image) -> Float[Array, ""]:
        return norms.linf(offset(job, image))

    def check(self, jobs: Any) -> None:
        """Raises on jobs without image or radius, or with a radius in gray levels."""
        check_image(jobs)
        check_radius(jobs, largest=1.0)
