"""Figure 7 of paper 000: natural images and SFIs in deep features, on a plane and in numbers.

`n` points, `b` single colours, `D` features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from experiments.lab import section
from experiments.lab.colors import Color
from experiments.lab.feature_space import PCA, Groups, Nearness, nearness
from experiments.lab.found import Row
from experiments.lab.shown import new_figure, save_figure

_COLUMNS = {
    "nearest": "nearest class mean is its own (%)",
    "own": "distance to own class",
    "others": "distance to others",
    "auroc": "AUROC",
}


@dataclass(frozen=True, eq=False)
class Projected:
    """
    groups: in the features themselves.
    bases: `[b, D]`, features of the single colours.
    plane: of all of them: natural images, SFIs, colours.
    """

    groups: Groups
    bases: Float[np.ndarray, "b D"]
    plane: PCA

    @property
    def parts(self) -> tuple[Float[np.ndarray, "n 2"], ...]:
        """Natural images, SFIs and colours on the plane."""
        first = len(self.groups.natural)
        second = first + len(self.groups.sfis)
        points = self.plane.points
        return points[:first], points[first:second], points[second:]

    @property
    def in_plane(self) -> Groups:
        natural, sfis, _ = self.parts
        return replace(self.groups, natural=natural, sfis=sfis)


def overall(projected: Projected) -> section.Table:
    """How near SFIs lie to the natural images of their class, in all features and on the plane."""
    spaces = {"all features": projected.groups, "first two components": projected.in_plane}
    explained = [100.0, 100 * float(projected.plane.explained.sum())]
    found = [nearness(groups) for groups in spaces.values()]
    return section.Table(
        title="SFIs beside the natural images of the class sought",
        columns=["variance (%)", *_COLUMNS.values()],
        rows=list(spaces),
        measured=[[share, *_cells(near)] for share, near in zip(explained, found, strict=True)],
    )


def per_class(groups: Groups, rows: Sequence[Row], names: tuple[str, ...]) -> section.Table:
    """The same for each class, in all features."""
    measured = []
    for label in range(len(names)):
        mine = [row for row in rows if row.label == label]
        fooled = float(np.mean([row.prediction == label for row in mine]))
        mean = float(np.mean([row.confidence for row in mine]))
        shares = section.floored(fooled), section.floored(mean)
        measured.append([*shares, *_cells(nearness(groups.of_class(label)))])
    return section.Table(
        title="The same by class, in all features",
        columns=["predicted (%)", "mean confidence (%)", *_COLUMNS.values()],
        rows=names,
        measured=measured,
    )


def _cells(near: Nearness) -> list[section.Cell]:
    return [section.floored(near.nearest), near.own, near.others, near.auroc]


def draw(path: Path, projected: Projected, names: tuple[str, ...], colors: Sequence[Color]) -> None:
    """Figure 7: classes by colour, natural images and SFIs by marker."""
    figure = new_figure(7.5, 6)
    axis = figure.subplots()
    natural, sfis, bases = projected.parts
    for label, name in enumerate(names):
        color = f"C{label}"
        mine, theirs = (
            points[labels == label]
            for points, labels in (
                (natural, projected.groups.natural_labels),
                (sfis, projected.groups.sfi_labels),
            )
        )
        axis.plot(*mine.T, "o", color=color, ms=3.5, alpha=0.5, mew=0, label=name)
        axis.plot(*theirs.T, "x", color=color, ms=6, mew=1.2)
    for point, base in zip(bases, colors, strict=True):
        axis.plot(
            *point[:, None], "^", color=base.rgb, mec="black", ms=11, label=f"{base.name} image"
        )
    axis.plot([], [], "o", color="grey", ms=3.5, label="natural image")
    axis.plot([], [], "x", color="grey", ms=6, label="SFI")
    first, second = 100 * projected.plane.explained
    axis.set_xlabel(f"first component ({first:.0f} % of the variance)")
    axis.set_ylabel(f"second component ({second:.0f} %)")
    figure.legend(loc="outside right upper", fontsize="small")
    save_figure(figure, path)
