"""The protocol of constraints, and what the balls share."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.base import Image, PRNGKey

# Kept free when a step ends on the sphere: float32 norms err by less, whatever order they add in.
MARGIN = 2.0**-21
# Images and gradients are cut here: their sums and reciprocals are normal float32 numbers.
LARGEST = 1e36


@runtime_checkable
class Constraint(Protocol):
    """A ball around `job.image` with radius `job.epsilon`, cut by the box [0, 1]; for one job."""

    def start(self, key: PRNGKey, job: Any) -> Image:
        """A random image inside the ball and the box."""
        ...

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        """The direction of norm 1 in which a function with this gradient rises most; zero for a
        zero gradient. NaN counts as zero."""
        ...

    def project(self, job: Any, image: Image) -> Image:
        """The nearest image (Euclidean) inside the ball and the box.

        An image inside comes back bit for bit. NaN becomes the value of `job.image`.
        """
        ...

    def distance(self, job: Any, image: Image) -> Float[Array, ""]:
        """The norm of image - job.image."""
        ...

    def check(self, jobs: Any) -> None:
        """Raises TypeError or ValueError on jobs (leading axis N) without such a ball."""
        ...


def center(job: Any) -> Image:
    return jnp.asarray(job.image, jnp.float32)


def radius(job: Any) -> Float[Array, ""]:
    return jnp.asarray(job.epsilon, jnp.float32)


def offset(job: Any, image: Image) -> Image:
    """How far every entry of the image is from the center."""
    return jnp.asarray(image, jnp.float32) - center(job)


def room(job: Any, delta: Image) -> Image:
    """How far the box lets every entry go from the center, to the side that delta points to."""
    return jnp.where(delta > 0, 1 - center(job), center(job))


def moved(job: Any, delta: Float[Array, "..."]) -> Image:
    """center + delta inside the box, rounded towards the center.

    To the nearest float32, 150 528 entries can each move out by 3e-8, in L1 norm 0.005 together.
    """
    end = center(job) + delta
    beyond = jnp.abs(end - center(job)) > jnp.abs(delta)
    return jnp.clip(jnp.where(beyond, jnp.nextafter(end, center(job)), end), 0, 1)


def shortened(
    job: Any, delta: Image, norm: Callable[[Image], Float[Array, ""]]
) -> Float[Array, "H W C"]:
    """delta, scaled down until its norm is just inside the radius."""
    length = norm(delta)
    most = radius(job) * (1 - MARGIN)
    return delta * jnp.where(length > most, most / jnp.where(length > 0, length, 1), 1)


def projected(
    constraint: Constraint, job: Any, image: Image, onto_sphere: Callable[[Image], Image]
) -> Image:
    """The image cut to the box if that is inside the ball, else `onto_sphere(image)`.

    Args:
      onto_sphere: the projection of a finite image that the box leaves outside of the ball.
    """
    image = jnp.asarray(image, jnp.float32)
    image = jnp.clip(jnp.where(jnp.isnan(image), center(job), image), -LARGEST, LARGEST)
    boxed = jnp.clip(image, 0, 1)
    return jnp.where(constraint.distance(job, boxed) <= radius(job), boxed, onto_sphere(image))


def scaled(gradient: Image) -> Image:
    """The gradient divided by its largest entry, so that its norm neither over- nor underflows.

    NaN is zero, and so is a gradient below the smallest normal float32.
    """
    gradient = jnp.clip(jnp.nan_to_num(jnp.asarray(gradient, jnp.float32)), -LARGEST, LARGEST)
    largest = jnp.abs(gradient).max()
    normal = largest >= jnp.finfo(jnp.float32).tiny
    return jnp.where(normal, gradient / jnp.where(normal, largest, 1), 0)
