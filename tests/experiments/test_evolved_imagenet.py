"""Evolution for the classes of ImageNet, on a network of 1 000 classes and 25 pixels."""

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import models
from experiments import lab
from experiments.lab.imagenet import as_victim
from experiments.nguyen2015 import imagenet, imagenet_tables
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import Archives
from tests.experiments.helpers import run, smoke
from tests.experiments.tiny_network import TinyNetwork

COMMAND = "nguyen2015 imagenet"
CELLS, RUNS = 10, 2


@pytest.fixture(scope="module")
def network(module_patch):
    """In place of ImageNet's."""
    network = TinyNetwork((5, 5, 3), 1000)
    network.eval()
    victim = as_victim("squeezenet1_1", network)
    module_patch.setattr(imagenet, "imagenet_victim", lambda *args: victim)
    return network


@pytest.fixture(scope="module")
def evolved(network, tmp_path_factory):
    """The folder and the section of the smallest preset."""
    out = tmp_path_factory.mktemp("imagenet") / "run"
    return out, run(imagenet.EXPERIMENT, COMMAND, out)


def test_the_section_tells_what_the_runs_found(evolved):
    out, section = evolved
    medians, comparison, dip, ablation = section.tables
    assert medians.columns[:2] == ["median after 3", "median after 6"]
    assert medians.title == "Confidence of the champions of 10 classes (%)"
    champions = lab.Records.read(out / "champions.parquet")
    final = {m: of["confidence"].reshape(RUNS, CELLS) for m, of in champions.groups("method")}
    for row, method in zip(medians.measured, ("direct", "cppn"), strict=True):
        assert row[1] == percent(np.median(final[method]))
        assert row[2] == percent(final[method].mean())
        assert row[3] == (final[method] >= 0.99).any(0).sum()
        assert row[5] == 8 * 7
    u = sum((c > d) + (c == d) / 2 for c in final["cppn"].ravel() for d in final["direct"].ravel())
    assert float(comparison.measured[1][2]) == pytest.approx(u, abs=1)
    assert float(comparison.measured[1][3]) == pytest.approx(100 * u / 400, abs=0.5)
    assert comparison.paper[1] == ["88.11", "21.59", None, None, "< 0.0001"]
    assert dip.measured[1][0] == percent(np.median(final["cppn"][:, 2]))  # class 200
    left = lab.Records.read(out / "ablated.parquet").columns("target", "course")
    for (target, course), row in zip(left, ablation.measured, strict=True):
        course = course[~np.isnan(course)]
        assert course[0] == pytest.approx(final["cppn"][0, target // 100], rel=1e-4)
        assert min(course) >= 0.9 * course[0] - 1e-6
        assert row[3] == 100 * (len(course) - 1) // 9
    assert any("UNTRAINED" in note for note in section.notes)
    assert any("every 100 (1)" in note and "runs 2 (5)" in note for note in section.notes)
    for picture in section.pictures:
        with Image.open(out / picture.file) as image:
            assert min(image.size) > 200


def test_the_same_folder_goes_on_and_another_seed_is_refused(evolved):
    out, section = evolved
    parts = sorted(out.rglob("parts/*"))
    assert run(imagenet.EXPERIMENT, COMMAND, out) == section
    assert sorted(out.rglob("parts/*")) == parts
    with pytest.raises(ValueError, match=r"folder: expected the settings .* another key"):
        run(imagenet.EXPERIMENT, COMMAND, out, seed=1)


class _Asked(Exception):  # noqa: N818
    """Holds what images are evolved for."""


def test_ten_crops_are_seen_of_a_larger_image_whose_pixels_are_bytes(network, out, monkeypatch):
    def evolve(run, name, encoding, model, *args):
        raise _Asked(model, encoding)

    monkeypatch.setattr(imagenet, "evolve", evolve)
    with pytest.raises(_Asked) as caught:
        imagenet.records(smoke(imagenet.EXPERIMENT, whole=6), lab.Run(out))
    model, encoding = caught.value.args
    assert encoding.image_shape == model.image_shape == (6, 6, 3)
    assert encoding.dtype == "uint8"
    assert isinstance(model, models.TenCrop)
    assert model.model is network


def archives(fitness, images=1):
    """Runs with the given record, over the classes from 155 on, of so many images a generation."""
    fitness = np.asarray(fitness, np.float32)
    targets = np.tile(155 + np.arange(fitness.shape[2]), (len(fitness), 1))
    last = fitness[:, -1]
    return Archives(targets, fitness, last, last, np.array([images * fitness.shape[1]]))


def test_equal_cost_is_that_of_the_cheaper_method_and_generations_count_by_their_size():
    direct = archives(np.linspace(0, 0.5, 11)[None, :, None].repeat(4, 2), images=20)
    cppn = archives(np.linspace(0.5, 1, 4)[None, :, None].repeat(4, 2), images=40)
    cost, equal = imagenet_tables.at_equal_cost({"direct": direct, "cppn": cppn})
    assert cost == 160
    assert equal["cppn"] == pytest.approx(1.0)
    assert equal["direct"] == pytest.approx(0.35)  # the eighth generation


def test_the_test_counts_pairs_and_ties():
    rng = np.random.default_rng(0)
    cppn, direct = rng.integers(0, 9, 40) / 10, rng.integers(0, 7, 40) / 10
    found = {"direct": archives(direct[None, None]), "cppn": archives(cppn[None, None])}
    row = imagenet_tables.comparison(found).measured[0]
    above = sum((c > d) + (c == d) / 2 for c in cppn for d in direct)
    assert float(row[2]) == pytest.approx(above, abs=0.5)
    assert float(row[3]) == pytest.approx(100 * above / 1600, abs=0.05)
    # The normal approximation with ties, from its formula.
    counts = np.unique(np.concatenate([cppn, direct]), return_counts=True)[1]
    ties = (counts**3 - counts).sum() / (80 * 79)
    deviation = np.sqrt(40 * 40 / 12 * (81 - ties))
    z = (abs(above - 800) - 0.5) / deviation
    assert float(row[4]) == pytest.approx(2 * stats.norm.sf(z), rel=0.05)


def test_a_probability_far_below_the_least_float_is_told():
    ranks = np.arange(400) / 400
    found = {"direct": archives([[ranks[:200]]]), "cppn": archives([[ranks[200:]]])}
    row = imagenet_tables.comparison(found).measured[0]
    z = (40_000 - 20_000 - 0.5) / np.sqrt(200 * 200 * 401 / 12)
    assert float(row[4]) == pytest.approx(2 * stats.norm.sf(z), rel=0.05)
    assert 0 < float(row[4]) < 1e-60


def test_marks_after_the_end_are_empty_and_the_papers_figures_stand_at_theirs():
    found = {"direct": archives(np.full((2, 4, 3), 0.995)), "cppn": archives(np.zeros((1, 6, 3)))}
    table = imagenet_tables.medians(found, (3, 5))
    assert table.measured[0][:2] == ["99.50", None]
    assert table.measured[0][3:5] == [3, "3.0"]
    assert table.measured[1][:2] == ["0.00", "0.00"]
    assert table.paper[0][3] == 45
    at_paper = imagenet_tables.medians({"cppn": archives(np.zeros((1, 3, 3)))}, (5_000,))
    assert at_paper.paper[0][0] == "88.11"


def test_the_band_has_its_ends():
    targets = np.array([156, 157, 286, 287])
    assert imagenet_tables.in_band(targets).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"network": "lenet"}, ValueError, "network: expected one of .* got 'lenet'"),
        ({"network": "resnet50=none"}, FileNotFoundError, "network: expected a file of weights"),
        ({"populations": (8, 7)}, ValueError, "populations: expected an even number, got 7"),
        ({"generations": (0, 6)}, ValueError, "generations: expected a number of at least 1"),
        ({"marks": (7,)}, ValueError, "marks: expected generations up to 6"),
        ({"relatives": (0, 50)}, ValueError, r"relatives: expected classes .*every 100\), got"),
        ({"ablated": 11}, ValueError, "ablated: expected at most 10 classes, got 11"),
        ({"hold": 1.5}, ValueError, r"hold: expected a share in \[0, 1\], got 1.5"),
        ({"whole": 31}, ValueError, "whole: expected at least the 32 pixels .* got 31"),
        ({"seed": -1}, ValueError, "seed: expected a whole number"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(changes, error, sentence, out):
    with pytest.raises(error, match=sentence):
        run(imagenet.EXPERIMENT, COMMAND, out, **changes)
    assert not out.exists()
