"""Where natural images and SFIs lie in the features of a deep layer.

`n` points, `D` features.
"""

import numpy as np
from jaxtyping import Bool, Float

from experiments.lab.records import Records
from experiments.lab.section import Cell, floored
from jfool.metrics import auroc

Points = Float[np.ndarray, "n D"]


def pca(points: Points) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " 2"]]:
    """The first two principal components, each with its largest coefficient positive, and their
    shares of the variance.

    Example:
      >>> line = np.outer(np.arange(4.0), [3.0, 4.0])
      >>> projected, explained = pca(line)
      >>> projected[:, 0].round(6).tolist(), explained[0].round(6).item()
      ([-7.5, -2.5, 2.5, 7.5], 1.0)
    """
    centered = points - points.mean(0)
    _, sizes, axes = np.linalg.svd(centered, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(1)])[:, None]
    return centered @ axes.T, sizes[:2] ** 2 / (sizes**2).sum()


def nearness(natural: Records, sfis: Records, space: str = "features") -> dict[str, Cell]:
    """How SFIs lie to the natural images of their class.

    Args:
      natural: `target`, at least two of each class, and their points.
      sfis: the same, of some classes.
      space: the column of the points.
    Returns:
      nearest: of the SFIs, those whose nearest class mean of natural images is their class's.
      own: mean distance to the natural images of their class, in units of the mean distance of
        these to each other.
      others: the same to the natural images of the other classes.
      AUROC: how well the distance to the class mean tells SFIs from natural images of the class,
        which are left out of the mean each in turn: 0.5 not at all, 1 always.
    """
    classes, targets = np.unique(natural["target"]), sfis["target"]
    means = np.stack([natural.where(target=c)[space].mean(0) for c in classes])
    nearest = classes[_distances(sfis[space], means).argmin(1)] == targets
    found = [
        _of_class(natural[space], natural["target"] == target, of[space])
        for target, of in sfis.groups("target")
    ]
    weights = [len(of) for _, of in sfis.groups("target")]
    own, others, ranked = np.average(found, axis=0, weights=weights).tolist()
    return {
        "nearest class mean is its own (%)": floored(float(nearest.mean())),
        "distance to own class": own,
        "distance to others": others,
        "AUROC": ranked,
    }


def _of_class(
    natural: Points, mine: Bool[np.ndarray, " n"], sfis: Points
) -> tuple[float, float, float]:
    own, others = natural[mine], natural[~mine]
    count, mean = len(own), own.mean(0)
    unit = _distances(own, own).sum() / (count * (count - 1))
    # A point's distance to the mean of the others is count / (count - 1) of that to the mean.
    away_natural = np.linalg.norm(own - mean, axis=1) * count / (count - 1)
    away_sfis = np.linalg.norm(sfis - mean, axis=1)
    to_own, to_others = (_distances(sfis, points).mean() / unit for points in (own, others))
    return to_own, to_others, auroc(away_sfis, away_natural)


def _distances(a: Points, b: Float[np.ndarray, "q D"]) -> Float[np.ndarray, "n q"]:
    """Euclidean, point by point: no square is taken apart, so equal points are 0 apart."""
    return np.stack([np.linalg.norm(b - point, axis=1) for point in a])
