"""Nguyen et al. (2015), figure 9: which champions of one run are related, and how, by its record.

A win is (cell, generation): somebody became the champion of that cell then. An archive keeps no
images of champions that were beaten. But many are never beaten, and go on to have children: a line
of descent can be shown by those of its ancestors that are champions still.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from jfool.search.map_elites import NOT_WON, ancestors

Win = tuple[int, int]
Wins = Int[np.ndarray, "G cells"]
Line = list[Win]


@dataclass(frozen=True)
class Family:
    """
    ancestor: the youngest that all members have in common.
    members: cells whose champions descend from it, itself included if it is one still.
    """

    ancestor: Win
    members: tuple[int, ...]


def lines(wins: Wins, cells: Iterable[int]) -> dict[int, Line]:
    """By cell, the wins that its last champion descends from, itself first."""
    return {int(cell): ancestors(wins, int(cell), len(wins) - 1) for cell in cells}


def still_champions(wins: Wins, line: Line) -> Line:
    """Those of a line that were never beaten."""
    return [(cell, won) for cell, won in line if (wins[won + 1 :, cell] == NOT_WON).all()]


def longest(wins: Wins, of: Mapping[int, Line]) -> Line:
    """The line with the most champions that were never beaten, and of it those alone."""
    return max((still_champions(wins, line) for line in of.values()), key=len)


def families(of: Mapping[int, Line], size: int, most: int) -> list[Family]:
    """Champions with a common ancestor, those of the youngest ancestors first, none twice.

    Args:
      of: as `lines` tells them.
      size: the least number of members.
      most: families.
    """
    descendants: dict[Win, list[int]] = {}
    for cell, line in of.items():
        for win in line:
            descendants.setdefault(win, []).append(cell)
    found: list[Family] = []
    taken: set[int] = set()
    for win in sorted(descendants, key=lambda win: (-win[1], win[0])):
        members = descendants[win]
        if len(members) >= size and taken.isdisjoint(members) and len(found) < most:
            found.append(Family(win, tuple(sorted(members))))
            taken.update(members)
    return found
