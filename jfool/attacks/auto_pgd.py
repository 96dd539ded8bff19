"""Auto-PGD, whose steps need no tuning. (Croce & Hein, 2020, 2021)"""

from dataclasses import KW_ONLY
from typing import Any

from jax.typing import ArrayLike

from jfool.attacks.perturbing import CROSS_ENTROPY, Perturbing, check_ball
from jfool.base import pytree, static
from jfool.constraints import L1, Constraint, Linf
from jfool.objectives import Objective, TargetLogitRatio
from jfool.search.adaptive_steps import AdaptiveSteps
from jfool.search.sparse_steps import SparseSteps


@pytree
class APGD(Perturbing):
    """Auto-PGD: steps that need no tuning. (Croce & Hein, 2020, 2021)

    In the Linf and L2 balls, steps with momentum whose length is halved where the objective no
    longer rises (`jfool.search.AdaptiveSteps`); in the L1 ball, sparse steps while the radius
    shrinks to epsilon (`jfool.search.SparseSteps`). The answer is the image that fooled the model
    last, else the fittest.

    Run it for `num_steps` steps, in the L1 ball for two more. AutoAttack takes the cross-entropy,
    then `objective=jfool.TargetLogitRatio()`, which leaves `job.label` towards `job.target`.

    The balls are projected on exactly, where the reference code cuts the L2 ball and then the box;
    starts are uniform in the ball, there on its surface, where nearly all of it lies.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      constraint: `Linf()`, `L2()` or `L1()`.
      objective: what to raise: by default the cross-entropy of the label.
      num_steps: for which the search is planned, 100 in the paper.
    Example:
      >>> import jfool
      >>> jfool.APGD((28, 28, 1), 10, objective=jfool.LogitRatio()).targeted
      False

    References: Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, arXiv:2003.01690, algorithm 1; Mind the box: l1-APGD for sparse
    adversarial attacks on image classifiers, arXiv:2103.01208.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    constraint: Constraint = Linf()
    objective: Objective | TargetLogitRatio = CROSS_ENTROPY
    num_steps: ArrayLike = 100

    @property
    def search(self) -> AdaptiveSteps | SparseSteps:
        steps = SparseSteps if isinstance(self.constraint, L1) else AdaptiveSteps
        return steps(self.num_steps)

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_ball(self.constraint)
        super().check(jobs)
