"""Tables 14 and 15: the highest of several searches, against the confidence of natural images."""

import math

import numpy as np
import pytest

import jfool
import models
from experiments import lab
from experiments.kumano2020.architectures import (
    EXPERIMENT,
    NETWORKS,
    PAPER,
    Settings,
    count,
    most_vulnerable,
    natural_confidence,
    notes,
    paper_cells,
    reaches,
    tables,
)
from experiments.lab.predict import as_floats
from tests.experiments.helpers import run

COMMAND = "kumano2020 architectures"
SMALL = {"k": 2, "generations": 3}
DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def done(tiny_module, tmp_path_factory):
    """The CNN alone, then both networks in the same folder, with one search a cell of the MLP."""
    out = tmp_path_factory.mktemp("architectures")
    alone = run(EXPERIMENT, COMMAND, out, networks=("cnn",), **SMALL)
    parts = {path: path.stat().st_mtime_ns for path in out.rglob("cnn/sweep/*.parquet")}
    both = run(EXPERIMENT, COMMAND, out, repeats=(1, 2), **SMALL)
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    return out, alone, both


def found(name="mlp", natural=0.985, best=((0.99, 0.98, 0.97),), **columns):
    """What a run finds: one network, three classes, or as many as there are confidences."""
    colors = ("black", "grey", "white")[: len(best)]
    count = len(best[0])
    cells = lab.Records.of(
        network=[name] * (len(best) * count),
        color=np.repeat(colors, count),
        confidence=np.ravel(best),
        fooled=np.arange(len(best) * count) % 2 == 0,
        logit=1 / 2 ** np.arange(1.0, 1 + len(best) * count),
    )
    network = {"accuracy": 0.98, "natural": natural, "repeats": 10, "origin": "", **columns}
    return {"cells": cells, "networks": lab.Records.of(network=[name], **network)}


def joined(*parts):
    return {name: lab.Records.joined([part[name] for part in parts]) for name in parts[0]}


def tables_of(what, monkeypatch, names="abc", **settings):
    monkeypatch.setattr(models, "class_names", lambda name: tuple(names))
    return list(tables(lab.changed(Settings(), **settings), what))


def test_a_cell_is_the_highest_of_its_searches_and_logits_are_of_that_image(done, linear_model):
    out, alone, _ = done
    results = jfool.read_sweep(out / "cnn" / "sweep")
    assert len(results) == 3 * 4 * 2
    held = lab.Records.read(out / "cells.parquet").where(network="cnn")
    weights = np.asarray(linear_model.variables, np.float64)
    images = results.images(jfool.SparseFooling((6, 6, 1), 4, max_k=2), jfool.SparseJob)
    base, target = results.column("job.base")[:, 0], results.column("job.target")
    confidence = results.column("confidence")
    for i, (color, of) in enumerate(held.groups("color")):
        for label in range(4):
            (first, second) = np.flatnonzero((base == (0.0, 0.5, 1.0)[i]) & (target == label))
            best = first if confidence[first] >= confidence[second] else second
            (cell,) = of.where(target=label).table.to_pylist()
            assert color == ("black", "grey", "white")[i]
            assert cell["confidence"] == confidence[best]
            assert alone.tables[0].measured[i][label] == math.floor(100 * confidence[best])
            logits = (images[best].reshape(-1).astype(float) - 0.5) @ weights
            np.testing.assert_allclose(cell["logit"], logits[label], rtol=1e-5, atol=1e-5)
            assert cell["fooled"] == (logits.argmax() == label)


def test_networks_attacked_one_by_one_are_shown_together(done):
    _, alone, both = done
    assert alone.tables[1].rows == ["cnn"]
    assert both.tables[1].rows == ["mlp", "cnn"]
    assert both.tables[0].rows[:4] == ["mlp, black", "mlp, grey", "mlp, white", "cnn, black"]
    assert both.tables[0].measured[3:] == alone.tables[0].measured
    assert [row[-2:] for row in both.tables[1].measured] == [[8 * 4, 1], [8 * 4, 2]]
    assert [picture.file for picture in both.pictures] == ["mlp.png", "cnn.png"]
    assert any("not the same for all networks" in note for note in both.notes)
    assert not any("not the same for all networks" in note for note in alone.notes)
    origin = "cnn classifies 75.0 % of 4 test images: weights of made_up.safetensors."
    assert origin in alone.notes
    assert both.name == "kumano2020/architectures_digits"


def test_natural_confidence_is_the_mean_of_the_predicted_class(linear_model):
    images = np.random.default_rng(0).integers(0, 256, (700, 6, 6, 1), dtype=np.uint8)
    labels = np.zeros(700, np.int32)
    data = models.Dataset("digits", images, labels, images, labels, tuple("abcd"))
    logits = (as_floats(images).reshape(700, -1) - 0.5) @ np.asarray(linear_model.variables, float)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert natural_confidence(linear_model, data) == pytest.approx(shares.max(1).mean(), rel=1e-5)


