"""DeepFool. (Moosavi-Dezfooli, Fawzi & Frossard, 2016)"""

from dataclasses import KW_ONLY

from jax.typing import ArrayLike

from jfool.attacks.perturbing import Perturbing
from jfool.base import pytree, static
from jfool.constraints import L2, Constraint
from jfool.objectives import Margin, Objective, Untargeted
from jfool.search.nearest_boundary import NearestBoundary


@pytree
class DeepFool(Perturbing):
    """The smallest perturbation, by steps to the nearest boundary of the linearized model.

      for every class l:  f_l = z_l - z_label,  w_l = df_l/dx
      r = |f_l| w_l / ||w_l||^2  for the l with the smallest |f_l| / ||w_l||
      x <- clip(x0 + 1.02 * sum of all r)

    It moves no more once the prediction has changed, where `until=jfool.misclassified()` ends the
    job; the authors allow 50 steps. Each step takes `num_candidates` gradients.

    The original leaves the box [0, 1]; here each image is clipped to it, and w_l is 0 where x is at
    the end of the box to which it points: clipped steps alone would never cross the boundary. The
    class to leave is `job.label`, in the original the prediction for the image, which is the same
    for all images that are not wrong already.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      norm: `L2()`, or `Linf()`, with which r = |f_l| sign(w_l) / ||w_l||_1.
      overshoot: by how much the sum is lengthened.
      num_candidates: the most classes to consider, those with the largest logits.
    Example:
      >>> import jfool
      >>> DeepFool((28, 28, 1), 10, norm=jfool.Linf()).targeted
      False

    Reference: DeepFool, a simple and accurate method to fool deep neural networks,
    arXiv:1511.04599, algorithm 2.
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    norm: Constraint = L2()
    overshoot: ArrayLike = 0.02
    num_candidates: int = static(default=9)
    constraint = None

    @property
    def objective(self) -> Objective:
        return Untargeted(Margin())

    @property
    def search(self) -> NearestBoundary:
        return NearestBoundary(self.norm, self.overshoot, self.num_candidates)
