"""How well a score tells two groups apart."""

import numpy as np
from jaxtyping import Float

from jfool.numbers import brief, is_real, known


def auroc(positive: Float[np.ndarray, " P"], negative: Float[np.ndarray, " Q"]) -> float:
    """Area under the ROC curve: how often a positive's score exceeds a negative's, ties counted
    half. (Hanley & McNeil, 1982)

    It is 1 where every positive scores higher, 0.5 for a score that tells nothing. Takes
    O((P + Q) log Q) time.

    Args:
      positive, negative: `[P]` and `[Q]`, scores; infinite ones are allowed.
    Raises:
      ValueError: a group is empty or has NaN.
    Reference: The meaning and use of the area under a ROC curve, Radiology 143(1).
    Example:
      >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
      0.875
    """
    positive, negative = known(positive), known(negative)
    for name, scores in (("positive", positive), ("negative", negative)):
        fits = scores.ndim == 1 and scores.size and is_real(scores)
        if not fits or np.isnan(scores).any():
            raise ValueError(f"{name}: expected scores [N] without NaN, got {brief(scores)}")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    not_above = np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / (2 * negative.size))