def test_a_cell_reaches_the_natural_confidence_in_whole_percent():
    shown = reaches(np.array([0.99, 0.9801, 0.9799, np.nan]), 0.985)
    assert shown.tolist() == [True, True, False, False]


def test_the_papers_most_vulnerable_network_is_the_one_with_max_pooling():
    for dataset, best in (("mnist", 28), ("fashion_mnist", 30)):
        assert list(PAPER[dataset]) == list(NETWORKS)
        counts = {name: count(paper)[0] for name, paper in PAPER[dataset].items()}
        assert most_vulnerable(counts) == ["cnn"]
        assert counts["cnn"] == best


def test_ties_are_all_most_vulnerable(monkeypatch):
    assert most_vulnerable({"a": 3, "b": 3, "c": 1}) == ["a", "b"]
    assert most_vulnerable({}) == []
    best = ((0.99, 0.985, 0.5),)
    mlp, cnn, surer = found(best=best), found("cnn", best=best), found(natural=0.995, best=best)
    _, shown = tables_of(joined(mlp, cnn), monkeypatch, dataset="digits")
    assert [row[2:4] for row in shown.measured] == [["2 of 3", "as others"]] * 2
    _, shown = tables_of(joined(surer, cnn), monkeypatch, dataset="digits")
    assert [row[2:4] for row in shown.measured] == [["1 of 3", "no"], ["2 of 3", "yes"]]


def test_the_papers_cells_stand_beside_those_of_their_color(monkeypatch):
    shown = tables_of(found(best=((0.5,) * 10,)), monkeypatch, DIGITS)
    assert shown[0].title.endswith("as in table 14")
    assert shown[0].paper == [[69, 100, 55, 13, 91, 100, 99, 99, 50, 97]]
    assert shown[1].paper == [[98, 99, "12 of 30", "yes", None, 500 * 1001, 10]]
    assert shown[1].measured[0][:4] == [98.0, 98.5, "0 of 10", "no"]  # none is fooled at all
    lost = {"best": "? 1 2\n3 4 5"}
    assert paper_cells(lost, "black", 2) == [None, 3]
    assert paper_cells(lost, "white", 2) == [2, 5]
    assert paper_cells(lost, "0.25", 2) == paper_cells(None, "black", 2) == [None, None]


def test_the_paper_has_nothing_to_set_beside_another_k(monkeypatch):
    shown = tables_of(found(best=((0.5,) * 10,)), monkeypatch, DIGITS, k=25)
    assert [table.paper for table in shown] == [None, None]
    assert "table" not in shown[0].title
    assert EXPERIMENT.source(Settings(k=25)) == "Kumano et al. (2020), as tables 14 and 15"
    assert EXPERIMENT.source(Settings()) == "Kumano et al. (2020), table 14"


def test_capsnet_tells_the_lengths_of_its_capsules(monkeypatch):
    capsnet = found("capsnet", natural=0.198)
    shown = tables_of(capsnet, monkeypatch, dataset="digits")
    assert shown[-1].measured == [[0.5, 0.25, 0.125]]
    assert shown[-1].bold == [[True, False, True]]
    assert shown[0].paper is None
    told = " ".join(notes(Settings(networks=("capsnet",)), capsnet))
    assert "23.2 %" in told
    assert "Not attacked: mlp, cnn, cnn_nopool." in told


def test_early_ends_are_declared():
    told = [" ".join(notes(lab.changed(Settings(), until=u), found())) for u in (None, 0.995)]
    assert ["ends at 99.5 % confidence" in text for text in told] == [False, True]


def test_reduced_has_twenty_thousand_evaluations():
    reduced, paper = EXPERIMENT.preset("reduced"), EXPERIMENT.settings
    assert reduced.search.num_queries >= 20_000
    assert (paper.search.population, paper.search.generations) == (500, 1000)
    assert (paper.repeats, paper.k) == ((10,), 5)


def test_a_folder_with_other_searches_is_refused(done):
    out, _, _ = done
    with pytest.raises(
        ValueError, match=r"^out: expected a new folder or one with k 3, got .* with k 2 "
    ):
        run(EXPERIMENT, COMMAND, out, networks=("cnn",), **{**SMALL, "k": 3})


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
        ({"repeats": (1, 1, 1)}, "repeats: expected one, or 2 for the networks, got 3"),
        ({"repeats": (0,)}, "repeats: expected a number of at least 1, got 0"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"colors": ("blue",)}, "colors: expected black, grey, white"),
    ],
)
def test_settings_that_cannot_work_are_named(out, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(EXPERIMENT, COMMAND, out, **changes)
    assert not out.exists()
