"""Sparse fooling images by differential evolution. (Kumano et al., 2020, "Are DNNs fooled by
extremely unrecognizable images?", sec. 3.1)"""

from dataclasses import KW_ONLY

from jfool.base import pytree, static
from jfool.composition import Composed
from jfool.encodings import SparsePixels
from jfool.objectives import Confidence, Objective
from jfool.search import DifferentialEvolution


@pytree
class SparseFooling(Composed):
    """Fools a model by at most k pixels on an image of one color.

    The defaults are the paper's: 500 candidates, v = x_r1 + 0.5 (x_r2 - x_r3), no crossover, the
    softmax confidence of the target. It runs 3000 generations on CIFAR-10 (k = 1, 5, 25, 125) and
    1000 on MNIST (k = 5). Our assumptions, where the paper says nothing: positions are floored and
    clipped to the image, donors differ from the member itself, later rows overwrite earlier ones.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K, the number of the model's logits.
      max_k: the most pixels any job may alter; fewer in a job cost no new compilation.
      search: population size, scaling factor F and variants.
      objective: what to maximize; `Untargeted(...)` leaves the true class instead.
      boundary: what happens to positions outside the image (see `SparsePixels`).
    Example:
      >>> attack = SparseFooling((28, 28, 1), 10, max_k=5)
      >>> attack.search.population_size, attack.targeted
      (500, True)
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    max_k: int = static(default=5)
    search: DifferentialEvolution = DifferentialEvolution(population_size=500)
    objective: Objective = Confidence()
    boundary: str = static(default="clip")

    @property
    def encoding(self) -> SparsePixels:
        return SparsePixels(self.image_shape, self.max_k, self.boundary)
