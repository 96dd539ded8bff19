"""Steps to the nearest boundary of the linearized model, as DeepFool takes them.

Inside the box: where an entry is at 0 or 1 already, a step does not go further. With steps that are
merely clipped, each would close a part of the gap, and the boundary would never be crossed.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.arguments import check_leaves
from jfool.base import Candidate, Info, Logits, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.criteria import fooled
from jfool.encodings.pixels import Pixels
from jfool.numbers import brief, check_number, check_whole
from jfool.objectives import Margin


@pytree
class BoundaryState:
    """
    image: `[H, W, C]`, to be shown next; the answer, once it is misclassified.
    perturbation: `[H, W, C]`, the sum of all steps so far inside the box, without overshoot.
    fooled: `[]` bool, whether the model misclassifies the image; then nothing changes any more.
    fitness, logits: `[]`, `[K]`, of the image that was shown last.
    """

    image: Array
    perturbation: Array
    fooled: Array
    fitness: Array
    logits: Array


@pytree
class Differences:
    """The functionals z_l - z_label for the `num_classes` classes l with the largest logits."""

    num_classes: int = static()

    def __call__(self, logits: Logits, job: Any) -> Float[Array, "M K"]:
        classes = jnp.arange(logits.shape[-1])
        others = jnp.where(classes == job.label, -jnp.inf, logits)
        nearest = lax.top_k(others, self.num_classes)[1]
        one_hot = jax.nn.one_hot(nearest, logits.shape[-1], dtype=jnp.float32)
        return one_hot - (classes == job.label).astype(jnp.float32)[None]


@pytree
class NearestBoundary:
    """
    Attributes:
      norm: the constraint whose `direction` a step takes, such as `L2()`.
      overshoot: by how much the sum of all steps is lengthened.
      num_candidates: the most classes to consider, those with the largest logits.
    """

    norm: Any
    overshoot: ArrayLike = 0.02
    num_candidates: int = static(default=9)

    needs = Pixels

    @property
    def images_at_once(self) -> int:
        return 1

    def init(self, key: PRNGKey, task: Task) -> BoundaryState:
        del key
        image = jnp.asarray(task.job.image, jnp.float32)
        return BoundaryState(
            image=image,
            perturbation=jnp.zeros_like(image),
            fooled=jnp.zeros((), bool),
            fitness=jnp.full((), -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
        )

    def step(self, key: PRNGKey, task: Task, state: BoundaryState) -> tuple[BoundaryState, Info]:
        del key
        job, image = task.job, state.image
        rows = Differences(min(self.num_candidates, task.num_classes - 1))
        going = ~state.fooled
        logits, gradients = task.evaluate.pullback(
            task.encoding, rows, job, image[None], when=going
        )
        logits, gradients = logits[0].astype(jnp.float32), jnp.nan_to_num(gradients[0])
        free = ((gradients > 0) & (image < 1)[None]) | ((gradients < 0) & (image > 0)[None])
        gradients = jnp.where(free, gradients, 0)
        values = rows(logits, job) @ logits  # [M], negative while the label wins
        directions = jax.vmap(lambda gradient: self.norm.direction(job, image, gradient))(gradients)
        slopes = (gradients * directions).sum((1, 2, 3))  # of a step of length 1
        lengths = jnp.where(slopes > 0, jnp.abs(values) / jnp.where(slopes > 0, slopes, 1), jnp.inf)
        nearest = jnp.argmin(lengths)
        length = jnp.where(jnp.isfinite(lengths[nearest]), lengths[nearest], 0)

        now_fooled = fooled(logits, job.label, False)
        moves = going & ~now_fooled
        start = jnp.asarray(job.image, jnp.float32)
        moved = state.perturbation + jnp.where(moves, length, 0) * directions[nearest]
        perturbation = jnp.clip(moved, -start, 1 - start)
        end = start + (1 + self.overshoot) * perturbation
        stepped = BoundaryState(
            image=jnp.where(moves, jnp.clip(end, 0, 1), image),
            perturbation=perturbation,
            fooled=state.fooled | now_fooled,
            fitness=jnp.where(going, -Margin()(logits, job.label), state.fitness),
            logits=jnp.where(going, logits, state.logits),
        )
        return stepped, Info(stepped.fitness)

    def best(self, task: Task, state: BoundaryState) -> Candidate:
        """The image to be shown next, or the one that the model misclassified."""
        del task
        logits = jnp.where(state.fooled, state.logits, jnp.nan)
        return Candidate(state.image, logits, state.fitness, state.image)

    last = best

    def check(self) -> None:
        """Raises on numbers that cannot work."""
        if isinstance(self.norm, type) or not callable(getattr(self.norm, "direction", None)):
            raise TypeError(f"norm: expected one such as jfool.L2(), got {brief(self.norm)}")
        check_leaves("norm", self.norm)
        check_number("overshoot", self.overshoot, "a number of at least 0", least=0)
        check_whole("num_candidates", self.num_candidates, 1)
