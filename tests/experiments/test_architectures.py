"""Tables 14 and 15: the highest of several searches, against the confidence of natural images."""

import dataclasses
import math

import numpy as np
import pytest

import jfool
from experiments.kumano2020 import architectures, published
from experiments.kumano2020.architecture_tables import bold, count, most_vulnerable, notes, tables
from experiments.kumano2020.architectures import PRESETS, Config
from experiments.lab.fooled_network import OUTCOME, Outcome, natural_confidences, read_outcomes
from experiments.lab.section import read_section

SMOKE = dataclasses.replace(PRESETS["smoke"][1], k=2, generations=3)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("JFOOL_CACHE", str(tmp_path / "cache"))


def run(out, **changes):
    architectures.main(dataclasses.replace(SMOKE, out=out, **changes))
    return read_section(out)[0]


def outcome(name="mlp", natural=0.985, best=((0.99, 0.98, 0.97),), **settings):
    return Outcome(
        name=name,
        dataset="mnist",
        command="python",
        settings=dataclasses.asdict(dataclasses.replace(Config(), **settings)),
        card={"accuracy": 0.98, "num_test_images": 50, "weights": "w.safetensors"},
        natural_confidence=natural,
        true_confidence=0.97,
        bases=["black"],
        best=best,
        predicted=[[True, False, True]],
        logits=[[0.5, 0.25, 0.125]],
    )


@pytest.mark.usefixtures("tiny")
def test_a_cell_is_the_highest_of_its_searches_and_logits_are_of_that_image(out, linear_model):
    section = run(out, networks=("mlp",))
    results = jfool.read_sweep(out / "mlp" / "sweep")
    assert len(results) == 3 * 4 * 2
    held = read_outcomes(out, "digits")["mlp"]
    weights = np.asarray(linear_model.variables, np.float64)
    encoding = jfool.SparseFooling((6, 6, 1), 4, max_k=2)
    images = results.images(encoding, jfool.SparseJob)
    for i, base in enumerate((0.0, 0.5, 1.0)):
        for label in range(4):
            rows = (results.column("job.base")[:, 0] == base) & (
                results.column("job.label") == label
            )
            (first, second) = np.flatnonzero(rows)
            confidence = results.column("confidence")
            best = first if confidence[first] >= confidence[second] else second
            assert held.best[i][label] == confidence[best]
            assert section.tables[0].measured[i][label] == math.floor(100 * confidence[best])
            logits = (images[best].reshape(-1).astype(float) - 0.5) @ weights
            np.testing.assert_allclose(held.logits[i][label], logits[label], rtol=1e-5, atol=1e-5)
            assert held.predicted[i][label] == (logits.argmax() == label)


@pytest.mark.usefixtures("tiny")
def test_networks_run_one_by_one_are_shown_together_in_the_papers_order(out):
    alone = run(out, networks=("cnn",))
    assert alone.tables[1].rows == ["cnn"]
    both = run(out, networks=("mlp",), repeats=1)
    assert both.tables[1].rows == ["mlp", "cnn"]
    assert both.tables[0].measured[3:] == alone.tables[0].measured
    assert both.settings["cnn"]["repeats"] == 2
    assert both.command.splitlines() == [
        "python -m experiments architectures smoke --networks mlp --k 2 --generations 3 "
        "--repeats 1",
        "python -m experiments architectures smoke --networks cnn --k 2 --generations 3",
    ]
    assert [picture.file for picture in both.pictures] == ["mlp.png", "cnn.png"]
    assert any("not the same for all networks" in note for note in both.notes)


def test_natural_confidence_is_the_mean_of_the_predicted_class(linear_model):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (700, 6, 6, 1), dtype=np.uint8)  # more than are shown at once
    labels = rng.integers(0, 4, 700).astype(np.int32)
    data = architectures.models.Dataset("digits", images, labels, images, labels, tuple("abcd"))
    logits = (images.reshape(700, -1) / 255 - 0.5) @ np.asarray(linear_model.variables, float)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    predicted, true = natural_confidences(linear_model, data)
    assert predicted == pytest.approx(shares.max(1).mean(), rel=1e-5)
    assert true == pytest.approx(shares[np.arange(700), labels].mean(), rel=1e-5)


def test_a_cell_is_bold_from_the_natural_confidence_on_in_whole_percent():
    assert bold(outcome(natural=0.985, best=((0.99, 0.9801, 0.9799),))) == [[True, True, False]]


