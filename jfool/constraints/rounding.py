"""Whether an image is inside a constraint, and rounding it to 8 bits without leaving."""

from typing import Any

import jax.numpy as jnp

from jfool.base import Image, Truth
from jfool.constraints.base import Constraint, center, radius

# Relative to the radius, or to 1 if that is more. A computed norm is right to 2.4e-7 of itself,
# however many entries it has (`norms.total`); an entry of a float32 image may be off by 3e-8.
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
    numbers = 255 * image
    # 255 (j / 255) may fall short of j by rounding.
    tiny = 5e-5
    inward = jnp.where(image > start, jnp.floor(numbers + tiny), jnp.ceil(numbers - tiny))
    inward = jnp.clip(_levels(inward, start), jnp.minimum(start, image), jnp.maximum(start, image))
    nearest = _levels(jnp.round(numbers), start)
    alone = jnp.abs(nearest - start) <= radius(job) + SLACK
    rounded = jnp.where(alone, nearest, inward)
    return jnp.where(inside(constraint, job, rounded), rounded, inward)


def _levels(numbers: Image, start: Image) -> Image:
    """numbers / 255, but start itself where it is that level: compilers differ in how they divide,
    and an entry that has not moved must not count as moved."""
    levels = numbers / 255
    return jnp.where(jnp.abs(levels - start) <= SLACK, start, levels)
