"""The L0 ball: at most epsilon pixels change."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import Image, PRNGKey, Truth, pytree
from jfool.constraints import norms
from jfool.constraints.base import center, offset, projected, radius, scaled
from jfool.constraints.bisection import last_where
from jfool.constraints.checks import check_image, check_radius


@pytree
class L0:
    """At most job.epsilon pixels differ from job.image in any channel, in [0, 1]."""

    def start(self, key: PRNGKey, job: Any) -> Image:
        """Epsilon distinct pixels at random, in uniform colors."""
        place_key, color_key = jax.random.split(key)
        height, width, _ = center(job).shape
        order = jax.random.permutation(place_key, height * width).reshape(height, width, 1)
        colors = jax.random.uniform(color_key, center(job).shape, jnp.float32)
        return jnp.where(order.astype(jnp.float32) < radius(job), colors, center(job))

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        """gradient / ||gradient||_1, as in PGD0. (Croce & Hein, 2019)"""
        del job, image
        ascent = scaled(gradient)
        length = norms.l1(ascent)
        return ascent / jnp.where(length > 0, length, 1)

    def project(self, job: Any, image: Image) -> Image:
        """Keeps the epsilon pixels, cut to the box, that would cost most to give up; the first of
        equals. (Croce & Hein, 2019)

        To give up a pixel costs ||delta||^2, to keep it dist^2(delta, box). Bisection finds the
        epsilon-th largest difference in 31 counts over the pixels; no sort.
        Reference: Sparse and imperceivable adversarial attacks, arXiv:1909.05040, sec. 2.3.
        """

        def keep(image: Image) -> Image:
            boxed = jnp.clip(image, 0, 1)
            size, cut = jnp.abs(offset(job, image)), jnp.abs(offset(job, boxed))
            # size^2 - (size - cut)^2, without the cancellation.
            gain = (cut * (2 * size - cut)).sum(-1)  # [H, W]

            def enough(least: Array) -> Truth:
                return (gain >= least).sum(dtype=jnp.float32) >= radius(job)

            least = last_where(enough, gain.max())
            above, equal = gain > least, gain == least
            nth = jnp.cumsum(equal.ravel(), dtype=jnp.float32).reshape(equal.shape)
            kept = above | (equal & (nth <= radius(job) - above.sum(dtype=jnp.float32)))
            return jnp.where(kept[..., None], boxed, center(job))

        return projected(self, job, image, keep)

    def distance(self, job: Any, image: Image) -> Float[Array, ""]:
        """The number of pixels that differ."""
        return norms.l0(offset(job, image))

    def check(self, jobs: Any) -> None:
        """Raises on jobs without image, or with a radius that is no number of pixels."""
        check_image(jobs)
        check_radius(jobs, whole=True)
