"""SFIs of one network shown to others: what counts, how it is printed, and the section."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest

import jfool
import models
from experiments.kumano2020 import transfer
from experiments.kumano2020.transfer_report import (
    PAPER,
    Shown,
    counted,
    ratio,
    tables,
    transferring,
)
from experiments.lab.found import Found, Row
from experiments.lab.judging import probabilities, wilson
from models import Dataset
from tests.experiments.tiny_network import TinyNetwork

SMOKE = transfer.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3
NAMES = ("low", "middle", "high")


@pytest.fixture
def networks(monkeypatch):
    """Two networks of three classes for 6 x 6 grey images, in place of those for digits."""
    networks = {
        name: TinyNetwork(SHAPE, NUM_CLASSES, seed=seed)
        for seed, name in enumerate(("mlp", "cnn_nopool"), start=3)
    }
    for network in networks.values():
        network.eval()
    images, labels = np.zeros((3, *SHAPE), np.uint8), np.arange(3, dtype=np.int32)
    dataset = Dataset("digits", images, labels, images, labels, NAMES)
    card = {"dataset": "digits", "accuracy": 0.5, "num_test_images": 3}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "trained", lambda name, *args, **kwargs: (networks[name], card))
    return networks


def run(out, **changes):
    transfer.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


def softmax(network, images):
    """In double precision, one image at a time."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    rows = []
    for image in images:
        logits = np.maximum(image.reshape(-1).astype(np.float64) @ inner, 0) @ outer
        exponentials = np.exp(logits - logits.max())
        rows.append(exponentials / exponentials.sum())
    return np.array(rows)


def row(label, confidence=0.95):
    return Row(
        0, "black", label, 5, 0, "confidence", confidence, label, True, 0.9, True, True, 8, 1
    )


def test_probabilities_are_those_of_each_image_whatever_the_number(networks):
    images = np.random.default_rng(0).random((103, *SHAPE)).astype(np.float32)
    found = probabilities(networks["mlp"], images)
    np.testing.assert_allclose(found, softmax(networks["mlp"], images), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (67, 500)])
def test_wilson_is_what_scipy_says(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes / trials, trials) == pytest.approx((expected.low, expected.high))


def test_the_papers_figures_stand_beside_five_pixels_alone():
    counts = {"nin": {"nin": 3, "cifar_vgg16": 1}, "cifar_vgg16": {"nin": 2, "cifar_vgg16": 5}}
    five, other = tables(counts, 5), tables(counts, 25)
    assert five[0].paper == [[1170, 338], [202, 1947]]
    assert [table.paper for table in other] == [None, None]
    assert other[0].title.startswith("25-SFIs")


def test_ratios_are_cut_off_as_the_paper_prints_them():
    for source, printed in PAPER.items():
        total, _ = printed[source]
        assert {d: ratio(n, total) for d, (n, _) in printed.items()} == {
            d: text for d, (_, text) in printed.items()
        }
    assert ratio(309, 672) == "0.45"
    assert ratio(29, 100) == "0.29"
    assert ratio(0, 0) is None


def test_only_sfis_that_both_take_for_their_class_count():
    confidence = {
        "a": np.array([0.95, 0.99, 0.9, 0.5]),
        "b": np.array([0.91, 0.9, 0.99, 0.99]),
    }
    found = Found([row(0)] * 4, np.zeros((4, *SHAPE)), np.zeros((4, 5, 3)))
    assert counted({"a": Shown(found, confidence)}, ["a", "b"]) == {"a": {"a": 2, "b": 1}}


def test_of_each_class_the_best_of_those_that_transfer_is_shown():
    confidence = {
        "a": np.array([0.92, 0.95, 0.99, 0.91, 0.99]),
        "b": np.array([0.93, 0.94, 0.5, 0.985, 0.99]),
    }
    found = Found([row(label) for label in (1, 1, 1, 0, 2)], np.zeros((5, *SHAPE)), np.zeros(0))
    shown = transferring("a", Shown(found, confidence), NAMES)
    assert [tile.caption for tile in shown if tile] == [
        "high\n99/99",
        "low\n91/98",
        "middle\n95/94",
    ]


def test_confidence_is_that_of_the_sfis_own_class(networks):
    images = np.random.default_rng(1).random((3, *SHAPE)).astype(np.float32)
    found = Found([row(2), row(0), row(1)], images, np.zeros((3, 5, 3)))
    judged = transfer.judged(found, networks)
    for name, network in networks.items():
        expected = softmax(network, images)[[0, 1, 2], [2, 0, 1]]
        np.testing.assert_allclose(judged[name], expected, rtol=1e-4)


def test_the_tables_count_what_the_searches_left(networks, out):
    section = run(out, until=0.97, generations=20)
    counts, ratios, paper = section["tables"]
    assert counts["rows"] == counts["columns"] == list(networks)
    for i, source in enumerate(networks):
        results = jfool.read_sweep(out / "searches" / source)
        assert len(results) == 2 * NUM_CLASSES
        attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=5)
        images = results.images(attack, jfool.SparseJob)
        labels = results.column("job.label")
        high = {
            name: softmax(network, images)[np.arange(len(labels)), labels] > 0.9
            for name, network in networks.items()
        }
        expected = [int((high[source] & high[name]).sum()) for name in networks]
        assert counts["measured"][i] == expected
        total = expected[i]
        assert total > 0
        assert [float(r) for r in ratios["measured"][i]] == [
            math.floor(100 * n / total) / 100 for n in expected
        ]
    assert paper["paper"][2][0] == "309 (0.45)"
    assert run(out, until=0.97, generations=20)["tables"] == section["tables"]


@pytest.mark.usefixtures("networks")
def test_destinations_are_not_searched(out):
    section = run(out, networks=("mlp",), destinations=("cnn_nopool",))
    assert section["tables"][0]["rows"] == ["mlp"]
    assert section["tables"][0]["columns"] == ["mlp", "cnn_nopool"]
    assert [folder.name for folder in (out / "searches").iterdir()] == ["mlp"]
    assert section["notes"][0] == (
        "mlp classifies 50.0 % of 3 test images, cnn_nopool classifies 50.0 % of 3 test images."
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ("mlp",)}, "networks: expected at least two, got mlp"),
        ({"networks": (), "destinations": ("mlp", "cnn")}, "networks: expected at least two"),
        ({"destinations": ("mlp",)}, "networks: expected different ones, got mlp cnn_nopool mlp"),
        ({"networks": ("mlp", "vgg")}, "networks: expected one of .*, got 'vgg'"),
        ({"k": 0}, "k: expected a number of at least 1, got 0"),
        ({"k": 785}, "k: expected at most the 784 pixels of digits, got 785"),
        ({"population": 3}, "population: expected a number of at least 4, got 3"),
        ({"until": 1.5}, "until: expected a confidence"),
        ({"training_seed": -1}, "training_seed: expected a whole number"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(changes, sentence, out, monkeypatch):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()
