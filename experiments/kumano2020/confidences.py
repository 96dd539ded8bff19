"""Confidence over the classes of ImageNet: figure 6 of paper 000, and the numbers behind it.

`N` classes sought.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.lab import section
from experiments.lab.found import Found
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.imagenet import NUM_CLASSES
from experiments.lab.shown import new_figure, save_figure

DOGS_AND_CATS = (151, 287)  # first and last; the paper's block
_HIGH, _HALF = 0.9, 0.5
_NUM_BEST, _ENLARGED = 5, 2
_BLUE, _BLOCK = "#1f4e9c", "#f3c9a5"


@dataclass(frozen=True, eq=False)
class Confidences:
    """Of the classes sought, in ascending order; arrays `[N]`.

    Attributes:
      labels: the classes.
      found: confidence that the best image reached.
      predicted: whether the network takes that image for the class.
      plain: confidence of the colour alone.
    """

    labels: Int[np.ndarray, " N"]
    found: Float[np.ndarray, " N"]
    predicted: Bool[np.ndarray, " N"]
    plain: Float[np.ndarray, " N"]
    inside: Bool[np.ndarray, " N"] = field(init=False)

    def __post_init__(self) -> None:
        first, last = DOGS_AND_CATS
        object.__setattr__(self, "inside", (self.labels >= first) & (self.labels <= last))

    @classmethod
    def of(cls, found: Found, plain: Float[np.ndarray, " K"]) -> "Confidences":
        """From the rows of a search, one per class."""
        rows = sorted(found.rows, key=lambda row: row.label)
        labels = np.array([row.label for row in rows])
        return cls(
            labels,
            np.array([row.confidence for row in rows]),
            np.array([row.prediction == row.label for row in rows]),
            plain[labels],
        )


def table(confidences: Confidences) -> section.Table:
    """How many classes were attacked, inside the block of dogs and cats and outside."""
    first, last = DOGS_AND_CATS
    everywhere = np.ones_like(confidences.inside)
    groups = {
        "all sought": everywhere,
        f"dogs and cats, {first} to {last}": confidences.inside,
        "others": ~confidences.inside,
    }
    return section.Table(
        title="Classes attacked",
        columns=[
            "classes",
            "at 90 % (%)",
            "at 50 % (%)",
            "predicted (%)",
            "mean confidence (%)",
            "median (%)",
            "colour alone, mean (%)",
        ],
        rows=list(groups),
        measured=[_figures(confidences, group) for group in groups.values()],
    )


def _figures(of: Confidences, group: Bool[np.ndarray, " N"]) -> list[section.Cell]:
    if not group.any():
        return [0, *[None] * 6]
    found = of.found[group]
    shares = (found >= _HIGH).mean(), (found >= _HALF).mean(), of.predicted[group].mean()
    means = found.mean(), np.median(found), of.plain[group].mean()
    return [
        int(group.sum()),
        *(section.floored(float(share)) for share in shares),
        *(100 * float(mean) for mean in means),
    ]


def draw_confidences(path: Path, confidences: Confidences) -> None:
    """Figure 6: confidence over the class."""
    figure = new_figure(8, 5)
    axes: Any = figure.subplots(2, 1, sharex=True)
    for axis in axes:
        axis.axvspan(DOGS_AND_CATS[0], DOGS_AND_CATS[1] + 1, color=_BLOCK, label="dogs and cats")
        axis.plot(confidences.labels, 100 * confidences.found, ".", color=_BLUE, label="SFI")
        axis.set_ylabel("confidence (%)")
        axis.set_xlim(-10, NUM_CLASSES + 10)
    axes[0].set_ylim(-3, 103)
    plain = 100 * confidences.plain
    axes[1].plot(confidences.labels, plain, "x", color="grey", ms=4, label="colour alone")
    axes[1].set_yscale("log")
    axes[1].set_xlabel("target class")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", fontsize="small", ncols=3)
    save_figure(figure, path)


def draw_best(path: Path, found: Found, names: tuple[str, ...]) -> None:
    """The images of the highest confidence."""
    best = found.ordered(lambda row: -np.nan_to_num(row.confidence, nan=-1.0))
    tiles: list[Tile | None] = []
    for row, image in zip(best.rows[:_NUM_BEST], best.images, strict=False):
        enlarged = image.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
        caption = f"{names[row.label]}\n{100 * row.confidence:.1f} %"
        tiles.append(Tile(enlarged, caption, row.prediction == row.label))
    columns = [str(row.label) for row in best.rows[: len(tiles)]]
    draw_gallery(path, [tiles], [""], columns)
