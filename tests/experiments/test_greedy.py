"""Greedy re-placement of pixels against differential evolution: equal budgets, honest counts."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import jfool
from experiments.greedy import greedy
from experiments.greedy.greedy_methods import evolution
from experiments.greedy.greedy_tables import compared, notes, score, tables
from experiments.lab.colors import parse_colors
from experiments.lab.imagenet import ImageNetVictim
from experiments.lab.recorded import Outcomes, carried_on, search_recorded
from experiments.lab.search import Cell, jobs_of, places_of
from tests.experiments.tiny_network import TinyNetwork

SMOKE = greedy.PRESETS["smoke"][1]
COLORS = parse_colors(["black", "white"], 1, "digits")
PLACES = places_of([2], [Cell(color, label) for color in COLORS for label in range(4)], 1, 4)


@pytest.fixture
def tiny_victim(monkeypatch, tiny):
    """Networks that answer at once, in place of both."""
    network = TinyNetwork((5, 5, 3), 1000)
    network.eval()
    found = ImageNetVictim("squeezenet1_1", network, None, None)
    monkeypatch.setattr(greedy, "imagenet_victim", lambda *args: found)


def outcomes(confidence, reached) -> Outcomes:
    """Of made-up searches of the eight places."""
    confidence = np.array(confidence, np.float32)
    return Outcomes(
        places=list(PLACES.values()),
        confidence=confidence,
        predicted=confidence > 0.5,
        reached=np.array(reached, float),
        history=np.stack([confidence / 2, confidence], 1),
        evaluations=np.array([500, 1000]),
        images=np.zeros((8, 6, 6, 1)),
    )


NAN = np.nan
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
    method = evolution("confidence", "rand", 8)
    attack = method.make((6, 6, 1), 4, 2)
    plain = jfool.run(
        key,
        attack,
        linear_model,
        jobs_of(PLACES.values(), 1),
        num_steps=11,
        chunk=8,
        job_ids=np.array(list(PLACES)),
        history=True,
    )
    found = search_recorded(
        key,
        attack,
        linear_model,
        PLACES,
        per_step=8,
        budget=100,
        threshold=0.9,
        num_marks=5,
        until=None,
        lanes=3,
        chunk=8,
        folder=out,
        title="tiny",
    )
    order = np.argsort(list(PLACES))
    assert found.places == [list(PLACES.values())[i] for i in order]
    np.testing.assert_array_equal(found.images, plain.images[order])
    np.testing.assert_array_equal(found.confidence, plain.confidence[order])
    np.testing.assert_array_equal(found.evaluations, [24, 48, 72, 96])  # 12 steps, by threes
    history = np.asarray(plain.history)[order]
    np.testing.assert_allclose(found.history, history[:, 2::3], rtol=1e-5)
    first = np.argmax(history >= 0.9, 1) + 1
    expected = np.where((history >= 0.9).any(1), 8 * first, np.nan)
    assert 0 < np.isnan(expected).sum() < 8
    np.testing.assert_array_equal(found.reached, expected)
    np.testing.assert_array_equal(np.isnan(found.charged(100)), False)
    assert (found.charged(100)[np.isnan(expected)] == 100).all()


def test_the_last_mark_of_a_search_that_ended_is_carried_on():
    history = np.array([[0.1, 0.2, 0.3], [0.4, NAN, NAN], [0.4, 0.5, NAN]])
    expected = [[0.1, 0.2, 0.3], [0.4, 0.4, 0.4], [0.4, 0.5, 0.5]]
    np.testing.assert_array_equal(carried_on(history), expected)


def test_the_tables_count_unreached_cells_at_the_budget():
    config = dataclasses.replace(SMOKE, budget=1000)
    summary, confidences, evaluations = tables(config, {"DE": THEIRS, "ours": OURS}, list("NESW"))
    #                     quartiles, mean, cells at 90 %, the other's not, evaluations to it
    assert summary.measured[0] == [18, 35, 91, 49, 3, 1, 800, 1000, 1000]
    assert summary.measured[1] == [39, 85, 98, 67, 4, 2, 250, 900, 1000]
    assert "1.1)" in summary.title
    assert confidences.measured[0] == ["95 | 99", "10 | 98", "21 | 21", "90 | 80"]
    assert confidences.bold == [[True, True, False, False], [True, False, False, True]]
    assert evaluations.measured[1] == ["- | 0.8k", "- | -", "- | -", "0.2k | 0.1k"]
    assert evaluations.bold == [[True, True, False, False], [True, False, False, True]]


def test_imagenet_counts_the_classes_that_either_reaches():
    table = compared(SMOKE, {"DE": THEIRS, "ours": OURS}, list("NESW"), "oak")
    assert table.title.startswith("oak: 10 pixels on grey")
    assert "in 4 of the 7 classes in which either reaches 10 %, and in 4 of all 8" in table.title


def test_the_papers_question_is_answered_as_it_was_found():
    config = dataclasses.replace(SMOKE, dataset="cifar10", network="oak")
    (blue,) = parse_colors(["blue"], 3, "cifar10")
    card, victim = (
        {"accuracy": 0.9, "num_test_images": 10},
        ImageNetVictim("oak", TinyNetwork((5, 5, 3), 10), None, None),
    )
    for predicted, said in ((True, "here they are one with 98.0 %"), (False, "nor here: at most")):
        places = [(Cell(blue, 1), 5, 0)] * 8
        of = dataclasses.replace(OURS, places=places, predicted=np.full(8, predicted))
        of = dataclasses.replace(of, confidence=np.full(8, 0.98))
        asked = [t for t in notes(config, card, victim, 1, {"a": of, "b": of}) if "paper asks" in t]
        assert len(asked) == 1
        assert said in asked[0]
    three = dataclasses.replace(config, k=3)
    assert not any(
        "paper asks" in text for text in notes(three, card, victim, 1, {"a": of, "b": of})
    )


def test_variants_rank_by_cells_at_the_threshold_then_by_the_mean():
    assert score(OURS, 0.9) > score(THEIRS, 0.9)
    assert score(OURS, 0.5)[0] == 5
    assert score(THEIRS, 0.999) < score(OURS, 0.999)


@pytest.mark.usefixtures("tiny_victim")
def test_an_experiment_keeps_to_its_budgets_and_is_not_repeated(out):
    config = dataclasses.replace(SMOKE, out=out, until=0.97, mutants=("rand",))
    greedy.main(config)
    section = json.loads((out / "section.json").read_text())
    assert list(section["data"]["pilot"]) == ["confidence_rand"]
    assert len(section["data"]["pilot"]["confidence_rand"]["cells"]) == 3
    for part, budget, cells in (("cifar", 400, 8), ("imagenet", 96, 2)):
        assert len(section["data"][part]) == 2
        for of in section["data"][part].values():
            assert len(of["cells"]) == len(of["confidence"]) == cells
            assert 0 < max(of["evaluations"]) <= budget
    assert (out / "confidence.png").stat().st_size > 5000
    assert (out / "images.png").stat().st_size > 2000
    assert any("UNTRAINED" in note for note in section["notes"])

    parts = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")}
    assert len(parts) >= 5
    greedy.main(config)
    again = json.loads((out / "section.json").read_text())
    assert again["data"] == section["data"]
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")} == parts


def test_the_centipede_is_among_the_classes_and_the_others_are_drawn_with_the_seed():
    labels = greedy.imagenet_labels(20, 0)
    assert len(set(labels)) == 21
    assert 79 in labels
    assert labels == greedy.imagenet_labels(20, 0)
    assert labels != greedy.imagenet_labels(20, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "oak"}, "network: expected one of"),
        ({"imagenet": "lenet"}, "imagenet: expected one of"),
        ({"pilot": 0}, "pilot: expected a number of at least 1, got 0"),
        ({"budget": 40}, "budget: expected a number of at least 48, got 40"),
        ({"imagenet_population": 3}, "imagenet_population: expected a number of at least 4"),
        ({"imagenet_k": 1025, "side": 32}, "imagenet_k: expected at most the 1024 pixels"),
        ({"imagenet_classes": 1000}, "imagenet_classes: expected at most 999"),
        ({"objectives": ("beauty",)}, "objectives: expected some of confidence, log_confidence"),
        ({"mutants": ()}, "mutants: expected some of rand, best"),
        ({"threshold": 1.5}, r"threshold: expected a confidence in \(0, 1\], got 1.5"),
        ({"until": 0.5}, "until: expected at least threshold = 0.9, got 0.5"),
        ({"colors": ("blue",)}, "colors: expected black, grey, white"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        greedy.main(dataclasses.replace(SMOKE, **given))
