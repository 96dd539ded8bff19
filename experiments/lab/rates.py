"""Rates as cells of tables."""

from experiments.lab.section import Cell
from jfool.metrics import wilson


def rate(name: str, share: float, trials: int) -> dict[str, Cell]:
    """A rate in percent, and Wilson's 95 % interval beside it.

    Args:
      name: head of the column.
      share: in [0, 1].
      trials: independent units that were counted.
    """
    low, high = wilson(float(share), trials)
    return {name: 100 * float(share), f"{name}, 95 %": f"{100 * low:.1f} to {100 * high:.1f}"}
