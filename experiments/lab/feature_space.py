"""Where natural images and fooling images lie in the features of a deep layer.

`n` points, `D` features, `K` classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

Points = Float[np.ndarray, "n D"]


@dataclass(frozen=True, eq=False)
class PCA:
    """
    points: `[n, 2]`, projections onto the first two principal axes.
    explained: `[2]`, their shares of the variance.
    """

    points: Points
    explained: Float[np.ndarray, " 2"]


def pca(points: Points) -> PCA:
    """The first two principal components, each with its largest coefficient positive.

    Example:
      >>> line = np.outer(np.arange(4.0), [3.0, 4.0])
      >>> found = pca(line)
      >>> found.points[:, 0].round(6).tolist(), found.explained[0].round(6).item()
      ([-7.5, -2.5, 2.5, 7.5], 1.0)
    """
    centred = points - points.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(1)])[:, None]
    return PCA(centred @ axes.T, sizes[:2] ** 2 / (sizes**2).sum())


@dataclass(frozen=True, eq=False)
class Groups:
    """Points of natural images and of SFIs, both with classes.

    Attributes:
      natural: `[n, D]`; natural_labels: `[n]`, at least two of each class.
      sfis: `[m, D]`; sfi_labels: `[m]`, the classes sought.
    """

    natural: Points
    natural_labels: Int[np.ndarray, " n"]
    sfis: Points
    sfi_labels: Int[np.ndarray, " m"]

    def of_class(self, label: int) -> "Groups":
        """The SFIs of one class, among all natural images."""
        mine = self.sfi_labels == label
        return Groups(self.natural, self.natural_labels, self.sfis[mine], self.sfi_labels[mine])


@dataclass(frozen=True)
class Nearness:
    """How SFIs lie to the natural images of their class.

    Attributes:
      nearest: share of SFIs whose nearest class mean of natural images is that of their class.
      own: mean distance to the natural images of their class, in units of the mean distance of
        these to each other.
      others: the same to the natural images of the other classes.
      auroc: how well the distance to the class mean tells SFIs from natural images of the class,
        which are left out of the mean each in turn: 0.5 not at all, 1 always.
    """

    nearest: float
    own: float
    others: float
    auroc: float


def nearness(groups: Groups) -> Nearness:
    """Of all SFIs, those of each class compared with its natural images."""
    labels = np.unique(groups.natural_labels)
    means = np.stack([groups.natural[groups.natural_labels == label].mean(0) for label in labels])
    nearest = labels[_distances(groups.sfis, means).argmin(1)]
    parts = [_of_class(groups, label) for label in np.unique(groups.sfi_labels)]
    weights = [np.sum(groups.sfi_labels == label) for label in np.unique(groups.sfi_labels)]
    own, others, auroc = np.average(parts, axis=0, weights=weights)
    return Nearness(float((nearest == groups.sfi_labels).mean()), own, others, auroc)


def _of_class(groups: Groups, label: int) -> tuple[float, float, float]:
    mine: Bool[np.ndarray, " n"] = groups.natural_labels == label
    natural, sfis = groups.natural[mine], groups.sfis[groups.sfi_labels == label]
    count, mean = len(natural), natural.mean(0)
    unit = _distances(natural, natural).sum() / (count * (count - 1))
    own = _distances(sfis, natural).mean() / unit
    others = _distances(sfis, groups.natural[~mine]).mean() / unit
    # A point's distance to the mean of the others is count / (count - 1) of that to the mean.
    away_natural = np.linalg.norm(natural - mean, axis=1) * count / (count - 1)
    away_sfis = np.linalg.norm(sfis - mean, axis=1)
    return own, others, auroc(away_sfis, away_natural)


def auroc(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " q"]) -> float:
    """How often a positive score exceeds a negative one, ties counted half.

    Example:
      >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
      0.875
    """
    difference = positive[:, None] - negative[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _distances(a: Points, b: Float[np.ndarray, "q D"]) -> Float[np.ndarray, "n q"]:
    """Euclidean, point by point: no square is taken apart, so equal points are 0 apart."""
    return np.stack([np.linalg.norm(b - point, axis=1) for point in a])
