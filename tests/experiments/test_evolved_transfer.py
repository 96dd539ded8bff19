"""Evolved images on a network's twin: what counts, how it is shown, and the section."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments.nguyen2015 import methods, transfer
from experiments.nguyen2015.transfer_report import (
    PAPER,
    Shown,
    draw_transferring,
    pooled,
    sure_table,
    table_s1,
)
from models import Dataset
from tests.experiments.tiny_encoding import Blocks
from tests.experiments.tiny_network import TinyNetwork

SMOKE = transfer.PRESETS["smoke"][1]
SHAPE, NAMES = (6, 6, 1), ("low", "middle", "high")
NAN = np.nan

# What each is: sure, higher; sure, tied; a match with too little from the other; another label;
# NaN from one; a match that is lower.
OWN = [[0.995, 0.005, 0], [0, 0.99, 0.01], [0.99, 0.01, 0], [1, 0, 0], [NAN, 0, 0], [0, 0.3, 0.7]]
OTHER = [[0.99, 0, 0.01], [0.01, 0.99, 0], [0.9, 0.1, 0], [0, 1, 0], [1, 0, 0], [0, 0.2, 0.8]]


def shown(own=OWN, other=OTHER):
    images = np.linspace(0, 1, len(own))[:, None, None, None] * np.ones((1, *SHAPE))
    return Shown(images, np.array(own, float), np.array(other, float))


def test_matches_are_of_the_same_label_and_sure_ones_have_99_percent_from_both():
    them = shown()
    assert them.match.tolist() == [True, True, True, False, False, True]
    assert them.sure.tolist() == [True, True, False, False, False, False]
    assert them.higher.tolist() == [True, False, True, False, False, False]
    assert them.tied.tolist() == [False, True, False, False, False, False]
    assert them.rates() == pytest.approx((400 / 6, 200 / 6, 50))
    assert shown(OWN[3:5], OTHER[3:5]).rates() == (0, 0, None)


def test_the_table_is_of_both_directions_and_their_average():
    of_b = shown(OWN[:2], OTHER[:2])
    table = table_s1("them", shown(), of_b, beside_paper=True)
    assert table.columns[0] == "A on B's images"
    assert table.measured == [
        ["100.0", "66.7", "83.3"],
        ["100.0", "33.3", "66.7"],
        ["50.0", "50.0", "50.0"],
    ]
    assert table.paper[0] == ["43.3", "48.7", "46.0"]
    none = table_s1("them", shown(OWN[3:5], OTHER[3:5]), of_b, beside_paper=False)
    assert none.measured[2] == ["50.0", None, None]
    assert none.paper is None


def test_the_papers_averages_are_those_of_its_directions():
    for first, second, average in PAPER:
        assert average == pytest.approx((first + second) / 2, abs=0.0501)


def test_images_of_several_kinds_are_counted_together():
    both = pooled([shown(), shown(OWN[:2], OTHER[:2])])
    assert both.match.sum() == 6
    assert len(both.images) == 8
    table = sure_table({"a": (shown(), shown(OWN[:1], OTHER[:1]))}, NAMES)
    assert table.measured == [[2, 1, 0]]


def test_the_gallery_has_a_column_for_each_class_with_sure_images(tmp_path):
    picture = draw_transferring(tmp_path / "g.png", shown(), shown(OWN[:1], OTHER[:1]), NAMES)
    assert picture.file == "g.png"
    with Image.open(tmp_path / "g.png") as image:
        two_by_two = image.size
    draw_transferring(tmp_path / "h.png", shown(), shown(OWN[3:], OTHER[3:]), NAMES)
    with Image.open(tmp_path / "h.png") as image:
        assert image.size[0] == two_by_two[0]
        assert image.size[1] < two_by_two[1]
    none = shown(OWN[3:], OTHER[3:])
    assert draw_transferring(tmp_path / "n.png", none, none, NAMES) is None


@pytest.fixture
def twins(monkeypatch):
    """Two networks of three classes for 6 x 6 grey images."""
    networks = {seed: TinyNetwork(SHAPE, 3, seed=seed) for seed in (0, 1)}
    for network in networks.values():
        network.eval()
    images, labels = np.zeros((3, *SHAPE), np.uint8), np.arange(3, dtype=np.int32)
    dataset = Dataset("digits", images, labels, images, labels, NAMES)
    monkeypatch.setattr(methods, "METHODS", {"direct": Blocks, "cppn": Blocks})
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(
        models,
        "trained",
        lambda name, dataset, seed, *_: (networks[seed], {"accuracy": 0.5 + 0.25 * seed}),
    )
    return networks


def softmax(network, images):
    """In double precision."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    logits = np.maximum(images.reshape(len(images), -1).astype(np.float64) @ inner, 0) @ outer
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def test_the_section_counts_what_the_runs_left(twins, tmp_path):
    config = dataclasses.replace(SMOKE, out=tmp_path, generations=40)
    transfer.main(config)
    section = json.loads((tmp_path / "section.json").read_text())
    direct, cppn, everything, sure = section["tables"]
    assert [table["paper"] for table in (direct, cppn, everything)] == [None] * 3  # of MNIST
    # Here both methods are the same, and so are their draws.
    assert direct["measured"] == cppn["measured"] == everything["measured"]
    attack = jfool.EvolvedFooling(Blocks(SHAPE), 3)
    of, num_sure = {}, 0
    for column, name, own, other in ((1, "A", 0, 1), (0, "B", 1, 0)):
        results = jfool.read_sweep(tmp_path / "runs" / f"{name}_direct")
        of[name] = set(results.column("job_id"))
        images = results.images(attack, jfool.EvolutionJob).reshape(-1, *SHAPE)
        assert len(images) == 6
        p, q = softmax(twins[own], images), softmax(twins[other], images)
        match = p.argmax(1) == q.argmax(1)
        both = match & (p.max(1) >= 0.99) & (q.max(1) >= 0.99)
        higher = (p.max(1) > q.max(1))[match]
        for row, expected in enumerate((match, both, higher)):
            assert direct["measured"][row][column] == f"{100 * expected.mean():.1f}"
        num_sure += int(both.sum())
    assert [sum(row) for row in sure["measured"]] == [num_sure, num_sure, 2 * num_sure]
    assert num_sure > 0
    assert of == {"A": {0, 1}, "B": {2, 3}}  # no draws in common
    assert "A 50.00 %, B 75.00 %" in section["notes"][0]
    assert any("Smaller than in the paper: 2 of 30 runs" in note for note in section["notes"])
    transfer.main(config)
    assert json.loads((tmp_path / "section.json").read_text()) == section


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training_seeds": (3, 3)}, "training_seeds: expected two different ones, got 3 and 3"),
        ({"training_seeds": (0, -1)}, "training_seeds: expected a whole number"),
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ({"methods": ("cppn", "cppn")}, "methods: expected some of .*, each once"),
        ({"population": 5}, "population: expected an even number, got 5"),
        ({"generations": 0}, "generations: expected a number of at least 1, got 0"),
        ({"lanes": 0}, "lanes: expected a number of at least 1, got 0"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    changes, sentence, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        transfer.main(dataclasses.replace(SMOKE, out=tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()
