"""The one-pixel attack. (Su, Vargas & Sakurai, 2019)"""

from dataclasses import KW_ONLY

from jfool.base import pytree, static
from jfool.composition import Composed
from jfool.encodings import SparsePixels
from jfool.objectives import Confidence, Objective
from jfool.search import DifferentialEvolution


@pytree
class OnePixel(Composed):
    """Changes the class of a photograph by overwriting k = 1, 3 or 5 of its pixels.

    It is `SparseFooling` with a photograph as the base (`job.base` `[H, W, C]`) and 400 candidates.
    The paper allows 100 generations. On CIFAR-10 it is targeted and stops at
    `until=jfool.confident(0.9)`. On ImageNet it is untargeted, with
    `objective=Untargeted(Confidence())`, and stops at `until=jfool.suppressed(0.05)`. Its
    untargeted rate on CIFAR-10 counts an image if any of the nine targeted attacks succeeds.

    Attributes:
      image_shape, num_classes, max_k, search, objective, boundary: as `SparseFooling`.
    Example:
      >>> from jfool.objectives import Untargeted
      >>> OnePixel((32, 32, 3), 10, objective=Untargeted(Confidence())).targeted
      False
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    max_k: int = static(default=1)
    search: DifferentialEvolution = DifferentialEvolution(population_size=400)
    objective: Objective = Confidence()
    boundary: str = static(default="clip")

    @property
    def encoding(self) -> SparsePixels:
        return SparsePixels(self.image_shape, self.max_k, self.boundary)
