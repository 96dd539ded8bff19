"""Plots that need no display, and matrices of shares."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.lab.records import Records
from experiments.lab.section import Table
from models.cache import replacing

if TYPE_CHECKING:  # what draws takes half a second to import
    from matplotlib.figure import Figure

COLORS = ("#1f4e9c", "#2a8a4a", "#c2410c", "#7c3aed")  # of curves, in this order
_DPI = 150
_CELL, _SMALL_CELL = 0.95, 0.62  # inches
_FEW = 6


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a PNG, whole or not at all; plots have no frame above them and to their right."""
    for axes in figure.axes:
        if not axes.images:
            for side in {"top", "right"} & set(axes.spines):
                axes.spines[side].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, format="png")


def draw_curves(path: Path, table: Table, columns: Sequence[str], label: str) -> None:
    """Columns of a table as curves over its rows; dashed, the paper's.

    Args:
      path: of the picture; replaced whole.
      table: of numbers.
      columns: their heads.
      label: of the vertical axis, from 0 to 100.
    """
    figure = new_figure(4.6, 2.9)
    axes = figure.subplots()
    for name, color in zip(columns, COLORS, strict=False):
        i = list(table.columns).index(name)
        ours, paper = (
            np.array([row[i] for row in cells], float)
            for cells in (table.measured, table.paper or [])
        )
        axes.plot(ours, "o-", color=color, label=name, markersize=4)
        axes.plot(paper, "--", color=color)
    axes.set_xticks(range(len(table.rows)), table.rows)
    axes.set(ylim=(-3, 103), ylabel=label)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=len(columns))
    save_figure(figure, path)


def draw_matrix(
    path: Path,
    shares: Sequence[Sequence[float]],
    texts: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_title: str,
    column_title: str,
) -> None:
    """Writes a PNG.

    Args:
      path: of the picture; replaced whole.
      shares: in [0, 1], the shade of each cell; NaN is left white.
      texts: written into the cells.
      rows, columns: heads.
      row_title, column_title: what rows and columns are.
    """
    cell = _CELL if len(columns) <= _FEW else _SMALL_CELL
    figure = new_figure(2.2 + cell * len(columns), 1.3 + cell * len(rows))
    axes = figure.subplots()
    shades = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, fontsize=8, rotation=20, ha="right")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(column_title, fontsize=9)
    axes.set_ylabel(row_title, fontsize=9)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            color = "white" if shares[i][j] > 0.6 else "#1a1a1a"
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
    bar = figure.colorbar(shades, ax=axes, aspect=30, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    save_figure(figure, path)


def draw_shares(
    path: Path,
    found: Records,
    row: str,
    column: str,
    names: Sequence[str],
    *,
    hit: str = "success",
    row_title: str,
    column_title: str,
) -> None:
    """Of the records with each pair of classes, how many are hits.

    Args:
      path: of the picture; replaced whole.
      found: records with two columns of classes, and one that says which are hits.
      row, column, hit: names of these columns.
      names: of the classes.
      row_title, column_title: what rows and columns are.
    """
    shares = np.full((len(names), len(names)), np.nan)
    texts = [[""] * len(names) for _ in names]
    for (i, j), of_pair in found.groups(row, column):
        hits = of_pair[hit]
        shares[i, j] = hits.mean()
        texts[i][j] = f"{hits.sum()} of {len(hits)}"
    titles = {"row_title": row_title, "column_title": column_title}
    draw_matrix(path, shares.tolist(), texts, names, names, **titles)
