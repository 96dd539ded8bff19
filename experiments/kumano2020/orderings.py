"""Orderings that Kumano et al. (2020) read off tables 2 to 13: confidence rises with k, and grays
fool better.

`S` numbers of pixels k, ascending; `C` base colors; `K` classes. Cells in percent, NaN where there
is no number.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from experiments.lab.section import Cell, Table

COLORS = ("black", "grey", "white", "red", "green", "blue")  # in the order of the paper's tables
GREYS = COLORS[:3]
HUES = tuple(color for color in COLORS if color not in GREYS)

Cells = Float[np.ndarray, "S C K"]
Held = tuple[str | None, float | None]  # yes or no of the means; of how many cases, in percent


def means_table(
    ks: Sequence[int], colors: Sequence[str], measured: Cells, paper: Cells | None
) -> Table:
    """Means over the cells of a colour, of the greys, of the hues, and of all."""
    groups: dict[str, Sequence[str]] = {color: (color,) for color in colors}
    if set(COLORS) <= set(colors):
        groups |= {"black, grey, white": GREYS, "red, green, blue": HUES}
    groups["all"] = colors

    def means(cells: Cells) -> list[list[Cell]]:
        members = [[color in group for color in colors] for group in groups.values()]
        return [[_cell(_mean(of_k[member])) for member in members] for of_k in cells]

    return Table(
        title="Means over the cells of the tables above (%)",
        columns=list(groups),
        rows=[f"k = {k}" for k in ks],
        measured=means(measured),
        paper=None if paper is None else means(paper),
    )


def orderings_table(colors: Sequence[str], measured: Cells, paper: Cells | None) -> Table:
    """Whether the paper's orderings hold."""
    orderings: dict[str, Callable[[Cells], Held]] = {
        "higher for each larger k (singly: not lower)": rises_with_k,
        "black, grey, white above red, green, blue": lambda cells: greys_above_hues(cells, colors),
    }

    def rows(cells: Cells) -> list[list[Cell]]:
        return [list(held(cells)) for held in orderings.values()]

    return Table(
        title="Orderings of these means, and how often they hold in single cells or classes",
        columns=["of the means", "singly (%)"],
        rows=list(orderings),
        measured=rows(measured),
        paper=None if paper is None else rows(paper),
    )


def rises_with_k(cells: Cells) -> Held:
    """The mean of all cells, for each larger k; and the steps from one k to the next in which a
    cell does not fall. None where there is but one k."""
    cells = _with_figures(cells)
    if len(cells) < 2:
        return None, None
    means = [_mean(of_k) for of_k in cells]
    steps = np.diff(cells, axis=0)
    steps = steps[~np.isnan(steps)]
    return _held(np.diff(means) > 0), 100 * _mean(steps >= 0)


def greys_above_hues(cells: Cells, colors: Sequence[str]) -> Held:
    """The mean of the greys above that of the hues, at each k; and at how many k and classes. None
    where a colour is missing."""
    cells = _with_figures(cells)
    if not set(COLORS) <= set(colors) or not len(cells):
        return None, None
    greys = cells[:, [color in GREYS for color in colors]]
    hues = cells[:, [color in HUES for color in colors]]
    means = [_mean(a) > _mean(b) for a, b in zip(greys, hues, strict=True)]
    single = [
        _mean(a[:, j]) > _mean(b[:, j])
        for a, b in zip(greys, hues, strict=True)
        for j in range(a.shape[1])
    ]
    return _held(means), 100 * _mean(np.array(single))


def _with_figures(cells: Cells) -> Cells:
    """Without the k that the paper does not have."""
    return cells[~np.isnan(cells).all((1, 2))]


def _mean(cells: np.ndarray) -> float:
    """Of the known cells; NaN where there are none."""
    known = cells[~np.isnan(cells)]
    return float(known.mean()) if known.size else float("nan")


def _cell(mean: float) -> float | None:
    return None if np.isnan(mean) else mean


def _held(cases: Sequence[bool] | np.ndarray) -> str:
    return "yes" if all(cases) else "no"
