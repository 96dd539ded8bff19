"""Evolved images on a small network: the section, its tables, and what is refused."""

import numpy as np
import pytest
from PIL import Image

import jfool
from experiments import lab
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import METHODS, Archives, every_class, evolve
from experiments.nguyen2015.mnist import EXPERIMENT, alone_table, medians_table, sure_table
from tests.experiments.helpers import run, smoke
from tests.experiments.tiny_network import in_place_of_digits

COMMAND = "nguyen2015 mnist"
SHAPE, NUM_CLASSES = (6, 6, 1), 3


@pytest.fixture(scope="module")
def network(module_patch):
    """Three classes of 6 x 6 grey images."""
    return in_place_of_digits(module_patch, "lenet", SHAPE, NUM_CLASSES)


@pytest.fixture(scope="module")
def evolved(network, tmp_path_factory):
    """The folder and the section of the smoke preset, for two methods."""
    out = tmp_path_factory.mktemp("mnist") / "run"
    return out, run(EXPERIMENT, COMMAND, out, methods=("direct", "cppn"))


def test_the_section_tells_what_the_runs_found(evolved):
    out, section = evolved
    medians, sure, alone = section.tables
    assert medians.columns == ["after 5", "after 10", "lowest at the end", "runs"]
    assert medians.rows == ["direct", "CPPN"]
    champions = lab.Records.read(out / "champions.parquet")
    for row, (method, of) in zip(medians.measured, champions.groups("method"), strict=True):
        assert len(of) == 2 * NUM_CLASSES
        results = jfool.read_sweep(out / method)
        np.testing.assert_array_equal(of["confidence"], results.column("confidence").ravel())
        assert row[1] == percent(np.median(of["confidence"]))
        assert row[2] == percent(of["confidence"].min())
        assert float(row[0]) <= float(row[1])
    assert sure.measured[0][0].endswith("of 2")
    assert [row[0] for row in alone.measured] == [row[1] for row in medians.measured]
    assert all(float(row[2]) <= float(row[1]) for row in alone.measured)
    assert all(row[3] == 1 for row in alone.measured)
    assert any("runs 2 (50)" in note for note in section.notes)
    for picture in section.pictures:
        with Image.open(out / picture.file) as image:
            assert min(image.size) > 200


def test_nothing_is_evolved_again(evolved):
    out, _ = evolved
    before = (out / "section.json").read_bytes()
    parts = sorted(out.rglob("parts/*"))
    run(EXPERIMENT, COMMAND, out, methods=("direct", "cppn"))
    assert (out / "section.json").read_bytes() == before
    assert sorted(out.rglob("parts/*")) == parts


def test_champions_are_the_networks_own_and_runs_end_at_the_start_where_asked(network, tmp_path):
    encoding, search = METHODS["direct"](SHAPE), smoke(EXPERIMENT).search
    targets = every_class(NUM_CLASSES, 2)
    there = lab.Run(tmp_path)
    whole, first, beside = (
        evolve(there, name, encoding, network, targets, search, **options)
        for name, options in (("whole", {}), ("first", {"num_steps": 0}), ("2", {"first_run": 1}))
    )
    champions = whole.champions
    images = champions["image"].reshape(2, NUM_CLASSES, *SHAPE)
    np.testing.assert_array_equal(whole.images(1, [0, 2]), images[1, [0, 2]])
    logits = np.asarray(network(champions["image"]))
    np.testing.assert_array_equal(champions["prediction"], logits.argmax(1))
    np.testing.assert_array_equal(champions["fooled"], logits.argmax(1) == [0, 1, 2] * 2)
    np.testing.assert_array_equal(first.fitness[:, 0], whole.fitness[:, 0])
    np.testing.assert_array_equal(first.num_queries, search.population)
    np.testing.assert_array_equal(beside.fitness[0], whole.fitness[1])
    assert (first.population, whole.population) == (search.population,) * 2


def archives(fitness):
    """Numbers alone."""
    fitness = np.asarray(fitness)
    targets = every_class(fitness.shape[2], len(fitness))
    return Archives(targets, fitness, fitness[:, -1], targets, None)


def test_classes_by_themselves_are_compared_at_equal_generations_and_at_equal_images():
    """Two runs of three classes: an archive's 9 populations are three for each class."""
    archive = np.linspace(0.1, 0.9, 12)[None, :, None].repeat(3, axis=2)
    by_themselves = np.linspace(0.2, 0.97, 9)[None, :, None].repeat(6, axis=0)
    table = alone_table({"cppn": archives(archive)}, {"cppn": archives(by_themselves)}, 8)
    assert table.columns == [
        "archive, 8 generations",
        "alone, 8 generations: 3 x the images",
        "alone, 2 generations: as many images",
        "runs, alone",
    ]
    values = (archive[0, 8, 0], 0.97, by_themselves[0, 2, 0])
    assert table.measured == [[*map(percent, values), 2]]


def test_when_runs_are_sure_is_counted_from_the_record():
    fitness = np.full((2, 201, 2), 0.5, np.float32)
    fitness[0, 4:, 0] = fitness[0, 6:, 1] = fitness[1, 9:, 0] = 0.99995
    table = sure_table((5, 6, 200), {"direct": archives(fitness)})
    assert table.measured == [["0 of 2", "1 of 2", "1 of 2", 6.0]]
    assert table.paper == [[None, None, "50 of 50", None]]
    table = medians_table((6, 200), {"cppn": archives(fitness)})
    assert table.measured == [["74.99", "99.99", "50.00", 2]]
    assert table.paper == [[None, "99.99", None, 50]]


@pytest.mark.parametrize(
    ("confidence", "text"),
    [(0.99999, "99.99"), (0.9999, "99.99"), (0.99989, "99.98"), (1.0, "100.00")],
)
def test_percentages_are_rounded_down(confidence, text):
    assert percent(confidence) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("direct", "indirect")}, "methods: expected one of direct, direct_grey, cppn"),
        ({"methods": ()}, "methods: expected one or more different ones, got none"),
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
def test_settings_that_cannot_work_are_refused_first(change, message, out):
    with pytest.raises(ValueError, match=message):
        run(EXPERIMENT, COMMAND, out, **change)
    assert not out.exists()
