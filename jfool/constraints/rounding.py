"""Whether an image is inside a constraint, and rounding it to 8 bits without leaving."""

from typing import Any

import jax.numpy as jnp

from jfool.base import Image, Truth
from jfool.constraints.base import Constraint, center, offset, radius

# Of the radius, at least of 1. Norms are right to 2.4e-7 of themselves at any number of entries
# (`norms.total`), and the float32 nearest to job.image + delta is off by at most 3e-8 an entry.
SLACK = 1e-6


def inside(constraint: Constraint, job: Any, image: Image) -> Truth:
    """Whether the image is in the ball and in [0, 1], up to `SLACK`; NaN is not."""
    slack = SLACK * jnp.maximum(radius(job), 1)
    in_box = ((image >= -SLACK) & (image <= 1 + SLACK)).all()
    return in_box & (constraint.distance(job, image) <= radius(job) + slack)


def round_inside(constraint: Constraint, job: Any, image: Image) -> Image:
    """Rounds an image of the ball to multiples of 1/255, without leaving the ball.

    Every entry goes to the nearest gray level, or to the next one towards job.image if it alone
    would leave the radius otherwise. Where all together still leave it, which L2 and L1 balls
    allow, every entry goes towards job.image. An entry with no gray level on that way, as there may
    be if job.image is not a multiple of 1/255, takes the value of job.image.
    """
    start, image = center(job), jnp.asarray(image, jnp.float32)
    levels = 255 * image
    nearest = jnp.round(levels) / 255
    # Division by 255 rounds as the compiler likes; an entry on the level of job.image has not moved.
    nearest = jnp.where(jnp.abs(nearest - start) <= SLACK, start, nearest)
    # 255 (j / 255) may fall short of j by rounding.
    tiny = 1e-4
    inward = jnp.where(image > start, jnp.floor(levels + tiny), jnp.ceil(levels - tiny)) / 255
    inward = jnp.clip(inward, jnp.minimum(start, image), jnp.maximum(start, image))
    alone = jnp.abs(offset(job, nearest)) <= radius(job) + SLACK
    rounded = jnp.where(alone, nearest, inward)
    return jnp.where(inside(constraint, job, rounded), rounded, inward)
