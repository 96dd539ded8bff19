"""The natural image nearest to each of others, of the same class.

`n` points, `m` natural ones, `D` numbers each.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist

_AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class Nearest:
    """
    Attributes:
      index: `[n]`, which natural point is nearest; the first of equals.
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
    index, distance = np.zeros(len(points), int), np.zeros(len(points))
    for label in np.unique(labels):
        mine, theirs = np.flatnonzero(labels == label), np.flatnonzero(natural_labels == label)
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            apart = cdist(points[some], natural[theirs])
            index[some], distance[some] = theirs[apart.argmin(1)], apart.min(1)
    return Nearest(index, distance)
