"""The fast adaptive boundary attack. (Croce & Hein, 2020)"""

from dataclasses import KW_ONLY
from typing import Any

from jax.typing import ArrayLike

from jfool.arguments import check_heading
from jfool.attacks.perturbing import Perturbing, check_ball
from jfool.base import pytree, static
from jfool.constraints import Constraint, Linf
from jfool.objectives import Margin, Objective, Untargeted
from jfool.search.adaptive_boundary import AdaptiveBoundary, Boundaries, ToAll


@pytree
class FAB(Perturbing):
    """The fast adaptive boundary attack: the smallest perturbation, by steps to the nearest
    boundary of the linearized model that stay near the original image. (Croce & Hein, 2020)

    A success is inside `job.epsilon`; with `until=jfool.misclassified()` the job ends there. For
    the smallest perturbation let epsilon be what the box allows (in Linf 1) and leave `until` out:
    the answer is the nearest image that fooled the model. The authors take 100 steps. A step takes
    K - 1 gradients, with `ToTarget()` one, and a query.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      constraint: `Linf()`, `L2()` or `L1()`: what is to be small.
      boundaries: `ToAll()`, or `jfool.search.ToTarget()`, which leaves `job.label` towards
        `job.target` and takes any wrong class: the targeted form of AutoAttack.
      overshoot, backward, most_pull: eta, beta and alpha_max.
      random_start: start near the image instead of at it, for `Restarts`.
    Example:
      >>> import jfool
      >>> jfool.FAB((28, 28, 1), 10, constraint=jfool.L2()).targeted
      False

    Reference: Minimally distorted adversarial examples with a fast adaptive boundary attack,
    arXiv:1907.02044.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    constraint: Constraint = Linf()
    boundaries: Boundaries = ToAll()
    overshoot: ArrayLike = 1.05
    backward: ArrayLike = 0.9
    most_pull: ArrayLike = 0.1
    random_start: bool = static(default=False)

    @property
    def objective(self) -> Objective:
        return Untargeted(Margin())

    @property
    def search(self) -> AdaptiveBoundary:
        numbers = self.overshoot, self.backward, self.most_pull
        return AdaptiveBoundary(self.boundaries, *numbers, self.random_start)

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_ball(self.constraint)
        super().check(jobs)
        check_heading(jobs, self.boundaries)
