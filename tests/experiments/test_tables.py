"""Tables against values worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from experiments.lab.found import Row, best_rows
from experiments.lab.tables import best_table, mean_table, percent, print_table

NAN = math.nan


def row(base: str, label: int, repeat: int, confidence: float) -> Row:
    fields: dict[str, Any] = {"job_id": 0, "k": 5, "objective": "confidence", "prediction": label}
    fields |= {"success": True, "confidence_uint8": confidence, "success_uint8": True}
    fields |= {"stopped": False, "num_queries": 1, "num_steps": 1}
    return Row(base=base, label=label, repeat=repeat, confidence=confidence, **fields)


ROWS = [
    *(row("black", 0, 0, 0.25), row("black", 0, 1, 0.75)),
    *(row("black", 3, 0, NAN), row("black", 3, 1, 0.5)),
    *(row("white", 0, 0, 1.0), row("white", 0, 1, 1.0)),
]


def test_best_and_mean():
    best = best_table(ROWS, ["black", "white"], [0, 3])
    mean = mean_table(ROWS, ["black", "white"], [0, 3])
    np.testing.assert_array_equal(best, [[0.75, 0.5], [1.0, NAN]])
    np.testing.assert_array_equal(mean, [[0.5, NAN], [1.0, NAN]])


def test_the_first_of_equals_is_the_best():
    assert best_rows(ROWS)["white", 0].repeat == 0
    assert best_rows(ROWS)["black", 3].repeat == 1


@pytest.mark.parametrize(
    ("confidence", "text"), [(0.0, "0"), (0.996, "99"), (0.0099, "0"), (1.0, "100"), (NAN, "-")]
)
def test_percent_is_rounded_down_as_in_the_paper(confidence, text):
    assert percent(confidence) == text


def test_a_table_shows_confidences_and_those_of_the_colours(capsys):
    confidences, plain = np.array([[0.5, 0.996]]), np.array([[0.011, 0.0]])
    print_table("A title", confidences, ["black"], ["[b]cat[/b]", "dog"], plain)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert [line.split() for line in printed.splitlines()] == [
        ["A", "title"],
        ["[b]cat[/b]", "dog"],
        ["black", "50", "(1)", "99", "(0)"],
    ]


def test_many_classes_are_set_in_blocks_of_ten(capsys):
    print_table("T", np.full((1, 23), 0.5), ["black"], [str(i) for i in range(23)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [len(row) for row in rows] == [1, 10, 11, 10, 11, 3, 4]
