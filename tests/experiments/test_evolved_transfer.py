"""Evolved images on a network's twin: what counts, how it is shown, and the section."""

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.nguyen2015.transfer import EXPERIMENT, PAPER, compared, draw_sure, rates, table_s1
from models import Dataset
from tests.experiments.helpers import run
from tests.experiments.tiny_encoding import Blocks
from tests.experiments.tiny_network import TinyNetwork

COMMAND = "nguyen2015 transfer"
SHAPE, NAMES = (6, 6, 1), ("low", "middle", "high")
NAN = np.nan

# What each is: sure, higher; sure, tied; a match with too little from the other; another label;
# NaN from one; a match that is lower.
OWN = [[0.995, 0.005, 0], [0, 0.99, 0.01], [0.99, 0.01, 0], [1, 0, 0], [NAN, 0, 0], [0, 0.3, 0.7]]
OTHER = [[0.99, 0, 0.01], [0.01, 0.99, 0], [0.9, 0.1, 0], [0, 1, 0], [1, 0, 0], [0, 0.2, 0.8]]


def shown(rows=slice(None), network="A"):
    own, other = np.array(OWN, float)[rows], np.array(OTHER, float)[rows]
    images = np.linspace(0, 1, len(own))[:, None, None, None] * np.ones((1, *SHAPE))
    return lab.Records.of(image=images, network=network, **compared(own, other))


def test_matches_are_of_the_same_label_and_sure_ones_have_99_percent_from_both():
    them = compared(np.array(OWN), np.array(OTHER))
    assert them["match"].tolist() == [True, True, True, False, False, True]
    assert them["sure"].tolist() == [True, True, False, False, False, False]
    assert them["higher"].tolist() == [True, False, True, False, False, False]
    assert them["tied"].tolist() == [False, True, False, False, False, False]
    assert rates(shown()) == pytest.approx([4 / 6, 2 / 6, 1 / 2])
    np.testing.assert_equal(rates(shown(slice(3, 5))), [0, 0, NAN])


def test_the_table_is_of_both_directions_and_their_average():
    of_b = shown(slice(2), "B")
    table = table_s1(lab.Records.joined([shown(), of_b]))
    assert [list(row.values()) for row in table.values()] == [
        ["100.0", "66.7", "83.3"],
        ["100.0", "33.3", "66.7"],
        ["50.0", "50.0", "50.0"],
    ]
    for row, cells in table.items():
        assert list(cells) == list(PAPER[row]) == ["A on B's images", "B on A's images", "average"]
    none = table_s1(lab.Records.joined([shown(slice(3, 5)), of_b]))
    assert list(none["matches scoring higher on the original"].values()) == ["50.0", None, None]


def test_the_papers_averages_are_those_of_its_directions():
    for row in PAPER.values():
        first, second, average = map(float, row.values())
        assert average == pytest.approx((first + second) / 2, abs=0.0501)
    assert PAPER["top-1 matches"]["average"] == "46.0"


@pytest.mark.parametrize(("mnist", "expected"), [(True, [None, PAPER]), (False, [None, None])])
def test_the_papers_numbers_stand_beside_those_of_networks_on_mnist(mnist, expected):
    found = [shown().plus(method=method) for method in ("direct", "cppn")]
    champions = lab.Records.joined([of.plus(network=n) for of in found for n in ("A", "B")])
    settings = lab.changed(EXPERIMENT.settings, dataset="mnist" if mnist else "digits")
    tables = list(EXPERIMENT.tables(settings, {"champions": champions}))
    for table, paper in zip(tables, [*expected, None], strict=False):
        rows = None if paper is None else [list(row.values()) for row in paper.values()]
        assert table.paper == rows
    assert tables[-1].rows == ["direct", "CPPN", "all of them"]
    assert [row[:3] for row in tables[-1].measured] == [[2, 2, 0], [2, 2, 0], [4, 4, 0]]


