"""Sparse fooling images by greedy re-placement of pixels. jfool's own, from no paper."""

from jfool.composition import Composition
from jfool.encodings import SparsePixels
from jfool.objectives import LogConfidence, Objective
from jfool.search import GreedyPixels


def GreedyFooling(
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    max_k: int = 5,
    search: GreedyPixels = GreedyPixels(),
    objective: Objective = LogConfidence(),
) -> Composition:
    """A single-colour image, or a photograph, with at most k altered pixels that a model takes for
    a class, found in fewer evaluations than `SparseFooling` takes.

    It climbs the logarithm of the confidence, which has no plateau at 0. Rows beyond a job's k are
    re-placed too, to no effect: `max_k` should be no larger than needed.

    Args:
      image_shape: (H, W, C) of the model's input.
      num_classes: K, the number of the model's logits.
      max_k: the most pixels any job may alter.
      search: its sizes and moves.
      objective: what to climb; `Untargeted(...)` leaves the class instead of reaching it.
    Returns:
      An attack for `jfool.run`; its jobs are `jfool.SparseJob`.
    Raises:
      ValueError: a setting that cannot work.
    Example:
      >>> attack = GreedyFooling((32, 32, 3), 10, max_k=5)
      >>> attack.search.num_proposals, attack.targeted
      (48, True)
    """
    return Composition(search, SparsePixels(image_shape, max_k), objective, num_classes)
