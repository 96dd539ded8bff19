"""Steps to the boundary of the linearized model that stay near the original: FAB. (Croce & Hein,
2020)

  z  = the nearest image to x, and z0 = that to the original x0, on the nearest boundary
  a  = min(||z - x|| / (||z - x|| + ||z0 - x0||), a_max)
  x' = clip((1 - a) (x + eta (z - x)) + a (x0 + eta (z0 - x0)))

Where x' fools the model it is kept if it is nearer than all before, and the search goes back:
x' <- x0 + beta (x' - x0).
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.arguments import check_part
from jfool.base import Candidate, Image, Info, Logits, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.constraints.base import center
from jfool.constraints.planes import to_plane
from jfool.criteria import fooled
from jfool.numbers import check_number
from jfool.search.nearest_boundary import Differences


@runtime_checkable
class Boundaries(Protocol):
    """`boundaries(logits [K], job) -> [M, K]`: functionals that are 0 on the boundaries to
    consider, and negative where the label wins."""

    def __call__(self, logits: Logits, job: Any, /) -> Float[Array, "M K"]: ...


@pytree
class ToTarget:
    """The boundary to `job.target`: z_target - z_label."""

    needs_target = True

    def __call__(self, logits: Logits, job: Any) -> Float[Array, "1 K"]:
        classes = jnp.stack([job.target, job.label])
        target, label = jax.nn.one_hot(classes, logits.shape[-1], dtype=jnp.float32)
        return (target - label)[None]


@pytree
class ToAll:
    """The boundaries to all other classes."""

    def __call__(self, logits: Logits, job: Any) -> Float[Array, "M K"]:
        return Differences(logits.shape[-1] - 1)(logits, job)


@pytree
class NearState:
    """
    image: `[H, W, C]`, x.
    best: `[H, W, C]`, the nearest image that fooled the model; x0 before the first.
    distance: `[]`, of `best`; inf before the first.
    logits: `[K]`, of `best`; NaN before the first.
    """

    image: Array
    best: Array
    distance: Array
    logits: Array


@pytree
class AdaptiveBoundary:
    """A step takes one gradient for each boundary, and shows one image more.

    Attributes:
      boundaries: `ToAll()` or `ToTarget()`.
      overshoot: eta.
      backward: beta.
      most_pull: a_max.
      random_start: start half way to a random image in the constraint, instead of at x0.
    """

    boundaries: Boundaries = ToAll()
    overshoot: ArrayLike = 1.05
    backward: ArrayLike = 0.9
    most_pull: ArrayLike = 0.1
    random_start: bool = static(default=False)

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self, key: PRNGKey, task: Task) -> NearState:
        original = image = center(task.job)
        if self.random_start:
            image = (original + task.constraint.start(key, task.job)) / 2
        return NearState(
            image=image,
            best=original,
            distance=jnp.full((), jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
        )

    def step(self, key: PRNGKey, task: Task, state: NearState) -> tuple[NearState, Info]:
        del key
        job, norm, image, original = task.job, task.constraint, state.image, center(task.job)
        logits, gradients = task.evaluate.pullback(task.encoding, self.boundaries, job, image[None])
        logits, gradients = logits[0].astype(jnp.float32), jnp.nan_to_num(gradients[0])
        values = self.boundaries(logits, job) @ logits  # [M]
        nearest = jnp.argmin(_lengths(norm, job, image, values, gradients))
        normal, value = gradients[nearest], jnp.nan_to_num(values[nearest])

        step = to_plane(norm, image, normal, -value)
        gap = (normal * (image - original)).sum() - value
        step_from_original = to_plane(norm, original, normal, gap)
        moved = norm.distance(job, original + step)
        other = norm.distance(job, original + step_from_original)
        total = moved + other
        pull = jnp.minimum(moved / jnp.where(total > 0, total, 1), self.most_pull)
        eta = jnp.asarray(self.overshoot, jnp.float32)
        toward = (1 - pull) * (image + eta * step)
        stepped = jnp.clip(toward + pull * (original + eta * step_from_original), 0, 1)

        logits = task.logits(stepped[None])[0].astype(jnp.float32)
        fools = fooled(logits, job.label, False)
        distance = norm.distance(job, stepped)
        nearer = fools & (distance < state.distance)
        back = original + jnp.asarray(self.backward, jnp.float32) * (stepped - original)
        after = NearState(
            image=jnp.where(fools, back, stepped),
            best=jnp.where(nearer, stepped, state.best),
            distance=jnp.where(nearer, distance, state.distance),
            logits=jnp.where(nearer, logits, state.logits),
        )
        return after, Info(-after.distance)

    def best(self, task: Task, state: NearState) -> Candidate:
        """The nearest image that fooled the model; its logits are known where it is inside the
        constraint, so that a run ends there and not before."""
        inside = state.distance <= jnp.asarray(task.job.epsilon, jnp.float32)
        logits = jnp.where(inside, state.logits, jnp.nan)
        return Candidate(state.best, logits, -state.distance, state.best)

    last = best

    def check(self) -> None:
        """Raises on parts and numbers that cannot work."""
        check_part("boundaries", self.boundaries, Boundaries, "jfool.search.ToAll()")
        for name, least, most in (("overshoot", 1, 2), ("backward", 0, 1), ("most_pull", 0, 1)):
            expected = f"a number in [{least}, {most}]"
            check_number(name, getattr(self, name), expected, least=least, most=most)


def _lengths(norm: Any, job: Any, image: Image, values: Array, gradients: Array) -> Array:
    """How far the boundaries `[M]` are, if nothing else bounds a step; inf for those without a
    gradient. (eq. 7)"""

    def slope(gradient: Image) -> Array:
        middle = jnp.full_like(image, 0.5)  # where the box lets every entry go
        return (gradient * norm.direction(job, middle, gradient)).sum()

    slopes = jax.vmap(slope)(gradients)
    steep = slopes > 0
    return jnp.where(steep, jnp.abs(values) / jnp.where(steep, slopes, 1), jnp.inf)
