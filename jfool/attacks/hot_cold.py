"""The hot/cold attack. (Rozsa, Rudd & Boult, 2016; Gunther, Rozsa & Boult, 2017)"""

from dataclasses import KW_ONLY
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.arguments import check_classes
from jfool.attacks.perturbing import Perturbing
from jfool.base import Image, Logits, pytree, static
from jfool.composition import Task
from jfool.objectives import LogConfidence, Objective
from jfool.search.minimal_step import MinimalStep


@pytree
class HotColdRow:
    """The functional of the logits h that grows with the target and falls with the label:
    `|h_target|` at the target, `-h_label` at the label, 0 elsewhere."""

    def __call__(self, logits: Logits, job: Any) -> Float[Array, "1 K"]:
        classes = jnp.arange(logits.shape[-1])
        hot = jnp.where(classes == job.target, jnp.abs(logits), 0)
        return (hot - jnp.where(classes == job.label, logits, 0))[None]


@pytree
class HotColdDirection:
    """Its gradient with respect to the image, computed once."""

    def __call__(self, task: Task, image: Image) -> Image:
        one = image[None]
        _, gradient = task.evaluate.pullback(task.encoding, HotColdRow(), task.job, one)
        return gradient[0, 0]


@pytree
class HotCold(Perturbing):
    """The smallest step that turns an image of the cold class (`job.label`) into the hot class
    (`job.target`), along the gradient of the two logits.

      d = d(|h_hot| h_hot - h_cold h_cold)/dx, with the factors held fixed
      x* = clip(x + w d), the smallest w for which the prediction is the target

    It takes one gradient and `num_points * num_rounds` images, one round more where w is above 1;
    run it with `num_steps=0`. The authors do not say how they search for w.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      search: points and rounds of the search for w.
    Example:
      >>> HotCold((28, 28, 1), 10).targeted
      True

    Reference: Adversarial diversity and hard positive generation, arXiv:1605.01775.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    search: MinimalStep = MinimalStep(HotColdDirection())
    constraint = None

    @property
    def objective(self) -> Objective:
        return LogConfidence()

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        super().check(jobs)
        check_classes(jobs, False, self.num_classes)  # both classes are needed
