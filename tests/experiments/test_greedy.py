"""Greedy search against differential evolution: equal budgets, and counts that are true."""

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
from experiments import lab
from experiments.greedy import compare
from experiments.greedy.arenas import Arena, carried_on, imagenet_classes
from experiments.greedy.compare import EXPERIMENT, blue_car
from experiments.greedy.tables import charged, imagenet_table, pilot_table, score, small_tables
from experiments.lab.imagenet import as_victim
from experiments.lab.sparse import jobs_of
from tests.experiments.helpers import run, smoke
from tests.experiments.tiny_network import TinyNetwork

NAN = np.nan
COMMAND = "greedy compare"
CHANGES = {"until": 0.97, "mutants": ("rand",)}
COMPASS = ("north", "east", "south", "west")


def cells():
    return lab.cells([2], ["black", "white"], range(4), 1, num_classes=4, shape=(6, 6, 1))


def made_up(method, confidence, reached):
    """Of eight cells."""
    values = {"confidence": np.array(confidence, np.float32), "reached": np.array(reached, float)}
    return cells().plus(method=method, **values)


THEIRS = made_up(
    "DE",
    [0.955, 0.105, 0.215, 0.905, 0.305, 0.405, 0.055, 0.995],
    [500, NAN, NAN, 900, NAN, NAN, NAN, 200],
)
OURS = made_up(
    "greedy",
    [0.995, 0.985, 0.215, 0.805, 0.905, 0.455, 0.045, 0.995],
    [100, 300, NAN, NAN, 800, NAN, NAN, 100],
)
BOTH = lab.Records.joined([THEIRS, OURS])


@pytest.fixture(scope="module")
def done(module_patch, tiny_module, tmp_path_factory):
    """The folder and the section of a run with networks that answer at once."""
    network = TinyNetwork((5, 5, 3), 1000)
    network.eval()
    large = as_victim("squeezenet1_1", network)
    module_patch.setattr(compare, "imagenet_victim", lambda *args: large)
    out = tmp_path_factory.mktemp("greedy")
    return out, run(EXPERIMENT, COMMAND, out, **CHANGES)


@pytest.mark.slow
def test_the_recorded_search_is_the_search_itself(linear_model, out):
    s = smoke(EXPERIMENT, mutants=("rand",))
    victim, wanted = lab.Victim("linear", linear_model, {}, (6, 6, 1), 4), cells()
    arena = Arena("", victim, wanted, k=2, population=8, budget=100, lanes=3, chunk=8)
    found = arena.search(s, lab.Run(out), "DE rand/1, confidence")
    search = jfool.DifferentialEvolution(8)
    plain = jfool.run(
        jax.random.key(0, impl="threefry2x32"),
        jfool.SparseFooling((6, 6, 1), 4, max_k=2, search=search),
        linear_model,
        jobs_of(wanted),
        num_steps=11,
        chunk=8,
        job_ids=wanted["job_id"],
        history=True,
    )
    np.testing.assert_array_equal(found["image"], plain.images)
    np.testing.assert_array_equal(found["confidence"], plain.confidence)
    history = np.asarray(plain.history.fitness)  # after 8, 16, ..., 96 evaluations
    np.testing.assert_array_equal(found["evaluations"], [np.arange(1, 101)] * 8)
    assert np.isnan(found["history"][:, :7]).all()
    np.testing.assert_allclose(found["history"][:, 7:], history.repeat(8, 1)[:, :93], rtol=1e-5)
    expected = np.where((history >= 0.9).any(1), 8 * (history >= 0.9).argmax(1) + 8, NAN)
    assert 0 < np.isnan(expected).sum() < 8
    np.testing.assert_array_equal(found["reached"], expected)
    np.testing.assert_array_equal(charged(found, 100), np.nan_to_num(expected, nan=100))


def test_the_last_confidence_of_a_search_that_ended_is_carried_on():
    history = np.array([[0.1, 0.2, 0.3], [0.4, NAN, NAN], [0.4, 0.5, NAN]])
    expected = [[0.1, 0.2, 0.3], [0.4, 0.4, 0.4], [0.4, 0.5, 0.5]]
    np.testing.assert_array_equal(carried_on(history), expected)


def test_the_tables_count_unreached_cells_at_the_budget():
    s = smoke(EXPERIMENT, budget=1000)
    whole, confidences, evaluations = small_tables(s, BOTH, COMPASS)
    #                     quartiles, mean, cells at 90 %, the other's not, evaluations to it
    assert whole.measured[0] == [18, 35, 91, 49, 3, 1, 800, 1000, 1000]
    assert whole.measured[1] == [39, 85, 98, 67, 4, 2, 250, 900, 1000]
    assert "1.1)" in whole.title
    assert confidences.measured[0] == ["95 | 99", "10 | 98", "21 | 21", "90 | 80"]
    assert confidences.bold == [[True, True, False, False], [True, False, False, True]]
    assert evaluations.measured[1] == ["- | 0.8k", "- | -", "- | -", "0.2k | 0.1k"]
    assert evaluations.bold == [[True, True, False, False], [True, False, False, True]]


