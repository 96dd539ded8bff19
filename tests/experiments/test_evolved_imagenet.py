"""Evolution for the classes of ImageNet, on a network of 1 000 classes and 25 pixels."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import models
from experiments.lab.imagenet import ImageNetVictim
from experiments.nguyen2015 import imagenet, imagenet_tables
from experiments.nguyen2015.archives import Archives
from experiments.nguyen2015.figures import percent
from tests.experiments.tiny_network import TinyNetwork

SMOKE = imagenet.PRESETS["smoke"][1]
CELLS, RUNS = 10, 2


@pytest.fixture(scope="module")
def tiny_victim(quick_compiler):
    with pytest.MonkeyPatch.context() as patch:
        network = TinyNetwork((5, 5, 3), 1000)
        network.eval()
        found = ImageNetVictim("squeezenet1_1", network, None, None)
        patch.setattr(imagenet, "imagenet_victim", lambda *args: found)
        yield network


def run(out, **changes):
    imagenet.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


@pytest.fixture(scope="module")
def smoke(tiny_victim, tmp_path_factory):
    """The folder and the section of the smallest preset."""
    out = tmp_path_factory.mktemp("smoke")
    return out, run(out)


def test_the_section_tells_what_the_runs_found(smoke):
    out, section = smoke
    medians, comparison, dip, ablation = section["tables"]
    assert medians["columns"][:2] == ["median after 3", "median after 6"]
    final = {m: np.array(of) for m, of in section["data"]["confidence"].items()}
    for row, method in zip(medians["measured"], ("direct", "cppn"), strict=True):
        assert final[method].shape == (RUNS, CELLS)
        assert row[1] == percent(np.median(final[method]))
        assert row[2] == percent(final[method].mean())
        assert row[3] == (final[method] >= 0.99).any(0).sum()
        assert row[5] == 8 * 7
    u = sum((c > d) + (c == d) / 2 for c in final["cppn"].ravel() for d in final["direct"].ravel())
    assert float(comparison["measured"][1][2]) == pytest.approx(u, abs=1)
    assert float(comparison["measured"][1][3]) == pytest.approx(100 * u / 400, abs=0.5)
    band = [label == 200 for label in section["data"]["labels"]]
    assert dip["measured"][1][0] == percent(np.median(final["cppn"][:, band]))
    for (label, course), row in zip(
        section["data"]["ablated"].items(), ablation["measured"], strict=True
    ):
        cell = section["data"]["labels"].index(int(label))
        assert course[0] == pytest.approx(final["cppn"][0, cell], rel=1e-4)
        assert min(course) >= 0.9 * course[0] - 1e-6
        assert row[3] == 100 * (len(course) - 1) // 9
    assert any("UNTRAINED" in note for note in section["notes"])
    assert any("10 of 1,000 classes; 2 of 5 runs" in note for note in section["notes"])
    for picture in section["pictures"]:
        with Image.open(out / picture["file"]) as image:
            assert min(image.size) > 200


def test_the_same_folder_goes_on_and_another_seed_is_refused(smoke):
    out, section = smoke
    jobs = sorted((out / "cppn" / "parts").iterdir())
    assert run(out)["data"] == section["data"]
    assert sorted((out / "cppn" / "parts").iterdir()) == jobs
    with pytest.raises(ValueError, match=r"folder: expected the settings .* another key"):
        run(out, seed=1)


class _Asked(Exception):  # noqa: N818
    """Holds what images are evolved for."""


def test_ten_crops_are_seen_of_a_larger_image(tiny_victim, out, monkeypatch):
    def evolve(method, model, image_shape, *args, **options):
        raise _Asked(model, image_shape)

    monkeypatch.setattr(imagenet, "evolve_archives", evolve)
    monkeypatch.setattr(imagenet, "check", lambda config: None)  # it knows SqueezeNet's size
    with pytest.raises(_Asked) as caught:
        run(out, whole=6)
    model, image_shape = caught.value.args
    assert image_shape == (6, 6, 3)
    assert isinstance(model, models.TenCrop)
    assert model.model is tiny_victim


def archives(fitness):
    """Runs with the given record, over the classes 100 to 103."""
    fitness = np.asarray(fitness, np.float32)
    labels = np.arange(155, 155 + fitness.shape[2])
    last = fitness[:, -1]
    return Archives(labels, fitness, None, last, last, np.array([9]), None, None)


def test_equal_cost_is_that_of_the_cheaper_method_and_generations_count_by_their_size():
    direct = archives(np.linspace(0, 0.5, 11)[None, :, None].repeat(4, 2))  # 11 x 20 images
    cppn = archives(np.linspace(0.5, 1, 4)[None, :, None].repeat(4, 2))  # 4 x 40
    cost, equal = imagenet_tables.at_equal_cost(
        {"direct": direct, "cppn": cppn}, {"direct": 20, "cppn": 40}
    )
    assert cost == 160
    assert equal["cppn"] == pytest.approx(1.0)
    assert equal["direct"] == pytest.approx(0.35)  # the eighth generation


def test_the_test_counts_pairs_and_ties():
    rng = np.random.default_rng(0)
    cppn, direct = rng.integers(0, 9, 40) / 10, rng.integers(0, 7, 40) / 10
    found = {"direct": archives(direct[None, None]), "cppn": archives(cppn[None, None])}
    row = imagenet_tables.comparison(found, {"direct": 2, "cppn": 2}).measured[0]
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
    row = imagenet_tables.comparison(found, {"direct": 2, "cppn": 2}).measured[0]
    z = (40_000 - 20_000 - 0.5) / np.sqrt(200 * 200 * 401 / 12)
    assert float(row[4]) == pytest.approx(2 * stats.norm.sf(z), rel=0.05)
    assert 0 < float(row[4]) < 1e-60


def test_marks_behind_the_end_are_empty_and_the_papers_figures_stand_at_theirs():
    found = {"direct": archives(np.full((2, 4, 3), 0.995)), "cppn": archives(np.zeros((1, 6, 3)))}
    table = imagenet_tables.medians(found, (3, 5))
    assert table.measured[0][:2] == ["99.50", None]
    assert table.measured[0][3:5] == [3, "3.0"]
    assert table.measured[1][:2] == ["0.00", "0.00"]
    assert table.paper[0][3] == 45
    zeros = np.zeros((1, 3, 3))
    at_paper = imagenet_tables.medians({"cppn": archives(zeros)}, (5_000,))
    assert at_paper.paper[0][0] == "88.11"


def test_the_band_has_its_ends():
    labels = np.array([156, 157, 286, 287])
    assert imagenet_tables.in_band(labels).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"network": "lenet"}, ValueError, "network: expected one of .* got 'lenet'"),
        ({"network": "resnet50=none"}, FileNotFoundError, "network: expected a file of weights"),
        ({"populations": (8, 7)}, ValueError, r"populations: expected even numbers, got \(8, 7\)"),
        ({"generations": (0, 6)}, ValueError, "generations: expected numbers of at least 1"),
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
        imagenet.main(dataclasses.replace(SMOKE, out=out, **changes))
    assert not out.exists()
