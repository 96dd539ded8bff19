"""Tables against values worked out by hand, and how they are printed."""

import math

import numpy as np
import pytest

from experiments import lab
from experiments.lab.section import Section, Table, floored, publish, shown
from experiments.lab.sparse_tables import confidence_table, counts, gallery_of, tables_of

NAN = math.nan
NAMES = ("cat", "dog", "eel", "fox")
FOUND = lab.Records.of(
    color=["black", "black", "black", "black", "white", "white"],
    target=[0, 0, 3, 3, 0, 0],
    repeat=[0, 1, 0, 1, 0, 1],
    confidence=[0.25, 0.95, NAN, 0.5, 1.0, 1.0],
    confidence_uint8=[0.25, 0.85, NAN, 0.5, 1.0, 1.0],
    prediction=[1, 0, -1, 1, 0, 0],
    fooled=[False, True, False, False, True, True],
    plain=[0.011, 0.011, 0.2, 0.2, 0.0, 0.0],
    num_queries=[10, 20, 30, 40, 50, 60],
    image=np.zeros((6, 2, 2, 1)),
)


def test_best_and_mean_stand_beside_the_color_alone():
    best, mean, _ = tables_of(FOUND, NAMES, "k = 5")
    assert best.title.startswith("k = 5: highest confidence (%) of 2 searches")
    assert (best.rows, best.columns) == (["black", "white"], ["cat", "fox"])
    assert best.measured == [["95 (1)", "50 (20)"], ["100 (0)", "- (-)"]]
    assert best.bold == [[True, False], [True, False]]
    assert mean.measured == [["60 (1)", "- (20)"], ["100 (0)", "- (-)"]]  # no mean with a NaN


def test_one_search_has_no_mean():
    best, _ = tables_of(FOUND.where(repeat=0), NAMES, "k = 5")
    assert best.title.startswith("k = 5: confidence (%), in parentheses")


def test_cells_are_counted_by_their_best_image():
    expected = {"cells": 3, "fooled": 2, "at 90 %": 2, "at 99 %": 1, "at 90 % in 8 bits": 1}
    assert counts(FOUND) == {**expected, "searches": 6, "images shown": 210}


def test_classes_stand_in_the_order_in_which_they_are_asked_for():
    table = confidence_table("", FOUND.rows(np.array([3, 1])), NAMES)
    assert table.columns == ["fox", "cat"]


def test_captions_name_what_is_predicted():
    rows, heads = gallery_of(FOUND.where(repeat=0), NAMES)
    assert heads == ["cat", "fox"]
    (black, black_tiles), (white, white_tiles) = rows
    assert (black, white) == ("black", "white")
    assert [tile.caption for tile in black_tiles] == ["dog\n(25 %)", "NaN\n(NaN)"]
    assert [tile.fooled for tile in black_tiles] == [False, False]
    assert white_tiles[0].caption == "cat\n100 %"
    assert white_tiles[1] is None
    short, _ = gallery_of(FOUND.where(repeat=0), ("0", "1", "2", "3"))
    assert [short[0][1][0].caption, short[1][1][0].caption] == ["1 (25 %)", "0: 100 %"]


@pytest.mark.parametrize(
    ("confidence", "percent"),
    [(0.0, 0), (0.996, 99), (0.0099, 0), (0.57, 57), (1.0, 100), (NAN, None)],
)
def test_percent_is_rounded_down_as_in_the_paper(confidence, percent):
    assert floored(confidence) == percent


def published(folder, tables) -> None:
    publish(Section("of/mine", "A title", "", "reduced", "", {}, tables), folder)


def test_a_table_is_printed_without_markup_and_with_the_papers_numbers(tmp_path, capsys):
    table = Table("[b]T[/b]", ["[b]cat[/b]", "dog"], ["black"], [[50, 0.25]], [[49, None]])
    published(tmp_path, [table])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    lines = [line.split() for line in printed.splitlines()[:-1] if line]
    assert lines == [
        ["A", "title", "(reduced)"],
        ["[b]T[/b]"],
        ["[b]cat[/b]", "dog"],
        ["black", "50", "(49)", "0.25", "(-)"],
    ]


def test_many_classes_are_printed_in_blocks_of_ten(tmp_path, capsys):
    table = Table("T", [str(i) for i in range(23)], ["black"], [[50] * 23])
    published(tmp_path, [table])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:-1]]
    assert [len(row) for row in rows] == [10, 11, 10, 11, 3, 4]


def test_a_table_of_other_sizes_than_its_heads_is_refused():
    with pytest.raises(ValueError, match="paper: expected 1 rows of 2 cells for 'T', got 1 of"):
        Table("T", ["a", "b"], ["r"], [[1, 2]], [[1]])


def test_a_table_may_have_no_rows_and_nan_is_a_dash():
    empty = Table("nothing", ["x"], [], [])
    assert list(empty.measured) == []
    assert [shown(cell) for cell in (NAN, None, 0.5)] == ["-", "-", "0.5"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (100.0, "100"),
        (100, "100"),
        (99.999999, "99.99"),
        (99.97, "99.97"),
        (99.95, "99.95"),
        (99.94, "99.9"),
        (0.0, "0"),
        (1e-7, "1e-07"),
        (101.4, "101"),
        (2.1666, "2.17"),
    ],
)
def test_only_all_of_it_is_shown_as_100_and_only_nothing_as_0(cell, text):
    assert shown(cell) == text
