"""Greedy search against differential evolution: equal budgets, honest counts."""

import dataclasses

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

import jfool
from experiments import lab
from experiments.greedy import compare
from experiments.greedy.methods import evolution
from experiments.greedy.tables import cell_tables, charged, imagenet_table, score
from experiments.lab import imagenet
from experiments.lab.recorded import carried_on, search_recorded
from experiments.lab.settings import check
from experiments.lab.sparse import jobs_of
from tests.experiments.helpers import run, smoke
from tests.experiments.tiny_network import TinyNetwork

COMMAND, EXPERIMENT = "greedy compare", compare.EXPERIMENT
WANTED = lab.cells([2], ("black", "white"), range(4), 1, num_classes=4, shape=(6, 6, 1))
NAN = np.nan
pytestmark = pytest.mark.usefixtures("quick_compiler")


def outcomes(confidence, reached) -> lab.Records:
    """Of made-up searches of the eight cells."""
    confidence = np.array(confidence, np.float32)
    return WANTED.plus(confidence=confidence, fooled=confidence > 0.5, reached=reached)


THEIRS = outcomes(
    [0.955, 0.105, 0.215, 0.905, 0.305, 0.405, 0.055, 0.995],
    [500, NAN, NAN, 900, NAN, NAN, NAN, 200],
)
OURS = outcomes(
    [0.995, 0.985, 0.215, 0.805, 0.905, 0.455, 0.045, 0.995],
    [100, 300, NAN, NAN, 800, NAN, NAN, 100],
)


def test_a_recorded_search_is_the_search_itself_and_notes_what_its_history_says(linear_model, out):
    key = jax.random.key(3)
    attack = evolution("confidence", "rand", 8).make((6, 6, 1), 4, 2)
    plain = jfool.run(
        key,
        attack,
        linear_model,
        jobs_of(WANTED),
        num_steps=11,
        chunk=8,
        job_ids=WANTED["job_id"],
        history=True,
    )
    found = search_recorded(
        lab.Run(out),
        "tiny",
        attack,
        linear_model,
        WANTED,
        key=key,
        per_step=8,
        budget=100,
        threshold=0.9,
        num_marks=5,
        until=None,
        lanes=3,
        chunk=8,
    )
    np.testing.assert_array_equal(found["job_id"], WANTED["job_id"])
    np.testing.assert_array_equal(found["image"], plain.images)
    np.testing.assert_array_equal(found["confidence"], plain.confidence)
    np.testing.assert_array_equal(found["evaluations"], [[24, 48, 72, 96]] * 8)  # 12 steps by 3
    history = np.asarray(plain.history)
    np.testing.assert_allclose(found["history"], history[:, 2::3], rtol=1e-5)
    first = np.argmax(history >= 0.9, 1) + 1
    expected = np.where((history >= 0.9).any(1), 8 * first, np.nan)
    assert 0 < np.isnan(expected).sum() < 8
    np.testing.assert_array_equal(found["reached"], expected)
    spent = charged(found, 100)
    np.testing.assert_array_equal(spent, np.where(np.isnan(expected), 100, expected))


def test_the_last_mark_of_a_search_that_ended_is_carried_on():
    history = np.array([[0.1, 0.2, 0.3], [0.4, NAN, NAN], [0.4, 0.5, NAN]])
    expected = [[0.1, 0.2, 0.3], [0.4, 0.4, 0.4], [0.4, 0.5, 0.5]]
    np.testing.assert_array_equal(carried_on(history), expected)


def test_the_tables_count_unreached_cells_at_the_budget():
    settings = smoke(EXPERIMENT, budget=1000)
    both = {"DE": THEIRS, "ours": OURS}
    summary, confidences, evaluations = cell_tables(settings, both, list("NESW"))
    #                     quartiles, mean, cells at 90 %, the other's not, evaluations to it
    assert summary.measured[0] == [18, 35, 91, 49, 3, 1, 800, 1000, 1000]
    assert summary.measured[1] == [39, 85, 98, 67, 4, 2, 250, 900, 1000]
    assert "1.1)" in summary.title
    assert confidences.measured[0] == ["95 | 99", "10 | 98", "21 | 21", "90 | 80"]
    assert confidences.bold == [[True, True, False, False], [True, False, False, True]]
    assert evaluations.measured[1] == ["- | 0.8k", "- | -", "- | -", "0.2k | 0.1k"]
    assert evaluations.bold == [[True, True, False, False], [True, False, False, True]]


