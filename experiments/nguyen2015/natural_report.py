"""How networks that know evolved images are shown, beside figure 12 of paper 001."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import mannwhitneyu

from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.retraining import Measured
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015.figures import champion_tiles, percent
from experiments.nguyen2015.fooling_images import FoolingImages
from experiments.nguyen2015.pictures import Pictures

_COLUMNS = (
    "natural accuracy",
    "fooling images",
    "median score",
    "fooled",
    "at 99 %",
    "recognised",
    "flagged",
)
# Sections 2.1 and 3.8, supplement B.2; accuracies are of plain validation images.
_PAPER = {
    "DNN_1": ("57.4", 0, "88.1", None, None, None, None),
    "DNN_2, 7-fold": ("57.4", 9000, "11.7", None, None, None, None),
}
_PAPER_PICTURES = {"DNN_2, 7-fold": (45, 70, "64.2")}
_SCORES, _GALLERY, _PICTURES = "scores.png", "champions.png", "pictures.png"
_COLORS = ("#1d4ed8", "#b45309", "#047857", "#7c3aed", "#be185d")
_STYLES = ("-", "--", ":", "-.")
_MOST_PICTURES, _ACROSS = 20, 10


@dataclass(frozen=True, eq=False)
class Probed:
    """
    Attributes:
      name: of the network.
      measured: on natural test images and on the fooling images held out.
      num_outliers: fooling images that it was trained on.
      found: what evolved through it.
      of_pictures: `[N, K]`, the probabilities that it gives the user's pictures, if there are any.
    """

    name: str
    measured: Measured
    num_outliers: int
    found: FoolingImages
    of_pictures: Float[np.ndarray, "N K"] | None


def medians_table(networks: Sequence[Probed], *, beside_paper: bool) -> section.Table:
    """A row for each network."""
    paper = [_PAPER.get(n.name, (None,) * len(_COLUMNS)) for n in networks]
    return section.Table(
        "Networks, and what evolves through them, % (figure 12)",
        _COLUMNS,
        [n.name for n in networks],
        [
            [
                _share(n.measured.natural),
                n.num_outliers,
                percent(float(np.median(n.found.scores))),
                _share(n.found.fooled),
                _share(float((n.found.scores >= 0.99).mean())),
                _share(n.measured.defence),
                _share(n.measured.flagged),
            ]
            for n in networks
        ],
        paper if beside_paper else None,
    )


def comparison_table(
    before: Probed, after: Sequence[Probed], *, beside_paper: bool
) -> section.Table:
    """Mann-Whitney's test of the scores before against those after."""
    rows = []
    for network in after:
        u, p = compared(before.found.scores.ravel(), network.found.scores.ravel())
        medians = [np.median(n.found.scores, axis=1) for n in (before, network)]
        rows.append([f"{u:.0f}", _small(p), _small(compared(*medians)[1])])
    return section.Table(
        "Scores through DNN_1 against those through DNN_2, Mann-Whitney's test",
        ("U", "p, all champions", "p, the runs' medians"),
        [n.name for n in after],
        rows,
        [[None, "< 0.0001" if n.name in _PAPER else None, None] for n in after]
        if beside_paper
        else None,
    )


def compared(
    before: Float[np.ndarray, " M"], after: Float[np.ndarray, " N"]
) -> tuple[float, float]:
    """U of the first, the number of pairs in which it is larger, and the two-sided p."""
    found = mannwhitneyu(before, after, alternative="two-sided")
    return float(found.statistic), float(found.pvalue)


def pictures_table(after: Sequence[Probed], outlier: int, *, beside_paper: bool) -> section.Table:
    """How many of the user's pictures are taken for fooling images, whose class is `outlier`."""
    rows = []
    for network in after:
        recognised = recognised_by(network, outlier)
        share = _share(float(recognised.mean()))
        rows.append([int(recognised.sum()), len(recognised), share])
    return section.Table(
        "Pictures of the folder that are taken for fooling images",
        ("recognised", "pictures", "%"),
        [n.name for n in after],
        rows,
        [_PAPER_PICTURES.get(n.name, (None, None, None)) for n in after] if beside_paper else None,
    )


def recognised_by(network: Probed, outlier: int) -> Bool[np.ndarray, " N"]:
    """Which pictures have the outlier's class as prediction; none with NaN has."""
    of_pictures = network.of_pictures
    assert of_pictures is not None
    return (of_pictures.argmax(1) == outlier) & ~np.isnan(of_pictures).any(1)


def draw_scores(networks: Sequence[Probed], out: Path) -> section.Picture:
    """What share of the champions is at most so far from certainty."""
    figure = new_figure(5.2, 3)
    axes = figure.subplots()
    for i, network in enumerate(networks):
        color, style = _COLORS[i % len(_COLORS)], _STYLES[i % len(_STYLES)]
        doubt = np.maximum(1 - network.found.scores.ravel(), 1e-7)
        axes.ecdf(doubt, color=color, ls=style, label=network.name)
    axes.set(xlabel="1 - confidence, at most", ylabel="share of the champions")
    axes.set(xscale="log", xlim=(5e-8, 1), ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    save_figure(figure, out / _SCORES)
    return section.Picture(
        _SCORES, "How sure each network is of the last champions of all runs against it."
    )


def draw_champions(
    networks: Sequence[Probed], class_names: Sequence[str], out: Path
) -> section.Picture:
    """One run's champions for each network."""
    draw_gallery(
        out / _GALLERY,
        [champion_tiles(n.found.last, 0) for n in networks],
        [n.name.replace(", ", "\n") for n in networks],
        class_names,
    )
    return section.Picture(
        _GALLERY, "The last champions of the first run against each network, and their confidence."
    )


def draw_pictures(
    network: Probed, shown: Pictures, class_names: Sequence[str], out: Path
) -> section.Picture:
    """The first of the user's pictures and what they are taken for, the last name's class among
    others."""
    of_pictures = network.of_pictures
    assert of_pictures is not None
    recognised = recognised_by(network, len(class_names) - 1)
    tiles = [
        Tile(image / 255, f"{class_names[p.argmax()]}\n{percent(float(p.max()))} %", bool(known))
        for image, p, known in zip(shown.images, of_pictures, recognised, strict=True)
    ][:_MOST_PICTURES]
    starts = range(0, len(tiles), _ACROSS)
    rows = [tiles[start : start + _ACROSS] for start in starts]
    draw_gallery(
        out / _PICTURES,
        rows,
        [f"+ {start}" if start else "" for start in starts],
        [str(i + 1) for i in range(len(rows[0]))],
        orange="not taken for a fooling image",
    )
    return section.Picture(
        _PICTURES,
        f"What {network.name} takes pictures of the folder for, in the order of the files' names.",
    )


def _share(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f}"


def _small(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
