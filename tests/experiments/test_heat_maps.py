"""Which pixels SFIs alter: thresholds, maps, what two methods share, and the section."""

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.kumano2020.heat_maps import EXPERIMENT, counted
from experiments.kumano2020.pixel_maps import (
    altered,
    by_evolution,
    by_inversion,
    check_network,
    class_maps,
    overlap,
)
from experiments.lab.colors import parse_colors
from jfool.features import show_features
from jfool.sweeps.results import Results, to_table
from tests.experiments.tiny_network import TinyNetwork, in_place_of_digits

SHAPE, NUM_CLASSES = (6, 6, 1), 3
WHITE, BLACK = parse_colors(["white", "black"], 1, "digits")


@pytest.fixture(scope="module")
def network():
    """Three classes of 6 x 6 gray images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "image_shape", lambda name: SHAPE)
        yield in_place_of_digits(patch, "mlp", SHAPE, NUM_CLASSES)


@pytest.fixture(scope="module")
def inversions(network, tmp_path_factory):
    """A sweep with images of two of the three classes, on white and gray, with two lambdas."""
    images = np.random.default_rng(5).random((5, *SHAPE)).astype(np.float32)
    features = show_features(network, images, "features")
    jobs = jfool.InversionJob(
        target=np.tile([0, 0, 0, 1, 1], 4),
        base=np.repeat(np.float32([1, 0.5]), 10)[:, None],
        features=np.tile(features, (4, 1)),
        l1_weight=np.tile(np.repeat(np.float32([1e-5, 1e-3]), 5), 2),
    )
    attack = jfool.FeatureInversion(SHAPE, NUM_CLASSES, layer="features")
    folder = tmp_path_factory.mktemp("inversion") / "sweep"
    key = lab.Evolution().key
    jfool.sweep(key, attack, network, jobs, num_steps=40, lanes=20, chunk=20, folder=folder)
    return folder


@pytest.fixture(scope="module")
def ran(inversions, tmp_path_factory):
    """A run with both methods, and its folder."""
    out = tmp_path_factory.mktemp("heat_maps")
    return run(out, inversion=inversions), out


def run(out, **changes):
    settings = lab.changed(EXPERIMENT.preset("smoke"), color="white", **changes)
    return EXPERIMENT.run("kumano2020 heat_maps", "smoke", settings, out)


def images_of(targets, seed=5):
    images = np.random.default_rng(seed).random((len(targets), *SHAPE)).astype(np.float32)
    base = np.zeros((len(targets), 1), np.float32)
    return lab.Records.of(image=images, base=base, target=targets, confidence=0.5)


def fake_sweep(monkeypatch, **changes):
    """A sweep of five inversions on black in place of one on a disk."""
    columns = {
        "job.target": np.array([0, 0, 0, 1, 1]),
        "job.base": np.zeros((5, 1)),
        "job.l1_weight": np.full(5, 1e-5),
        "confidence": np.full(5, 0.5),
        "genotype": np.zeros((5, *SHAPE)),
        **changes,
    }
    columns = {name: column for name, column in columns.items() if column is not None}
    sweep = Results(to_table([columns], {}), np.zeros(0, int), {})
    monkeypatch.setattr(jfool, "read_sweep", lambda folder: sweep)


def test_a_pixel_is_altered_where_a_channel_is_far_from_the_base():
    image = [[[0.5, 0.5, 0.5], [0.5, 0.85, 0.5], [0.1, 0.5, 0.5], [0.25, 0.75, 0.7]]]
    images = lab.Records.of(image=[image], base=np.full((1, 3), 0.5))
    assert altered(images).tolist() == [[[False, True, True, False]]]


def test_maps_are_shares_of_the_images_of_a_class():
    images = images_of([0, 0, 0, 1, 1])
    maps = class_maps(images, NUM_CLASSES)
    assert maps["num_images"].tolist() == [3, 2, 0]
    for target, count in ((0, 3), (1, 2)):
        for y in range(6):
            for x in range(6):
                values = images.where(target=target)["image"][:, y, x, 0]
                expected = sum(value > 0.3 for value in values) / count
                assert maps["map"][target, y, x] == expected
    assert np.isnan(maps["map"][2]).all()


def test_counts_are_of_the_images_of_a_class():
    images = images_of([0, 0, 0])
    (shares,) = class_maps(images, 1)["map"]
    pixels = images["image"] > 0.3
    found = list(counted(3, shares).values())
    assert found[:3] == pytest.approx([3, pixels.sum() / 3, 100 * pixels.any(0).mean()])
    assert found[3] == int(100 * pixels.mean(0).max())
    assert list(counted(0, np.full((6, 6), np.nan)).values()) == [0, None, None, None]


def test_a_map_shares_all_its_pixels_with_itself_and_none_with_its_complement():
    one = np.zeros((4, 5))
    one[1, :2] = 0.5
    same, other = overlap(one, one), overlap(one, (one == 0).astype(float))
    assert list(same.values()) == [100, 10, pytest.approx(1)]
    assert list(other.values()) == [0, 90, pytest.approx(-1)]


def test_nothing_is_said_of_maps_that_are_missing_or_empty():
    some, none, missing = np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)
    for pair in ((some, missing), (missing, some)):
        assert overlap(*pair) == {}
    assert list(overlap(none, some).values()) == [None, 33, None]
    assert list(overlap(some, none).values()) == [0, 0, None]


def test_both_methods_are_compared_where_both_are_given(ran, inversions):
    section, out = ran
    de, inversion, shared = section.tables
    assert [row[0] for row in inversion.measured] == [3, 2, 0]
    images = by_inversion(inversions, WHITE, SHAPE).where(target=0)
    pixels = (1 - images["image"]) > 0.3
    assert pixels.any()
    assert inversion.measured[0][1] == pytest.approx(pixels.sum() / 3)
    assert inversion.measured[0][2] == pytest.approx(100 * pixels.any(0).mean())
    assert shared.measured[2] == [None] * 3
    (best,) = [row for row in shared.measured if row[2] is not None][:1]
    assert 0 <= best[0] <= 100
    assert all(row[1] <= 5 for row in de.measured if row[0])
    assert any("on white too, with lambda = 1e-05" in note for note in section.notes)
    assert str(inversions.parent) not in str(section)
    assert Image.open(out / "heat_maps.png").size[0] > 300
    assert "heat_maps.png" in section.pictures[0].file


def test_a_sweep_that_is_given_is_not_searched_again(ran, out, monkeypatch):
    section, folder = ran
    monkeypatch.setattr(lab, "search_grid", lambda *args, **kwargs: pytest.fail("searched"))
    again = run(out, de=(folder / "sweep", folder / "sweep"))
    assert [table.title for table in again.tables] == ["SFIs by DE"]
    for one, two in zip(section.tables[0].measured, again.tables[0].measured, strict=True):
        assert two == [2 * one[0], *one[1:]]
    assert any("--inversion" in note for note in again.notes)
    assert any("--de" in note for note in again.notes)
    assert not any("--de" in note for note in section.notes)
    given = lab.changed(EXPERIMENT.settings, de=(folder,), inversion=folder)
    assert EXPERIMENT._preset_name("paper", given) == "paper, other de"


def test_a_second_start_searches_nothing_and_says_the_same(ran, inversions):
    section, out = ran
    written = {path: path.stat().st_mtime_ns for path in (out / "sweep").rglob("*.parquet")}
    assert run(out, inversion=inversions).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_only_inversions_on_the_color_and_with_the_least_lambda_count(inversions):
    results = jfool.read_sweep(inversions)
    found = by_inversion(inversions, WHITE, SHAPE)
    np.testing.assert_array_equal(found["image"], results.column("genotype")[:5])
    assert found["target"].tolist() == [0, 0, 0, 1, 1]
    assert set(found["l1_weight"].tolist()) == {float(np.float32(1e-5))}
    with pytest.raises(ValueError, match=r"inversion: expected images on black in .*, got none"):
        by_inversion(inversions, BLACK, SHAPE)


def test_images_of_another_network_are_refused(network, inversions):
    images = by_inversion(inversions, WHITE, SHAPE)
    check_network(images, network, "inversion")
    other = TinyNetwork(SHAPE, NUM_CLASSES, seed=1)
    with pytest.raises(ValueError, match="inversion: expected images that this network is as"):
        check_network(images, other, "inversion")


def test_sfis_of_a_finished_sweep_are_those_of_its_color_and_k_that_fool(network, tmp_path):
    jobs = jfool.grid(jfool.SparseJob, 2, base=[[0.0], [1.0]], target=range(3), k=[2, 4])
    search = jfool.DifferentialEvolution(population_size=8)
    attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=4, search=search)
    folder, options = tmp_path / "sweep", {"num_steps": 6, "chunk": 8, "lanes": 4}
    jfool.sweep(lab.Evolution().key, attack, network, jobs, folder=folder, **options)
    images = jfool.read_sweep(folder).images(attack, jfool.SparseJob)
    inner, outer = (np.asarray(weights[...]) for weights in (network.inner, network.outer))
    predicted = (np.maximum(images.reshape(24, -1) @ inner, 0) @ outer).argmax(1)
    mine = (jobs.base[:, 0] == 1) & (jobs.k == 2) & (predicted == jobs.target)
    assert 0 < mine.sum() < 6
    found = by_evolution(folder, 2, WHITE, SHAPE)
    np.testing.assert_array_equal(found["image"], images[mine])
    np.testing.assert_array_equal(found["target"], jobs.target[mine])
    assert altered(found).sum((1, 2)).max() <= 2
    with pytest.raises(ValueError, match=r"de: expected SFIs with k = 3 on white in .*, got none"):
        by_evolution(folder, 3, WHITE, SHAPE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"genotype": np.zeros((5, 6, 5, 1))}, r"inversion: expected images \(6, 6, 1\) in .*, go"),
        ({"job.base": np.zeros((5, 3))}, "inversion: expected images on black in .*, got none"),
        ({"job.l1_weight": None}, "inversion: expected a sweep with .*, job.l1_weight, got"),
    ],
)
def test_sweeps_that_do_not_fit_are_refused(changes, sentence, monkeypatch, tmp_path):
    fake_sweep(monkeypatch)
    assert len(by_inversion(tmp_path, BLACK, SHAPE)) == 5
    fake_sweep(monkeypatch, **changes)
    with pytest.raises(ValueError, match=sentence):
        by_inversion(tmp_path, BLACK, SHAPE)


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"de: expected a sweep with .*, job\.k, .*, got"):
        by_evolution(tmp_path, 3, BLACK, SHAPE)


@pytest.mark.parametrize("setting", ["inversion", "de"])
def test_what_is_not_there_is_refused(setting, out, tmp_path):
    value = tmp_path / "none"
    with pytest.raises(FileNotFoundError, match=f"{setting}: expected a folder, got none at"):
        run(out, **{setting: (value,) if setting == "de" else value})
    assert not out.exists()
