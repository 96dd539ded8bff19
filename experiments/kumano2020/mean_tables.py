"""Tables 2 to 13 of paper 000: mean confidences by base colour and class, beside the paper's.

`S` numbers of pixels k, `C` base colours, `K` classes.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from experiments.kumano2020 import published
from experiments.kumano2020.orderings import means_table, orderings_table
from experiments.lab.section import Table, floored

_BOLD = 90  # percent, the paper's
_LOST, _NONE = "?", "-"


def tables(
    ks: Sequence[int],
    colors: Sequence[str],
    class_names: Sequence[str],
    means: Float[np.ndarray, "S C K"],
    plain: Float[np.ndarray, "C K"],
    paper: published.Network | None,
) -> list[Table]:
    """One for each k, as the paper sets it, and what it reads off them.

    Args:
      ks, colors, class_names: what the axes are.
      means: mean confidence of the SFIs.
      plain: confidence of the colours alone.
      paper: to be set beside; with its ten classes.
    """
    percents = [[[floored(x) for x in row] for row in cells] for cells in means.tolist()]
    alone = [[floored(x) for x in row] for row in plain.tolist()]
    made = []
    for k, cells in zip(ks, percents, strict=True):
        title, beside = f"{k}-SFIs: mean confidence, and that of the colour alone (%)", None
        if paper is not None and k in paper.tables:
            title += f"; beside {paper.title}, table {paper.tables[k]}"
            beside = _texts(paper.means(k, colors), paper.alone(colors), _LOST)
        made.append(
            Table(
                title=title,
                columns=class_names,
                rows=colors,
                measured=_texts(cells, alone, _NONE),
                paper=beside,
                bold=[[x is not None and x >= _BOLD for x in row] for row in cells],
            )
        )
    ours = np.array(percents, float)
    theirs = None if paper is None else np.array([paper.means(k, colors) for k in ks], float)
    return [*made, means_table(ks, colors, ours, theirs), orderings_table(colors, ours, theirs)]


def _texts(cells: published.Percents, alone: published.Percents, none: str) -> list[list[str]]:
    """Cells as `99 (62)`."""

    def shown(percent: int | None) -> str:
        return none if percent is None else str(percent)

    return [
        [f"{shown(x)} ({shown(y)})" for x, y in zip(row, plain, strict=True)]
        for row, plain in zip(cells, alone, strict=True)
    ]
