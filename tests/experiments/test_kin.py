"""Relatives in an archive, against a walk through who begot whom."""

import numpy as np
import pytest

from experiments.nguyen2015 import kin

CELLS, GENERATIONS = 7, 12


@pytest.fixture(params=range(4))
def wins(request):
    """A random record: every cell is won at the start, later now and then by anybody's child."""
    rng = np.random.default_rng(request.param)
    record = rng.integers(0, CELLS, (GENERATIONS, CELLS))
    record[rng.uniform(size=record.shape) < 0.7] = -2
    record[0] = -1
    return record


def genealogy(wins):
    """Of every win its parent's, by going forward in time; and the last champions' wins."""
    champion, parent_of = {}, {}
    for generation, row in enumerate(wins):
        before = dict(champion)
        for cell, parent in enumerate(row):
            if parent != -2:
                parent_of[cell, generation] = before[parent] if parent >= 0 else None
                champion[cell] = (cell, generation)
    return parent_of, champion


def descent(wins, cell):
    parent_of, champion = genealogy(wins)
    line = [champion[cell]]
    while parent_of[line[-1]] is not None:
        line.append(parent_of[line[-1]])
    return line


def test_lines_are_those_of_going_forward(wins):
    assert kin.lines(wins, range(CELLS)) == {c: descent(wins, c) for c in range(CELLS)}


def test_the_longest_line_has_the_most_champions_that_stayed(wins):
    stayed = set(genealogy(wins)[1].values())
    of = {cell: [win for win in descent(wins, cell) if win in stayed] for cell in range(CELLS)}
    found = kin.longest(wins, kin.lines(wins, range(CELLS)))
    assert found in of.values()
    assert len(found) == max(map(len, of.values()))
    assert found[0][0] in of


def test_families_share_their_ancestor_and_nobody_is_in_two(wins):
    lines = {cell: descent(wins, cell) for cell in range(CELLS)}
    found = kin.families(kin.lines(wins, range(CELLS)), 2, 3)
    free = set(range(CELLS))
    for family in found:
        of_win = {
            win: {c for c in lines if win in lines[c]} for line in lines.values() for win in line
        }
        possible = [win for win, members in of_win.items() if len(members) >= 2 and members <= free]
        assert family.ancestor[1] == max(win[1] for win in possible)
        assert set(family.members) == of_win[family.ancestor]
        free -= set(family.members)
    assert len(found) <= 3


def test_only_those_asked_for_are_of_a_family():
    wins = np.array([[-1, -1, -1], [-2, 0, 0]])
    assert kin.families(kin.lines(wins, [1, 2]), 2, 1) == [kin.Family((0, 0), (1, 2))]
    assert kin.families(kin.lines(wins, [1]), 2, 1) == []
    assert kin.longest(wins, kin.lines(wins, [2])) == [(2, 1), (0, 0)]
