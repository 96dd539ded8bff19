"""A square of numbers as a picture: the darker a cell, the larger."""

from collections.abc import Sequence
from pathlib import Path

from experiments.lab.shown import new_figure, save_figure

_CELL, _SMALL_CELL = 0.95, 0.62  # inches
_FEW = 6


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
