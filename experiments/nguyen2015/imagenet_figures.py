"""Nguyen et al. (2015), figures 1 and 6 to 9: confidence over the classes, and the champions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from experiments import lab
from experiments.nguyen2015 import kin
from experiments.nguyen2015.figures import caption
from experiments.nguyen2015.imagenet_tables import DOGS_AND_CATS, Found, in_band
from experiments.nguyen2015.methods import TITLES, Archives
from jfool.search.map_elites import NOT_WON

COLORS = {"direct": "#b45309", "cppn": "#1d4ed8"}
BAND = "#f3c9a5"


def draw_heat_map(path: Path, found: Found) -> None:
    """Confidence over the classes, a row for each run, and the median of the runs below."""
    labels = found["cppn"].targets[0]
    step = labels[1] - labels[0] if len(labels) > 1 else 1
    across = labels[0] - step / 2, labels[-1] + step / 2
    heights = [0.28 * len(of.confidence) + 0.12 for of in found.values()] + [2.2]
    figure = lab.new_figure(9, sum(heights) + 1)
    axes: Any = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    colors = ScalarMappable(Normalize(0, 100), "viridis")
    style = {"cmap": colors.cmap, "norm": colors.norm, "interpolation": "nearest"}
    for axis, (method, of) in zip(axes, found.items(), strict=False):
        percents, count = 100 * of.confidence, len(of.confidence)
        axis.imshow(percents, aspect="auto", extent=(*across, count, 0), **style)
        axis.set_yticks(np.arange(count) + 0.5, [f"run {i + 1}" for i in range(count)])
        axis.tick_params(axis="y", length=0, labelsize="small")
        axis.set_title(TITLES[method], fontsize="medium", loc="left")
        text = f"{TITLES[method]}, median of the runs"
        axes[-1].plot(labels, np.median(percents, 0), ".", ms=3, color=COLORS[method], label=text)
    first, last = DOGS_AND_CATS
    axes[-1].axvspan(first, last + 1, color=BAND, alpha=0.6, lw=0, label="dogs and cats")
    axes[-1].set(xlabel="class", ylabel="confidence (%)", ylim=(-3, 103), xlim=across)
    figure.colorbar(colors, ax=axes, label="confidence (%)", fraction=0.025, pad=0.01)
    legend = {"loc": "outside lower center", "ncols": 3, "frameon": False, "fontsize": "small"}
    figure.legend(*axes[-1].get_legend_handles_labels(), **legend)
    lab.save_figure(figure, path)


def draw_growth(path: Path, found: Found) -> None:
    """The median champion, and the middle half, over the images that a run was shown."""
    figure = lab.new_figure(7, 3.6)
    axes = figure.subplots()
    for method, of in found.items():
        low, median, high = np.quantile(100 * of.fitness, (0.25, 0.5, 0.75), axis=(0, 2))
        shown, color = of.population * (np.arange(len(median)) + 1), COLORS[method]
        axes.plot(
            shown, median, color=color, label=f"{TITLES[method]}, {of.population} a generation"
        )
        axes.fill_between(shown, low, high, color=color, alpha=0.15, lw=0)
        band = in_band(of.targets[0])
        if band.any():
            dogs = 100 * np.median(of.fitness[..., band], axis=(0, 2))
            axes.plot(shown, dogs, color=color, lw=1, ls=":")
    axes.set(xlabel="images shown to the network in a run", ylabel="confidence (%)")
    axes.set(xlim=(0, None), ylim=(0, None))
    title = "median, and the middle half of the champions;\ndotted: the median of dogs and cats"
    axes.legend(frameon=False, title=title, fontsize="small", title_fontsize="small")
    lab.save_figure(figure, path)


def draw_best(path: Path, found: Found, names: Sequence[str], across: int, down: int = 2) -> None:
    """Figure 1: the most confident champions of all runs, each class once."""
    rows = []
    for method, of in found.items():
        run_of, confidence = of.confidence.argmax(0), of.confidence.max(0)
        best = np.argsort(-confidence, kind="stable")[: across * down]
        shown: dict[int, lab.Tile] = {}
        for run in np.unique(run_of[best]):
            cells = best[run_of[best] == run].tolist()
            shown |= zip(cells, tiles_of(of, run, cells, name_cells(of, cells, names)), strict=True)
        of_method = [shown[cell] for cell in best.tolist()]
        parts = [of_method[i : i + across] for i in range(0, len(of_method), across)]
        rows += zip([TITLES[method]] + [""] * (len(parts) - 1), parts, strict=True)
    lab.draw_gallery(path, rows)


def draw_runs(path: Path, of: Archives, cells: Sequence[int], names: Sequence[str]) -> None:
    """Figures 8 and 9: some classes across, runs down."""
    rows = [(f"run {run + 1}", tiles_of(of, run, cells)) for run in range(len(of.confidence))]
    lab.draw_gallery(path, rows, name_cells(of, cells, names))


def diverse_cells(of: Archives, count: int) -> list[int]:
    """The classes of which the least sure run is surest."""
    return np.argsort(-of.confidence.min(0), kind="stable")[:count].tolist()


def draw_kin(
    path: Path, of: Archives, run: int, names: Sequence[str], across: int, down: int = 3
) -> None:
    """One line of descent in the first row, and below it champions with a common ancestor; among
    those that the network takes for their class, if there are any."""
    wins = of.wins[run]
    won = len(wins) - 1 - (wins[::-1] != NOT_WON).argmax(0)  # the generation of each champion
    fooled = np.flatnonzero(of.fooled[run])
    lines = kin.lines(wins, fooled if len(fooled) else range(wins.shape[1]))
    line = kin.longest(wins, lines)[:across][::-1]
    groups = [("a line of\ndescent", [cell for cell, _ in line])]
    for family in kin.families(lines, min(3, across), down - 1):
        rising = sorted(family.members, key=lambda cell: of.confidence[run, cell])
        surest = list({won[cell]: cell for cell in rising}.values())  # of each generation
        (name,) = name_cells(of, [family.ancestor[0]], names)
        head = f"common ancestor:\n{name},\ngeneration {family.ancestor[1]}"
        groups.append((head, sorted(surest, key=rising.index, reverse=True)[:across]))
    rows = []
    for head, cells in groups:
        named = zip(name_cells(of, cells, names), cells, strict=True)
        rows.append((head, tiles_of(of, run, cells, [f"{n}, gen. {won[c]}" for n, c in named])))
    lab.draw_gallery(path, rows)


def tiles_of(
    of: Archives, run: int, cells: Sequence[int], above: Sequence[str] = ()
) -> list[lab.Tile]:
    """Champions with their confidence, and above it what else there is to say."""
    captions = [caption(confidence) for confidence in of.confidence[run, cells]]
    if above:
        captions = [f"{text}\n{below}" for text, below in zip(above, captions, strict=True)]
    shown = zip(of.images(run, cells), captions, of.fooled[run, cells], strict=True)
    return [lab.Tile(image, text, bool(fooled)) for image, text, fooled in shown]


def name_cells(of: Archives, cells: Sequence[int], names: Sequence[str]) -> list[str]:
    return [str(names[label]) for label in of.targets[0, cells]]
