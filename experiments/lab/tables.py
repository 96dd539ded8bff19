"""Tables as the paper sets them: rows are base colours, columns are classes, cells confidences."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.lab.found import Row, best_rows

_BOLD = 0.9  # the paper's
_COLUMNS = 10  # classes side by side
_WIDTH = 110  # where there is no terminal to ask


def percent(confidence: float) -> str:
    """A confidence in whole percent, rounded down as in the paper: 0.996 is 99."""
    return "-" if math.isnan(confidence) else str(math.floor(100 * confidence))


def best_table(rows: Iterable[Row], bases: Sequence[str], labels: Sequence[int]) -> np.ndarray:
    """`[bases, labels]`, the highest confidence of each cell, NaN where it has no rows."""
    best = best_rows(rows)
    return _filled({cell: row.confidence for cell, row in best.items()}, bases, labels)


def mean_table(rows: Iterable[Row], bases: Sequence[str], labels: Sequence[int]) -> np.ndarray:
    """`[bases, labels]`, the mean confidence of each cell's repeats, NaN where one is NaN."""
    repeats: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        repeats.setdefault((row.base, row.label), []).append(row.confidence)
    means = {cell: float(np.mean(values)) for cell, values in repeats.items()}
    return _filled(means, bases, labels)


def print_table(
    title: str,
    confidences: np.ndarray,
    bases: Sequence[str],
    class_names: Sequence[str],
    plain: np.ndarray | None = None,
) -> None:
    """Prints a table to standard output.

    Args:
      title: above it.
      confidences: `[bases, classes]` in [0, 1]; NaN leaves a dash.
      bases: names of the rows.
      class_names: names of the columns.
      plain: the same of the colours alone, set in parentheses.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(Text(title))
    for start in range(0, len(class_names), _COLUMNS):
        part = slice(start, start + _COLUMNS)
        table = Table(box=None)
        table.add_column("")
        for name in class_names[part]:
            table.add_column(Text(name), justify="right")
        for i, base in enumerate(bases):
            beside = None if plain is None else plain[i, part]
            table.add_row(Text(base), *_cells(confidences[i, part], beside))
        console.print(table)


def _cells(confidences: np.ndarray, plain: np.ndarray | None) -> Iterable[Text]:
    for j, confidence in enumerate(confidences.tolist()):
        beside = "" if plain is None else f" ({percent(float(plain[j]))})"
        style = "bold" if confidence >= _BOLD else ""
        yield Text(percent(confidence) + beside, style=style)


def _filled(
    values: dict[tuple[str, int], float], bases: Sequence[str], labels: Sequence[int]
) -> np.ndarray:
    return np.array([[values.get((base, label), math.nan) for label in labels] for base in bases])
