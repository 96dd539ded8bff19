"""Sparse fooling images by greedy re-placement of pixels. jfool's own, from no paper."""

from dataclasses import KW_ONLY

from jfool.base import pytree, static
from jfool.composition import Composed
from jfool.encodings import SparsePixels
from jfool.objectives import LogConfidence, Objective
from jfool.search import GreedySearch


@pytree
class GreedyFooling(Composed):
    """Fools a model by at most k pixels on a plain color or a photograph, in fewer evaluations than
    `SparseFooling`.

    It maximizes the log of the confidence, which does not saturate at 0. Rows beyond a job's k are
    moved too, without effect, so `max_k` should be no larger than needed.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K, the number of the model's logits.
      max_k: the most pixels any job may alter.
      search: sizes, moves and restarts.
      objective: what to maximize; `Untargeted(...)` leaves the true class instead.
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
