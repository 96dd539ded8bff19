"""How rounds of retraining are shown, beside table S2 and figure 11 of paper 001."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from experiments.lab import section
from experiments.lab.gallery import draw_gallery
from experiments.lab.retraining import Measured
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015.figures import champion_tiles, percent
from experiments.nguyen2015.fooling_images import FoolingImages

# Table S2, from DNN_1 on, in percent.
ERROR = (.94, 1.02, .92, .89, .90, .89, .86, .91, .90, .84, .80, .82, .75, .80, .79)  # fmt: skip
MNIST_ERROR = (
    .94, .87, .87, .83, .96, .99, .98, 1.01, .86, .94, .93, .98, .90, .96, .95
)  # fmt: skip
SCORE = (
    99.99, 97.42, 99.83, 72.52, 97.55, 99.68, 76.13, 99.96, 99.51, 99.48, 98.62, 99.97, 99.93,
    99.15, 99.15
)  # fmt: skip
TRAIN = (60_000, *range(66_000, 80_000, 1000))
VAL = (10_000, *range(11_000, 12_400, 100))
_COLUMNS = ("error", "natural error", "train", "val", "score", "fooled", "at 99 %", "recognised")
_COURSE, _GALLERY = "rounds.png", "champions.png"


@dataclass(frozen=True, eq=False)
class Round:
    """
    Attributes:
      measured: of the network, on natural test images and on the fooling images held out in all
        rounds before.
      num_trained: images that it was trained on.
      num_tested: images that it was measured on.
      found: what evolved through it.
    """

    measured: Measured
    num_trained: int
    num_tested: int
    found: FoolingImages

    @property
    def median(self) -> float:
        return float(np.median(self.found.scores))


def table_s2(rounds: Sequence[Round], *, beside_paper: bool) -> section.Table:
    """A row for each network, with the paper also for those that it alone has."""
    ours = [_row(r) for r in rounds]
    paper = [
        [f"{error:.2f}", f"{mnist:.2f}", train, val, f"{score:.2f}", None, None, None]
        for error, mnist, train, val, score in zip(
            ERROR, MNIST_ERROR, TRAIN, VAL, SCORE, strict=True
        )
    ]
    count = max(len(ours), len(paper)) if beside_paper else len(ours)
    nothing = [None] * len(_COLUMNS)

    def padded(rows: list) -> list:
        return rows + [nothing] * (count - len(rows))

    return section.Table(
        "Rounds of retraining: errors, numbers of images, scores, % (table S2)",
        _COLUMNS,
        [f"DNN_{i + 1}" for i in range(count)],
        padded(ours),
        padded(paper) if beside_paper else None,
    )


def _row(r: Round) -> list[section.Cell]:
    natural = 1 - r.measured.natural
    error = natural if r.measured.combined is None else 1 - r.measured.combined
    sure = (r.found.scores >= 0.99).mean()
    known = r.measured.defence
    return [
        f"{100 * error:.2f}",
        f"{100 * natural:.2f}",
        r.num_trained,
        r.num_tested,
        percent(r.median),
        f"{100 * r.found.fooled:.1f}",
        f"{100 * sure:.1f}",
        None if known is None else f"{100 * known:.1f}",
    ]


def pictures(
    rounds: Sequence[Round], class_names: Sequence[str], out: Path, *, beside_paper: bool
) -> list[section.Picture]:
    """The medians as a curve, and one run's champions for each network."""
    draw_course(out / _COURSE, rounds, beside_paper=beside_paper)
    draw_gallery(
        out / _GALLERY,
        [champion_tiles(r.found.last, 0) for r in rounds],
        [f"DNN_{i + 1}\n{percent(r.median)} %" for i, r in enumerate(rounds)],
        class_names,
    )
    return [
        section.Picture(
            _COURSE,
            "Confidence of the last champions of all runs against each network: the median, and "
            "shaded the middle half" + ("; dashed, the paper's median." if beside_paper else "."),
        ),
        section.Picture(
            _GALLERY,
            "The last champions of the first run against each network, and their confidence "
            "(figure 11); at the left, the median of all runs.",
        ),
    ]


def draw_course(path: Path, rounds: Sequence[Round], *, beside_paper: bool) -> None:
    figure = new_figure(5.2, 2.9)
    axes = figure.subplots()
    scores = np.array([[*np.quantile(100 * r.found.scores, (0.25, 0.5, 0.75))] for r in rounds])
    numbers = np.arange(len(rounds)) + 1
    axes.fill_between(numbers, scores[:, 0], scores[:, 2], color="#1d4ed8", alpha=0.15, lw=0)
    axes.plot(numbers, scores[:, 1], "o-", color="#1d4ed8", markersize=4, label="measured")
    if beside_paper:
        axes.plot(np.arange(len(SCORE)) + 1, SCORE, "--", color="#767676", label="paper")
        axes.legend(frameon=False, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="DNN", ylabel="confidence, %", ylim=(-3, 103))
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
