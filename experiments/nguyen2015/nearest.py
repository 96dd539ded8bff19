"""The natural image nearest to each of others, of the same class.

`n` points, `m` natural ones, `D` numbers each.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class Nearest:
    """
    Attributes:
      index: `[n]`, which natural point is nearest.
      distance: `[n]`, Euclidean.
    """

    index: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]


def nearest_of_class(
    points: Float[np.ndarray, "n D"],
    labels: Int[np.ndarray, " n"],
    natural: Float[np.ndarray, "m D"],
    natural_labels: Int[np.ndarray, " m"],
) -> Nearest:
    """Among the natural points of each point's class, of which there is at least one."""
    index = np.zeros(len(points), int)
    for label in np.unique(labels):
        mine, theirs = np.flatnonzero(labels == label), np.flatnonzero(natural_labels == label)
        of_class = natural[theirs].astype(np.float64)
        squares = (of_class**2).sum(1)
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            nearness = squares - 2 * points[some] @ of_class.T  # but for the point's own square
            index[some] = theirs[nearness.argmin(1)]
    # Anew, as squares that are taken apart lose the digits of small distances.
    return Nearest(index, np.linalg.norm(points - natural[index], axis=1))
