"""What all attacks share that perturb a given image."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jfool.arguments import (
    check_classes,
    check_heading,
    check_image_shape,
    check_images,
    check_num_classes,
)
from jfool.base import Candidate, Images, Model, pytree
from jfool.composition import Composed, Search
from jfool.constraints import L1, L2, Constraint, Linf
from jfool.constraints.checks import check_image
from jfool.encodings.pixels import Pixels
from jfool.model_checks import check_deterministic, check_weights
from jfool.model_outputs import logits_of
from jfool.numbers import brief, known
from jfool.objectives import LogConfidence, Untargeted
from jfool.parts import check_objective, check_part

CROSS_ENTROPY = Untargeted(LogConfidence())  # of the true class, to be raised


@pytree
class PerturbationJob:
    """The data of one attack on an image; a sweep has a leading axis N on every field.

    Attributes:
      image: `[H, W, C]`, float in [0, 1]; of many jobs also `Rows`.
      epsilon: `[]`, the radius in image units (8/255 is eight gray levels); of `L0` a number of
        pixels. Attacks that look for the smallest perturbation need none.
      label: `[]` int, the true class, to leave; untargeted attacks need it.
      target: `[]` int, the class to reach; targeted attacks need it.
    """

    image: Any
    epsilon: ArrayLike | None = None
    label: ArrayLike | None = None
    target: ArrayLike | None = None


class Perturbing(Composed):
    """The methods of attacks that start at `job.image`. Untargeted by default; with
    `objective=LogConfidence()` they reach `job.target` instead."""

    encoding = Pixels()

    def __post_init__(self: Any) -> None:
        check_image_shape(self.image_shape)

    def last(self: Any, job: Any, state: Any) -> Candidate:
        """The answer after the last step, whether or not it was shown to the model."""
        return self.search.last(self.task(job), state)

    def check(self: Any, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_num_classes(self.num_classes)
        check_objective(self.objective, self.num_classes)
        check_part("search", self.search, Search, "jfool.search.MinimalStep(...)")
        if getattr(jobs, "image", None) is None:
            raise TypeError(f"jobs: expected jfool.PerturbationJob, got {brief(jobs)}")
        shape = known(jobs.image).shape
        if shape[1:] != self.image_shape:
            raise ValueError(
                f"jobs.image: expected floats [N, {', '.join(map(str, self.image_shape))}], "
                f"got shape {list(shape)}"
            )
        check_classes(jobs, self.objective.targeted, self.num_classes)
        check_heading(jobs, self.objective)
        if type(self).constraint is None:  # none to choose
            check_image(jobs)
            return
        check_part("constraint", self.constraint, Constraint, "jfool.Linf()", jobs)


def check_ball(constraint: Any) -> None:
    """Raises TypeError unless it is one of the balls of a norm that is convex."""
    if not isinstance(constraint, (Linf, L2, L1)):
        raise TypeError(
            f"constraint: expected jfool.Linf(), jfool.L2() or jfool.L1(), got {brief(constraint)}"
        )


def least_likely(model: Model, images: ArrayLike) -> Int[np.ndarray, " N"]:
    """The class that the model gives the least probability, for each image: the target of the
    iterative least-likely class method. (Kurakin, Goodfellow & Bengio, 2017)

    Args:
      model: as for `jfool.run`, without draws.
      images: `[N, H, W, C]` in [0, 1].
    Raises:
      TypeError, ValueError: an argument cannot work.
    """
    check_weights(model)
    check_deterministic(model, "ask the model inside, or jfool.wrap a function that fixes the keys")
    check_images("images", images)
    return np.asarray(_logits(model, jnp.asarray(images, jnp.float32)).argmin(1))


@jax.jit
def _logits(model: Model, images: Images) -> Float[jax.Array, "N K"]:
    return logits_of(model, images)
