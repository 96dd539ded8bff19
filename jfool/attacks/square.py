"""The Square attack. (Andriushchenko et al., 2020)"""

from dataclasses import KW_ONLY
from typing import Any

from jax.typing import ArrayLike

from jfool.attacks.perturbing import Perturbing, check_ball
from jfool.base import pytree, static
from jfool.constraints import L2, Constraint, Linf
from jfool.objectives import Margin, Objective, Untargeted
from jfool.search.square_flips import SquareFlips
from jfool.search.square_windows import SquareWindows


@pytree
class Square(Perturbing):
    """A random search over squares: one query a step, no gradient. (Andriushchenko et al., 2020)

    In the Linf ball a square gets one of the outermost colors; in the L2 and L1 balls it gets a
    bump with the budget of another square. AutoAttack allows 5 000 steps; the squares shrink after
    10, 50, 200, ... steps whatever the number.

    Each job draws squares of its own, anywhere in the image; the reference code draws one for the
    whole batch, and none that touches the last row or column.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      constraint: `Linf()`, `L2()` or `L1()`.
      objective: what to raise: by default the margin of any other class over the label. The paper
        takes `LogConfidence()` to reach a target.
      share: of the image that the first squares cover, p.
    Example:
      >>> import jfool
      >>> jfool.Square((28, 28, 1), 10, constraint=jfool.L2()).images_at_once
      1

    Reference: Square Attack, a query-efficient black-box adversarial attack via random search,
    arXiv:1912.00049, algorithms 1 to 3.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    constraint: Constraint = Linf()
    objective: Objective = Untargeted(Margin())
    share: ArrayLike = 0.8

    @property
    def search(self) -> SquareFlips | SquareWindows:
        if isinstance(self.constraint, Linf):
            return SquareFlips(self.share)
        return SquareWindows(self.share, 2.0 if isinstance(self.constraint, L2) else 1.0)

    def last(self, job: Any, state: Any) -> Any:
        """The answer so far: a proposal that was not shown is none."""
        return self.best(job, state)

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_ball(self.constraint)
        super().check(jobs)
