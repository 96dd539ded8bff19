"""Champions as galleries, with their confidence to two digits."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments import lab


def percent(confidence: float) -> str:
    """With two digits, rounded down: a figure of 99.99 is at least that."""
    return f"{np.floor(1e4 * float(confidence) + 1e-6) / 100:.2f}"


def median(confidence: np.ndarray) -> str | None:
    """In percent; None of nothing."""
    return percent(float(np.median(confidence))) if confidence.size else None


def caption(confidence: float) -> str:
    """Of a tile."""
    return f"{percent(confidence)} %"


def share(of: float) -> str | None:
    """In percent with one digit; None where it is NaN."""
    return None if math.isnan(of) else f"{100 * of:.1f}"


def draw_champions(
    path: Path, champions: lab.Records, class_names: Sequence[str], most: int = 5
) -> None:
    """The last champions, the first runs down and classes across.

    Args:
      path: of the picture; replaced whole.
      champions: with `run`, `image`, `confidence` and `fooled`, such as `Archives.champions`.
      class_names: heads of the columns.
      most: runs.
    """
    runs = lab.tiles(champions.rows(champions["run"] < most), "run", caption)
    lab.draw_gallery(path, [(f"run {int(run) + 1}", row) for run, row in runs], class_names)
