"""Evolved images on a small network: the section, its figures, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from experiments.nguyen2015 import mnist
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import METHODS, Runs
from experiments.nguyen2015.mnist_tables import alone_table, sure_table
from tests.experiments.tiny_network import in_place_of_digits

SMOKE = mnist.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3


@pytest.fixture
def network(monkeypatch):
    """Three classes of 6 x 6 grey images."""
    return in_place_of_digits(monkeypatch, "lenet", SHAPE, NUM_CLASSES)


def test_the_section_tells_what_the_runs_found(network, tmp_path):
    mnist.main(dataclasses.replace(SMOKE, out=tmp_path))
    section = json.loads((tmp_path / "section.json").read_text())
    medians, sure, alone = section["tables"]
    assert medians["columns"] == ["after 5", "after 10", "lowest at the end", "runs"]
    assert medians["rows"] == ["direct", "direct, equal genes turn grey", "CPPN"]
    for row, method in zip(medians["measured"], METHODS, strict=True):
        final = np.array(section["data"]["final"][method])
        assert final.shape == (2, NUM_CLASSES)
        assert row[1] == percent(np.median(final))
        assert row[2] == percent(final.min())
        assert float(row[0]) <= float(row[1])
    assert sure["measured"][0][0].endswith("of 2")
    assert [row[0] for row in alone["measured"]] == [row[1] for row in medians["measured"]]
    assert all(float(row[2]) <= float(row[1]) for row in alone["measured"])
    assert all(row[3] == 1 for row in alone["measured"])
    assert "Smaller than in the paper: 2 of 50 runs." in section["notes"]
    for picture in section["pictures"]:
        with Image.open(tmp_path / picture["file"]) as image:
            assert min(image.size) > 200

    before = (tmp_path / "section.json").read_bytes()
    mnist.main(dataclasses.replace(SMOKE, out=tmp_path))  # nothing is evolved again
    assert (tmp_path / "section.json").read_bytes() == before


def test_classes_by_themselves_are_compared_at_equal_generations_and_at_equal_images():
    """Two runs of three classes: an archive's 9 populations are three for each class."""

    def runs(fitness):
        return Runs(fitness, *[np.zeros(1)] * 5)

    archive = np.linspace(0.1, 0.9, 12)[None, :, None].repeat(3, axis=2)
    by_themselves = np.linspace(0.2, 0.97, 9)[None, :, None].repeat(6, axis=0)
    table = alone_table({"cppn": runs(archive)}, {"cppn": runs(by_themselves)}, 8, 3)
    assert table.columns == [
        "archive, 8 generations",
        "alone, 8 generations: 3 x the images",
        "alone, 2 generations: as many images",
        "runs, alone",
    ]
    values = (archive[0, 8, 0], 0.97, by_themselves[0, 2, 0])
    assert table.measured == [[*map(percent, values), 2]]


def test_when_runs_are_sure_is_counted_from_the_record():
    fitness = np.full((2, 11, 2), 0.5, np.float32)
    fitness[0, 4:, 0] = fitness[0, 6:, 1] = fitness[1, 9:, 0] = 0.99995
    runs = Runs(
        fitness,
        fitness[:, -1],
        np.zeros((2, 2)),
        np.zeros((2, 2, 1, 1, 1)),
        fitness[0] > 1,
        fitness,
    )
    table = sure_table((5, 6, 10), {"direct": runs})
    assert table.measured == [["0 of 2", "1 of 2", "1 of 2", 6.0]]


@pytest.mark.parametrize(
    ("confidence", "text"),
    [(0.99999, "99.99"), (0.9999, "99.99"), (0.99989, "99.98"), (1.0, "100.00")],
)
def test_percentages_are_rounded_down(confidence, text):
    assert percent(confidence) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"methods": ("direct", "indirect")},
            "methods: expected some of direct, direct_grey, cppn",
        ),
        ({"methods": ()}, "methods: expected some of .* got none"),
        ({"marks": (11,)}, "marks: expected generations up to 10"),
        ({"population": 7}, "population: expected an even number, got 7"),
        ({"runs": 0}, "runs: expected a number of at least 1, got 0"),
        ({"alone": -1}, "alone: expected a number of at least 0, got -1"),
        ({"alone_generations": 8}, "alone_generations: expected a number of at least 9, got 8"),
        (
            {"alone_generations": 11},
            "alone_generations: expected at most those of the archives, 10, got 11",
        ),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"network": "resnet"}, "network: expected one of"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_first(change, message):
    with pytest.raises(ValueError, match=message):
        mnist.check(dataclasses.replace(SMOKE, **change))
