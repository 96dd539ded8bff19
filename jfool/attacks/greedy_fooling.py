"""Sparse fooling images by greedy re-placement of pixels. jfool's own, from no paper."""

from dataclasses import KW_ONLY

from jfool.base import pytree, static
from jfool.composition import Composed
from jfool.encodings import SparsePixels
from jfool.objectives import LogConfidence, Objective
from jfool.search import GreedySearch


@pytree
class GreedyFooling(Composed):
    """A single-colour image, or a photograph, with at most k altered pixels that a model takes for
    a class, found in fewer evaluations than `SparseFooling` takes.

    It climbs the logarithm of the confidence, which has no plateau at 0. Rows beyond a job's k are
    re-placed too, to no effect: `max_k` should be no larger than needed.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K, the number of the model's logits.
      max_k: the most pixels any job may alter.
      search: its sizes and moves.
      objective: what to climb; `Untargeted(...)` leaves the class instead of reaching it.
    Example:
      >>> attack = GreedyFooling((32, 32, 3), 10, max_k=5)
      >>> attack.search.num_proposals, attack.targeted
      (48, True)
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    _: KW_ONLY
    max_k: int = static(default=5)
    search: GreedySearch = GreedySearch()
    objective: Objective = LogConfidence()

    @property
    def encoding(self) -> SparsePixels:
        return SparsePixels(self.image_shape, self.max_k)
