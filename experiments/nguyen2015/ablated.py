"""Figure 10 of paper 001: what is left of champions whose parts were taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015.ablation import ablate
from experiments.nguyen2015.archives import Archives
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.imagenet_figures import caption_of


@dataclass(frozen=True, eq=False)
class Ablated:
    """
    Attributes:
      label: the class.
      before, after: `[H, W, C]`.
      confidence: `[n + 1]`, before, and after each of the n removals.
      tiles: of the whole image.
    """

    label: int
    before: Float[np.ndarray, "H W C"]
    after: Float[np.ndarray, "H W C"]
    confidence: Float[np.ndarray, " removals"]
    tiles: int

    @property
    def removed(self) -> float:
        """Share of the image."""
        return (len(self.confidence) - 1) / self.tiles


def ablated(
    model: Any, runs: Archives, run: int, cells: Sequence[int], *, side: int, hold: float
) -> list[Ablated]:
    """Removes tiles of champions, painting them in the image's mean colour, while their confidence
    is at least `hold` of what it was."""
    found = []
    for cell, image in zip(cells, runs.images(run, cells), strict=True):
        label, fill = int(runs.labels[cell]), image.mean((0, 1))
        least = hold * float(runs.confidence[run, cell])
        left = ablate(model, image, label, fill, side=side, least=least)
        confidence = np.asarray(left.confidence)
        course = confidence[np.isfinite(confidence)]
        found.append(Ablated(label, image, np.asarray(left.image), course, side**2))
    return found


def ablation_table(found: Sequence[Ablated], names: Sequence[str], hold: float) -> section.Table:
    """How much of each image the network does without."""
    return section.Table(
        title=f"Tiles removed while {100 * hold:.0f} % of the confidence hold",
        columns=["confidence before (%)", "after (%)", "highest on the way (%)", "removed (%)"],
        rows=[names[one.label] for one in found],
        measured=[
            [
                percent(float(one.confidence[0])),
                percent(float(one.confidence[-1])),
                percent(float(one.confidence.max())),
                section.floored(one.removed),
            ]
            for one in found
        ],
    )


def draw_ablated(path: Path, found: Sequence[Ablated], names: Sequence[str]) -> None:
    """Before, and after."""
    rows = [
        [Tile(one.before, caption_of(names[one.label], float(one.confidence[0]))) for one in found],
        [
            Tile(
                one.after,
                f"{percent(float(one.confidence[-1]))} %\n{section.floored(one.removed)} % removed",
            )
            for one in found
        ],
    ]
    draw_gallery(path, rows, ["before", "after"], [""] * len(found))


def draw_courses(path: Path, found: Sequence[Ablated], names: Sequence[str]) -> None:
    """Confidence over the share of the image that is gone."""
    figure = new_figure(7, 3.4)
    axes = figure.subplots()
    for one in found:
        share = np.arange(len(one.confidence)) / one.tiles
        axes.plot(100 * share, 100 * one.confidence, ".-", ms=4, lw=1, label=names[one.label])
    axes.set(xlabel="share of the image removed (%)", ylabel="confidence (%)", xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    save_figure(figure, path)
