"""Figures 4 and 5 of paper 000: SFIs on every base colour, and of every k for one class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.lab.found import Found, Row, best_rows
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.section import floored

Best = dict[tuple[str, int], tuple[Row, np.ndarray]]  # by colour and class, with its image


def best_of(found: Found, k: int) -> Best:
    """The most confident SFI of each colour and class."""
    place = {row.job_id: i for i, row in enumerate(found.rows)}
    best = best_rows(row for row in found.rows if row.k == k)
    return {cell: (row, found.images[place[row.job_id]]) for cell, row in best.items()}


def draw_colors(
    path: Path, found: Found, k: int, colors: Sequence[str], class_names: Sequence[str]
) -> None:
    """Figure 4: the SFIs of one k, colours down and classes across."""
    best = best_of(found, k)
    labels = range(len(class_names))
    tiles = [[_tile(*best[color, label]) for label in labels] for color in colors]
    draw_gallery(path, tiles, colors, class_names)


def draw_ks(path: Path, found: Found, ks: Sequence[int], colors: Sequence[str], label: int) -> None:
    """Figure 5: the SFIs of one class, colours down and k across."""
    best = [best_of(found, k) for k in ks]
    tiles = [[_tile(*of_k[color, label]) for of_k in best] for color in colors]
    draw_gallery(path, tiles, colors, [f"k = {k}" for k in ks])


def _tile(row: Row, image: np.ndarray) -> Tile:
    percent = floored(row.confidence)
    return Tile(image, "-" if percent is None else f"{percent} %", row.prediction == row.label)