def test_the_papers_most_vulnerable_network_is_the_one_with_max_pooling():
    for dataset, best in (("mnist", 28), ("fashion_mnist", 30)):
        counts = {name: count(row) for name, row in published.ARCHITECTURES[dataset].items()}
        assert most_vulnerable(counts) == ["cnn"]
        assert counts["cnn"] == best


def test_ties_are_all_most_vulnerable():
    assert most_vulnerable({"a": 3, "b": 3, "c": 1}) == ["a", "b"]
    assert most_vulnerable({}) == []
    outcomes = {name: outcome(name, best=((0.99, 0.985, 0.5),)) for name in ("mlp", "cnn")}
    _, summary = tables("other", ["a", "b", "c"], outcomes)
    assert [row[2:4] for row in summary.measured] == [["2 of 3", "as others"]] * 2
    _, summary = tables("other", ["a", "b", "c"], outcomes | {"mlp": outcome(natural=0.995)})
    assert [row[2:4] for row in summary.measured] == [["1 of 3", "no"], ["2 of 3", "yes"]]


def test_the_papers_cells_stand_beside_those_of_their_base():
    best = ((0.5,) * 10,)
    made = tables("mnist", [str(i) for i in range(10)], {"mlp": outcome(best=best)})
    assert made[0].paper == [[69, 100, 55, 13, 91, 100, 99, 99, 50, 97]]
    assert made[1].paper[0][:4] == [98, 99, "12 of 30", "yes"]
    assert made[1].measured[0][:4] == [98.0, 98.5, "0 of 10", "no"]  # none is fooled at all


def test_the_paper_has_nothing_to_set_beside_another_k():
    best = ((0.5,) * 10,)
    made = tables("mnist", [str(i) for i in range(10)], {"mlp": outcome(best=best, k=25)})
    assert [table.paper for table in made] == [None, None]
    assert "table" not in made[0].title


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("changes", [{"k": 3}, {"colors": ("black",)}])
def test_networks_that_were_asked_for_other_images_are_not_compared(out, changes):
    run(out, networks=("mlp",))
    with pytest.raises(ValueError, match=r"out: expected outcomes with k = .* got one of mlp with"):
        run(out, networks=("cnn",), **changes)
    assert not (out / "cnn").exists()


def test_capsnet_tells_the_lengths_of_its_capsules():
    made = tables("other", ["a", "b", "c"], {"capsnet": outcome("capsnet", natural=0.198)})
    assert made[-1].measured == [[0.5, 0.25, 0.125]]
    assert made[-1].bold == [[True, False, True]]
    assert made[0].paper is None
    told = " ".join(notes("mnist", {"capsnet": outcome("capsnet")}, Config()))
    assert "23.2 %" in told
    assert "Not attacked yet: mlp, cnn, cnn_nopool." in told


def test_other_budgets_are_declared():
    both = {"mlp": outcome(), "cnn": outcome("cnn", generations=100)}
    told = " ".join(notes("mnist", both, Config()))
    assert "NOT attacked with the same number of evaluations" in told
    assert "cnn: smaller than in the paper: 100 of 1000 generations." in told
    assert "NOT attacked" not in " ".join(notes("mnist", {"mlp": outcome()}, Config()))
    assert "mlp classifies 98.0 % of 50 test images: weights of w.safetensors." in told


def test_reduced_has_twenty_thousand_evaluations():
    reduced, paper = PRESETS["reduced"][1], PRESETS["paper"][1]
    assert reduced.population * (reduced.generations + 1) >= 20_000
    assert (paper.population, paper.generations, paper.repeats, paper.k) == (500, 1000, 10, 5)


@pytest.mark.usefixtures("tiny")
def test_damaged_outcomes_and_those_of_other_data_are_refused(out):
    (out / "cnn").mkdir(parents=True)
    (out / "cnn" / OUTCOME).write_text("{")
    with pytest.raises(ValueError, match=r"outcome.json: expected an outcome, got JSONDecodeError"):
        run(out, networks=("mlp",))
    outcome("cnn").write(out / "cnn")
    with pytest.raises(ValueError, match="out: expected outcomes on digits, got mnist"):
        run(out, networks=("mlp",))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ()}, "networks: expected at least one"),
        ({"networks": ("mlp", "mlp")}, "networks: expected different ones"),
        (
            {"training_seeds": (0, 1, 2)},
            "training_seeds: expected one, or 2 for the networks, got 3",
        ),
        ({"training_seeds": ()}, "training_seeds: expected one, or 2"),
        ({"training_seeds": (-1,)}, "training_seeds: expected a whole number"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"colors": ("blue",)}, "colors: expected black, grey, white"),
    ],
)
def test_settings_that_cannot_work_are_named(out, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()