def test_the_gallery_has_a_column_for_each_class_with_sure_images(tmp_path):
    sizes = []
    for rows in ([0, 1, 0], [0, 1], [1]):
        of = shown(rows)
        draw_sure(tmp_path / "g.png", of.rows(of["sure"]), NAMES)
        with Image.open(tmp_path / "g.png") as image:
            sizes.append(image.size)
    (width, height), (same_width, less_height), (less_width, _) = sizes
    assert same_width == width
    assert less_height < height
    assert less_width < width


@pytest.fixture(scope="module")
def twins(module_patch):
    """Two networks of three classes for 6 x 6 grey images."""
    networks = {seed: TinyNetwork(SHAPE, 3, seed=seed) for seed in (0, 1)}
    for network in networks.values():
        network.eval()
    images, labels = np.zeros((3, *SHAPE), np.uint8), np.arange(3, dtype=np.int32)
    dataset = Dataset("digits", images, labels, images, labels, NAMES)
    blocks = {"direct": Blocks, "cppn": Blocks}
    module_patch.setattr("experiments.nguyen2015.transfer.METHODS", blocks)
    module_patch.setattr(models, "load_dataset", lambda name: dataset)
    module_patch.setattr(models, "class_names", lambda name: NAMES)

    def trained(name, dataset, seed, *_):
        return networks[seed], {"accuracy": 0.5 + 0.25 * seed, "num_test_images": 3}

    module_patch.setattr(models, "trained", trained)
    return networks


@pytest.fixture(scope="module")
def done(twins, tmp_path_factory):
    out = tmp_path_factory.mktemp("transfer") / "run"
    return out, run(EXPERIMENT, COMMAND, out, generations=40)


def softmax(network, images):
    """In double precision."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    logits = np.maximum(images.reshape(len(images), -1).astype(np.float64) @ inner, 0) @ outer
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def test_the_section_counts_what_the_runs_left(twins, done):
    out, section = done
    direct, cppn, everything, sure = section.tables
    # Here both methods are the same, and so are their draws.
    assert direct.measured == cppn.measured == everything.measured
    attack = jfool.EvolvedFooling(Blocks(SHAPE), 3)
    of, num_sure = {}, 0
    for column, name, own, other in ((1, "A", 0, 1), (0, "B", 1, 0)):
        results = jfool.read_sweep(out / f"{name}_direct")
        of[name] = set(results.column("job_id"))
        images = results.images(attack, jfool.EvolutionJob).reshape(-1, *SHAPE)
        assert len(images) == 6
        p, q = softmax(twins[own], images), softmax(twins[other], images)
        match = p.argmax(1) == q.argmax(1)
        both = match & (p.max(1) >= 0.99) & (q.max(1) >= 0.99)
        higher = (p.max(1) > q.max(1))[match]
        for row, expected in enumerate((match, both, higher)):
            assert direct.measured[row][column] == f"{100 * expected.mean():.1f}"
        num_sure += int(both.sum())
    assert [sum(row) for row in sure.measured] == [num_sure, num_sure, 2 * num_sure]
    assert num_sure > 0
    assert of == {"A": {0, 1}, "B": {2, 3}}  # no draws in common
    assert "A 50.00 %, B 75.00 %" in section.notes[0]
    assert "runs 2 (30)" in section.notes[-1]
    assert {p.file for p in section.pictures} == {path.name for path in out.glob("*.png")}


def test_nothing_is_evolved_again(done):
    out, _ = done
    before = (out / "section.json").read_bytes(), sorted(out.rglob("parts/*"))
    run(EXPERIMENT, COMMAND, out, generations=40)
    assert ((out / "section.json").read_bytes(), sorted(out.rglob("parts/*"))) == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training_seeds": (3, 3)}, "training_seeds: expected one or more different ones, got 3"),
        ({"training_seeds": (0, -1)}, "training_seeds: expected a whole number"),
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        (
            {"network": "lenet=my.safetensors"},
            "network: expected a network to train here, without =FILE, got 'le",
        ),
        ({"methods": ("cppn", "cppn")}, "methods: expected one or more different ones, got cppn"),
        ({"methods": ("indirect",)}, "methods: expected one of direct.*, got 'indirect'"),
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
        run(EXPERIMENT, COMMAND, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
