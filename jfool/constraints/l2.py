"""The L2 ball: the Euclidean length of the perturbation is at most epsilon."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import Image, PRNGKey, Truth, pytree
from jfool.constraints import norms
from jfool.constraints.base import center, moved, offset, projected, radius, room, scaled, shortened
from jfool.constraints.bisection import last_where
from jfool.constraints.checks import check_image, check_radius


@pytree
class L2:
    """||image - job.image||_2 <= job.epsilon, in [0, 1]."""

    def start(self, key: PRNGKey, job: Any) -> Image:
        """Uniform in the ball, then projected on what the box leaves of it."""
        direction_key, radius_key = jax.random.split(key)
        normal = jax.random.normal(direction_key, center(job).shape, jnp.float32)
        share = jax.random.uniform(radius_key, (), jnp.float32) ** (1 / math.prod(normal.shape))
        return self.project(job, center(job) + normal * (radius(job) * share / norms.l2(normal)))

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        """gradient / ||gradient||_2."""
        del job, image
        ascent = scaled(gradient)
        length = norms.l2(ascent)
        return ascent / jnp.where(length > 0, length, 1)

    def project(self, job: Any, image: Image) -> Image:
        """Scales delta = image - job.image by the number at which, cut to the box, it has length
        epsilon.

        The minimum of ||d - delta||^2 + lambda ||d||^2 in the box is delta / (1 + lambda) cut to
        the box; its length rises with 1 / (1 + lambda), which bisection finds. That takes 31 sums
        over the image and no sort. Scaling what the ball alone leaves, then cutting to the box
        (or the reverse), is not the nearest image.
        """

        def shrink(image: Image) -> Image:
            delta = offset(job, image)
            size, most = jnp.abs(delta), room(job, delta)
            longest = size.max()
            size = size / jnp.where(longest > 0, longest, 1)
            unit = jnp.where(radius(job) > 0, radius(job), 1)

            def kept(scale: Array) -> Image:
                return jnp.minimum(scale * size, most)

            def fits(scale: Array) -> Truth:
                # In units of the radius, so that squares do not underflow. Twice the radius is too
                # long by itself; more would overflow.
                return norms.total(jnp.square(jnp.minimum(kept(scale) / unit, 2))) <= 1

            length = kept(last_where(fits, longest))
            return moved(job, shortened(job, jnp.sign(delta) * length, norms.l2))

        return projected(self, job, image, shrink)

    def distance(self, job: Any, image: Image) -> Float[Array, ""]:
        return norms.l2(offset(job, image))

    def check(self, jobs: Any) -> None:
        """Raises on jobs without image or radius."""
        check_image(jobs)
        check_radius(jobs)
