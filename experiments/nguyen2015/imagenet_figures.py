"""Figures 6 to 9 of paper 001: confidence over the classes, and what evolved for them."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015 import kin
from experiments.nguyen2015.archives import Archives
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.imagenet_tables import DOGS_AND_CATS, in_band
from experiments.nguyen2015.methods import TEXTS

_COLORS = {"direct": "#b45309", "cppn": "#1d4ed8"}
_BAND = "#f3c9a5"
_LETTERS = 24  # of a class's name


def draw_heat_map(path: Path, found: Mapping[str, Archives]) -> None:
    """Confidence over the classes, a row for each run, and the median of the runs below."""
    labels = next(iter(found.values())).labels
    step = labels[1] - labels[0] if len(labels) > 1 else 1
    across = labels[0] - step / 2, labels[-1] + step / 2
    heights = [0.28 * len(runs.confidence) + 0.12 for runs in found.values()]
    figure = new_figure(9, sum(heights) + 3.2)
    axes: Any = figure.subplots(
        len(found) + 1, 1, sharex=True, height_ratios=[*heights, 2.2], squeeze=False
    )[:, 0]
    colors = ScalarMappable(Normalize(0, 100), "viridis")
    for axis, (method, runs) in zip(axes, found.items(), strict=False):
        count = len(runs.confidence)
        axis.imshow(
            100 * runs.confidence,
            aspect="auto",
            cmap=colors.cmap,
            norm=colors.norm,
            interpolation="nearest",
            extent=(*across, count, 0),
        )
        axis.set_yticks(np.arange(count) + 0.5, [f"run {i + 1}" for i in range(count)])
        axis.tick_params(axis="y", length=0, labelsize="small")
        axis.set_title(TEXTS[method], fontsize="medium", loc="left")
        axes[-1].plot(
            labels,
            100 * np.median(runs.confidence, axis=0),
            ".",
            ms=3,
            color=_COLORS[method],
            label=f"{TEXTS[method]}, median of the runs",
        )
    first, last = DOGS_AND_CATS
    axes[-1].axvspan(first, last + 1, color=_BAND, alpha=0.6, lw=0, label="dogs and cats")
    axes[-1].set(xlabel="class", ylabel="confidence (%)", ylim=(-3, 103), xlim=across)
    axes[-1].spines[["top", "right"]].set_visible(False)
    figure.colorbar(colors, ax=axes, label="confidence (%)", fraction=0.025, pad=0.01)
    figure.legend(
        *axes[-1].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize="small",
    )
    save_figure(figure, path)


def draw_growth(path: Path, found: Mapping[str, Archives], populations: Mapping[str, int]) -> None:
    """The median champion, and the middle half, over the images that a run was shown."""
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    for method, runs in found.items():
        low, median, high = np.quantile(100 * runs.fitness, (0.25, 0.5, 0.75), axis=(0, 2))
        shown = populations[method] * (np.arange(len(median)) + 1)
        text = f"{TEXTS[method]}, {populations[method]} a generation"
        axes.plot(shown, median, color=_COLORS[method], label=text)
        axes.fill_between(shown, low, high, color=_COLORS[method], alpha=0.15, lw=0)
        band = in_band(runs.labels)
        if band.any():
            dogs = 100 * np.median(runs.fitness[..., band], axis=(0, 2))
            axes.plot(shown, dogs, color=_COLORS[method], lw=1, ls=":")
    axes.set(xlabel="images shown to the network in a run", ylabel="confidence (%)")
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    title = "median, and the middle half of the champions;\ndotted: the median of dogs and cats"
    axes.legend(frameon=False, title=title, fontsize="small", title_fontsize="small")
    save_figure(figure, path)


def draw_best(
    path: Path, found: Mapping[str, Archives], names: Sequence[str], columns: int, rows: int = 2
) -> None:
    """Figure 1: the most confident champions of all runs, each class once."""
    tiles, heads = [], []
    for method, runs in found.items():
        run_of = runs.confidence.argmax(0)
        order = np.argsort(-runs.confidence.max(0), kind="stable")[: columns * rows]
        shown: dict[int, Tile | None] = {}
        for run in np.unique(run_of[order]):
            cells = order[run_of[order] == run].tolist()
            texts = [f"{_name(runs, cell, names)}\n" for cell in cells]
            shown |= zip(cells, _tiles(runs, int(run), cells, texts), strict=True)
        of_method = [shown[cell] for cell in order.tolist()]
        for start in range(0, len(of_method), columns):
            row = of_method[start : start + columns]
            tiles.append(row + [None] * (columns - len(row)))
            heads.append(TEXTS[method] if start == 0 else "")
    draw_gallery(path, tiles, heads, [""] * columns)


def draw_runs(path: Path, runs: Archives, cells: Sequence[int], names: Sequence[str]) -> None:
    """Figures 8 and 9: some classes across, runs down."""
    tiles = [_tiles(runs, run, cells) for run in range(len(runs.confidence))]
    heads = [f"run {i + 1}" for i in range(len(tiles))]
    classes = [_name(runs, cell, names) for cell in cells]
    draw_gallery(path, tiles, heads, classes)


def diverse_cells(runs: Archives, count: int) -> list[int]:
    """The classes of which the least sure run is surest."""
    return np.argsort(-runs.confidence.min(0), kind="stable")[:count].tolist()


def draw_kin(
    path: Path, runs: Archives, run: int, names: Sequence[str], columns: int, rows: int = 3
) -> None:
    """One line of descent in the first row, and below it champions with a common ancestor; among
    those that the network takes for their class, if there are any."""
    wins = runs.wins[run]
    won = len(wins) - 1 - (wins[::-1] != -2).argmax(0)  # the generation of each champion
    predicted = np.flatnonzero(runs.predicted[run])
    of = kin.lines(wins, predicted if len(predicted) else range(len(runs.labels)))
    line = kin.longest(wins, of)[:columns][::-1]
    families = kin.families(of, min(3, columns), rows - 1)
    groups = [("a line of\ndescent", [cell for cell, _ in line])]
    for family in families:
        rising = sorted(family.members, key=lambda cell: runs.confidence[run, cell])
        surest = list({won[cell]: cell for cell in rising}.values())  # of each generation
        name = _name(runs, family.ancestor[0], names)
        head = f"common ancestor:\n{name},\ngeneration {family.ancestor[1]}"
        groups.append((head, sorted(surest, key=rising.index, reverse=True)[:columns]))
    columns = max(len(cells) for _, cells in groups)
    tiles = []
    for _, cells in groups:
        texts = [f"{_name(runs, c, names)}, gen. {won[c]}\n" for c in cells]
        row = _tiles(runs, run, cells, texts)
        tiles.append(row + [None] * (columns - len(row)))
    heads = [head for head, _ in groups]
    draw_gallery(path, tiles, heads, [""] * columns)


def _tiles(
    runs: Archives, run: int, cells: Sequence[int], above: Sequence[str] | None = None
) -> list[Tile | None]:
    """Champions with their confidence, and above it what else there is to say."""
    above = [""] * len(cells) if above is None else above
    return [
        Tile(image, f"{text}{percent(confidence)} %", bool(predicted))
        for image, text, confidence, predicted in zip(
            runs.images(run, cells),
            above,
            runs.confidence[run, cells],
            runs.predicted[run, cells],
            strict=True,
        )
    ]


def _name(runs: Archives, cell: int, names: Sequence[str]) -> str:
    return _short(names[int(runs.labels[cell])])


def _short(name: str) -> str:
    return textwrap.shorten(name, _LETTERS, placeholder="...")


def caption_of(name: str, confidence: float) -> str:
    """A class and a confidence, on two lines."""
    return f"{_short(name)}\n{percent(confidence)} %"