def test_imagenet_counts_the_classes_that_either_reaches():
    table = imagenet_table(smoke(EXPERIMENT), BOTH, COMPASS, "oak")
    assert table.title.startswith("oak: 10 pixels on grey")
    assert "in 4 of the 7 classes in which either reaches 10 %, and in 4 of all 8" in table.title
    assert table.rows == [*COMPASS, *COMPASS]
    assert table.measured[1] == pytest.approx([10.5, 98.5])
    assert table.bold is not None
    assert table.bold[1:4] == [[False, True], [False, False], [True, False]]


@pytest.mark.parametrize(
    ("fooled", "answer"),
    [(True, "here they are one at 98.0 %"), (False, "nor is one found here: at most 98.0 %")],
)
def test_the_question_of_kumano_et_al_is_answered_as_it_was_found(fooled, answer):
    found = lab.Records.of(confidence=[0.98], fooled=[fooled])
    (said,) = blue_car(found, "oak")
    assert answer in said
    assert said.endswith("for oak.")
    assert not list(blue_car(found.rows([False]), "oak"))


def test_the_question_belongs_to_cifar10_and_five_pixels(linear_model):
    victim = lab.Victim("oak", linear_model, {"untrained": True}, (6, 6, 1), 4)
    small = lab.Records.of(
        method=["DE", "greedy", "greedy"],
        color=["blue", "blue", "red"],
        target=[1, 1, 1],
        confidence=[0.2, 0.7, 0.9],
        fooled=[False, True, True],
    )
    found = {"small": small, "victim": victim, "imagenet_victim": victim}
    for changes, asked in (({}, True), ({"k": 3}, False), ({"dataset": "digits"}, False)):
        notes = list(compare.notes(lab.changed(compare.Settings(), **changes), found))
        assert any("one at 70.0 %" in note for note in notes) == asked


def test_variants_rank_by_cells_at_the_threshold_then_by_the_mean():
    assert score(OURS, 0.9) > score(THEIRS, 0.9)
    assert score(OURS, 0.5)[0] == 5
    assert score(THEIRS, 0.999) < score(OURS, 0.999)
    table = pilot_table(smoke(EXPERIMENT), BOTH, "greedy")
    assert table.title == "Pilot: 8 cells, 200 evaluations each, 20 candidates"
    assert table.measured == [[3, 35, 49, 200], [4, 85, 67, 200]]
    assert table.bold == [[False] * 4, [True] * 4]


def test_all_cells_are_searched_within_the_budgets(done):
    out, section = done
    variant = "DE rand/1, confidence"
    expected = {"pilot": (200, 3, [variant]), "small": (400, 8, [variant, "greedy"])}
    expected["imagenet"] = (96, 2, [variant, "greedy"])
    for name, (budget, count, methods) in expected.items():
        found = lab.Records.read(out / f"{name}.parquet")
        assert list(dict.fromkeys(found["method"])) == methods
        assert len(found) == count * len(methods)
        assert 0 < found["num_queries"].max() <= budget
        assert found["evaluations"].max() == budget
        assert np.isfinite(found["history"][:, -1]).all()
    assert section.tables[4].title.startswith("squeezenet1_1, UNTRAINED: 10 pixels on grey")
    assert any("UNTRAINED" in note for note in section.notes)
    assert any("ends at 97 % confidence, which the tables print as 97." in n for n in section.notes)
    for picture in section.pictures:
        assert Image.open(out / picture.file).size[0] > 300


def test_what_is_there_is_not_searched_again(done):
    out, section = done
    parts = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")}
    assert len(parts) >= 5
    assert run(EXPERIMENT, COMMAND, out, **CHANGES).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/**/*.parquet")} == parts


def test_the_centipede_is_among_the_classes_and_the_others_are_drawn_with_the_seed():
    classes = imagenet_classes(20, 0)
    assert len(set(classes)) == 21
    assert 79 in classes
    assert classes == imagenet_classes(20, 0)
    assert classes != imagenet_classes(20, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": "oak"}, "network: expected one of"),
        ({"imagenet": "lenet"}, "imagenet: expected one of"),
        ({"pilot": 0}, "pilot: expected a number of at least 1, got 0"),
        ({"budget": 40}, "budget: expected a number of at least 48, got 40"),
        ({"pilot_budget": 40}, "pilot_budget: expected a number of at least 48, got 40"),
        ({"imagenet_budget": 47}, "imagenet_budget: expected a number of at least 48, got 47"),
        ({"imagenet_population": 3}, "imagenet_population: expected a number of at least 4"),
        ({"imagenet_k": 1025, "side": 32}, "imagenet_k: expected at most the 1024 pixels"),
        ({"imagenet_classes": 1000}, "imagenet_classes: expected a number from 0 to 999, got 1000"),
        ({"objectives": ("beauty",)}, "objectives: expected one of confidence, log_confidence"),
        ({"mutants": ()}, "mutants: expected one or more different ones, got none"),
        ({"mutants": ("worst",)}, "mutants: expected one of rand, best, got 'worst'"),
        ({"threshold": 1.5}, r"threshold: expected a confidence in \(0, 1\], got 1.5"),
        ({"until": 0.5}, "until: expected at least threshold = 0.9, got 0.5"),
        ({"colors": ("blue",)}, "colors: expected black, grey, white"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
    ],
)
def test_what_cannot_work_is_refused(changes, sentence, out):
    with pytest.raises(ValueError, match=sentence):
        run(EXPERIMENT, COMMAND, out, **changes)
    assert not out.exists()