def test_imagenet_counts_the_classes_that_either_reaches():
    table = imagenet_table(smoke(EXPERIMENT), {"DE": THEIRS, "ours": OURS}, list("NESW"), "oak")
    assert table.title.startswith("oak: 10 pixels on grey")
    assert "in 4 of the 7 classes in which either reaches 10 %, and in 4 of all 8" in table.title


def test_the_papers_question_is_answered_as_it_was_found():
    for fooled, said in ((True, "here they are one at 98.0 %, for oak"), (False, "nor here: at m")):
        of = OURS.plus(
            color=["blue"] + ["red"] * 7, target=[1] * 8, confidence=[0.98] * 8, fooled=[fooled] * 8
        )
        victim = lab.Victim("oak", None, {"accuracy": 0.9, "num_test_images": 10}, (1, 1, 1), 10)
        found = {"cells": {"greedy": of}, "victim": victim, "imagenet_victim": victim}
        settings = lab.changed(compare.Settings(), network="oak")
        asked = [text for text in compare.notes(settings, found) if " ask whether" in text]
        assert len(asked) == 1
        assert said in asked[0]
        three = dataclasses.replace(settings, k=3)
        assert not any(" ask whether" in text for text in compare.notes(three, found))


def test_variants_rank_by_cells_at_the_threshold_then_by_the_mean():
    assert score(OURS, 0.9) > score(THEIRS, 0.9)
    assert score(OURS, 0.5)[0] == 5
    assert score(THEIRS, 0.999) < score(OURS, 0.999)


def test_an_experiment_keeps_to_its_budgets_and_is_not_repeated(tiny, monkeypatch, out):
    network = TinyNetwork((5, 5, 3), 1000)
    network.eval()
    victim = imagenet.as_victim("squeezenet1_1", network)
    monkeypatch.setattr(imagenet, "imagenet_victim", lambda *args: victim)
    changes = {"until": 0.97, "mutants": ("rand",)}
    section = run(EXPERIMENT, COMMAND, out, **changes)
    rows = pq.read_table(out / "searches.parquet").to_pylist()
    parts = {}
    for row in rows:
        parts.setdefault((row["part"], row["method"]), []).append(row)
    assert {cell: len(of) for cell, of in parts.items()} == {
        ("pilot", "DE rand/1, confidence"): 3,
        ("cells", "DE rand/1, confidence"): 8,
        ("cells", "greedy"): 8,
        ("imagenet", "DE rand/1, confidence"): 2,
        ("imagenet", "greedy"): 2,
    }
    budgets = {"pilot": 200, "cells": 400, "imagenet": 96}
    for (part, _), of in parts.items():
        assert 0 < max(row["num_queries"] for row in of) <= budgets[part]
    assert (out / "confidence.png").stat().st_size > 5000
    assert (out / "images.png").stat().st_size > 2000
    assert section.name == "greedy/compare"
    assert any("UNTRAINED" in note for note in section.notes)

    sweeps = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")}
    assert len(sweeps) >= 5
    assert run(EXPERIMENT, COMMAND, out, **changes).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")} == sweeps


def test_the_centipede_is_among_the_classes_and_the_others_are_drawn_with_the_seed():
    classes = compare.drawn_classes(20, 0)
    assert len(set(classes)) == 21
    assert 79 in classes
    assert classes == compare.drawn_classes(20, 0)
    assert classes != compare.drawn_classes(20, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "oak"}, "network: expected one of"),
        ({"imagenet": "lenet"}, "imagenet: expected one of"),
        ({"pilot": 0}, "pilot: expected a number of at least 1, got 0"),
        ({"budget": 40}, "budget: expected a number of at least 48, got 40"),
        ({"imagenet_budget": 40}, "imagenet_budget: expected a number of at least 48, got 40"),
        ({"imagenet_population": 3}, "imagenet_population: expected a number of at least 4"),
        ({"imagenet_k": 1025, "side": 32}, "imagenet_k: expected at most the 1024 pixels"),
        ({"imagenet_classes": 1000}, "imagenet_classes: expected at most 999"),
        ({"objectives": ("beauty",)}, "objectives: expected one of confidence, log_confidence"),
        ({"mutants": ()}, "mutants: expected one or more different ones, got none"),
        ({"mutants": ("both",)}, "mutants: expected one of rand, best, got 'both'"),
        ({"threshold": 1.5}, r"threshold: expected a confidence in \(0, 1\], got 1.5"),
        ({"until": 0.5}, "until: expected at least threshold = 0.9, got 0.5"),
        ({"colors": ("blue",)}, "colors: expected black, grey, white"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        check(smoke(EXPERIMENT, **given))
