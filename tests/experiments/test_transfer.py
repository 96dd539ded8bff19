"""SFIs of one network shown to others: what counts, how it is printed, and the section."""

import math

import numpy as np
import pytest

import jfool
import models
from experiments import lab
from experiments.kumano2020 import transfer
from experiments.kumano2020.transfer import EXPERIMENT, PAPER, compared, counted, ratio
from experiments.lab.predict import probabilities
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES = (6, 6, 1), 3
NAMES = ("low", "middle", "high")
CHANGES = {"until": 0.97, "generations": 20}


@pytest.fixture(scope="module")
def networks():
    """Two networks of three classes for 6 x 6 gray images, in place of those for digits."""
    networks = {
        name: TinyNetwork(SHAPE, NUM_CLASSES, seed=seed)
        for seed, name in enumerate(("mlp", "cnn_nopool"), start=3)
    }
    for network in networks.values():
        network.eval()
    images, labels = np.zeros((3, *SHAPE), np.uint8), np.arange(3, dtype=np.int32)
    dataset = models.Dataset("digits", images, labels, images, labels, NAMES)
    card = {"dataset": "digits", "accuracy": 0.5, "num_test_images": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load_dataset", lambda name: dataset)
        patch.setattr(models, "trained", lambda name, *args, **kwargs: (networks[name], card))
        yield networks


@pytest.fixture(scope="module")
def ran(networks, tmp_path_factory):
    """The section of a run, and its folder."""
    out = tmp_path_factory.mktemp("transfer")
    return run(out, **CHANGES), out


def run(out, **changes):
    settings = lab.changed(EXPERIMENT.preset("smoke"), **changes)
    return EXPERIMENT.run("kumano2020 transfer", "smoke", settings, out)


def softmax(network, images):
    """In double precision, one image at a time."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    rows = []
    for image in images:
        logits = np.maximum(image.reshape(-1).astype(np.float64) @ inner, 0) @ outer
        exponentials = np.exp(logits - logits.max())
        rows.append(exponentials / exponentials.sum())
    return np.array(rows)


def test_probabilities_are_those_of_each_image_whatever_the_number(networks):
    images = np.random.default_rng(0).random((103, *SHAPE)).astype(np.float32)
    found = probabilities(networks["mlp"], images)
    np.testing.assert_allclose(found, softmax(networks["mlp"], images), rtol=1e-4, atol=1e-6)


def test_the_papers_figures_stand_beside_five_pixels_alone():
    counts = {"nin": {"nin": 3, "cifar_vgg16": 1}, "cifar_vgg16": {"nin": 2, "cifar_vgg16": 5}}
    five, other = compared(counts, 5), compared(counts, 25)
    assert five[0].paper == [[1170, 338], [202, 1947]]
    assert [table.paper for table in other] == [None, None]
    assert other[0].title.startswith("25-SFIs")


def test_ratios_are_cut_off_as_the_paper_prints_them():
    for source, counts in PAPER["counts"].items():
        printed = {name: ratio(n, counts[source]) for name, n in counts.items()}
        assert printed == PAPER["ratios"][source]
    assert ratio(309, 672) == "0.45"
    assert ratio(29, 100) == "0.29"
    assert ratio(0, 0) is None


def test_only_sfis_that_both_take_for_their_class_count():
    seen = [[0.95, 0.91], [0.99, 0.9], [0.9, 0.99], [0.5, 0.99]]
    assert counted(lab.Records.of(source="a", seen=seen), ["a", "b"]) == {"a": {"a": 2, "b": 1}}


def test_of_each_class_the_best_of_those_that_transfer_is_shown():
    found = lab.Records.of(
        seen=[[0.92, 0.93], [0.95, 0.94], [0.99, 0.5], [0.91, 0.985], [0.99, 0.99]],
        target=[1, 1, 1, 0, 2],
        color="black",
        image=np.zeros((5, *SHAPE)),
    )
    captions = [tile.caption for tile in transfer.transferring(found, 0, NAMES)]
    assert captions == ["high\n99/99", "low\n91/98", "middle\n95/94"]


def test_confidence_is_that_of_the_sfis_own_class(networks):
    images = np.random.default_rng(1).random((3, *SHAPE)).astype(np.float32)
    victims = [lab.Victim(name, n, {}, SHAPE, NUM_CLASSES) for name, n in networks.items()]
    seen = transfer.confidences(victims, lab.Records.of(target=[2, 0, 1], image=images))
    for of_network, network in zip(seen.T, networks.values(), strict=True):
        expected = softmax(network, images)[[0, 1, 2], [2, 0, 1]]
        np.testing.assert_allclose(of_network, expected, rtol=1e-4)


def test_the_tables_count_what_the_searches_left(networks, ran):
    section, out = ran
    counts, ratios, paper = section.tables
    assert list(counts.rows) == list(counts.columns) == list(networks)
    for i, source in enumerate(networks):
        results = jfool.read_sweep(out / "searches" / source)
        assert len(results) == 2 * NUM_CLASSES
        attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=5)
        images = results.images(attack, jfool.SparseJob)
        targets = results.column("job.target")
        high = {
            name: softmax(network, images)[np.arange(len(targets)), targets] > 0.9
            for name, network in networks.items()
        }
        expected = [int((high[source] & high[name]).sum()) for name in networks]
        assert counts.measured[i] == expected
        total = expected[i]
        assert total > 0
        assert [float(r) for r in ratios.measured[i]] == [
            math.floor(100 * n / total) / 100 for n in expected
        ]
    assert paper.paper[2][0] == "309 (0.45)"
    assert section.notes[0] == (
        "mlp classifies 50.0 % of 3 test images, cnn_nopool classifies 50.0 % of 3 test images."
    )


def test_a_second_start_searches_nothing_and_says_the_same(ran):
    section, out = ran
    written = {path: path.stat().st_mtime_ns for path in (out / "searches").rglob("*.parquet")}
    assert run(out, **CHANGES).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.usefixtures("networks")
def test_destinations_are_not_searched(out):
    changes = {"networks": ("mlp",), "destinations": ("cnn_nopool",)}
    counts = run(out, **changes, **CHANGES).tables[0]
    assert list(counts.rows) == ["mlp"]
    assert list(counts.columns) == ["mlp", "cnn_nopool"]
    assert [folder.name for folder in (out / "searches").iterdir()] == ["mlp"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ("mlp",)}, "networks: expected at least two, got mlp"),
        ({"networks": (), "destinations": ("mlp", "cnn")}, "networks: expected at least one"),
        (
            {"destinations": ("mlp",)},
            "destinations: expected other networks, got mlp cnn_nopool mlp",
        ),
        ({"networks": ("mlp", "vgg")}, "networks: expected one of .*, got 'vgg'"),
        ({"destinations": ("vgg",)}, "destinations: expected one of .*, got 'vgg'"),
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
