"""Which pixels SFIs alter: thresholds, maps, what two methods share, and the section."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import jfool
from experiments.kumano2020 import heat_maps
from experiments.kumano2020.heat_figures import shared_pixels
from experiments.kumano2020.pixel_maps import (
    Altered,
    Inverted,
    check_network_of,
    of_sweep,
    overlap,
    read_inverted,
)
from experiments.lab.colors import parse_colors
from experiments.lab.judging import probabilities
from tests.experiments.tiny_network import TinyNetwork, in_place_of_digits

SMOKE = heat_maps.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3
BLACK = parse_colors(["black"], 1, "digits")


@pytest.fixture
def network(monkeypatch):
    """Three classes of 6 x 6 grey images."""
    return in_place_of_digits(monkeypatch, "mlp", SHAPE, NUM_CLASSES)


@pytest.fixture
def inverted(network):
    """Images of two of the three classes, on black."""
    images = np.random.default_rng(5).random((5, *SHAPE)).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1])
    confidence = probabilities(network, images)[np.arange(5), labels]
    return Inverted(images, np.zeros((5, 1)), labels, confidence, 1e-5)


def write(path, inverted):
    np.savez(path, **vars(inverted))
    return path


def run(out, **changes):
    heat_maps.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


def test_a_pixel_is_altered_where_a_channel_is_far_from_the_base():
    images = np.array([[[[0.5, 0.5, 0.5], [0.5, 0.85, 0.5], [0.1, 0.5, 0.5], [0.25, 0.75, 0.7]]]])
    altered = Altered(images, np.full((1, 3), 0.5), np.array([0]), np.array([1.0]))
    assert altered.positions().tolist() == [[[False, True, True, False]]]


def test_maps_are_shares_of_the_images_of_a_class(inverted):
    maps = inverted.maps(NUM_CLASSES)
    for label, count in ((0, 3), (1, 2)):
        for y in range(6):
            for x in range(6):
                values = inverted.images[inverted.labels == label, y, x, 0]
                assert maps[label, y, x] == sum(value > 0.3 for value in values) / count
    assert np.isnan(maps[2]).all()


def test_a_map_shares_all_its_pixels_with_itself_and_none_with_its_complement():
    one = np.zeros((4, 4))
    one[1, :2] = 0.5
    same, other = overlap(one, one), overlap(one, (one == 0).astype(float))
    assert (same.shared, same.chance) == (1, 2 / 16)
    assert same.correlation == pytest.approx(1)
    assert (other.shared, other.chance) == (0, 14 / 16)
    assert other.correlation == pytest.approx(-1)


def test_nothing_is_said_of_maps_that_are_missing_or_empty():
    some, none, missing = np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)
    for pair in ((some, missing), (missing, some)):
        assert np.isnan(dataclasses.astuple(overlap(*pair))).all()
    assert np.isnan(overlap(none, some).shared)
    assert np.isnan(overlap(none, some).correlation)
    assert overlap(some, none).shared == 0
    assert shared_pixels(some[None], missing[None], ["one"]).measured == [[None] * 3]


@pytest.mark.usefixtures("network")
def test_de_alone_has_one_row_and_says_so(out):
    section = run(out)
    assert [table["title"] for table in section["tables"]] == ["SFIs by DE"]
    assert any("--inversion" in note for note in section["notes"])
    assert Image.open(out / "heat_maps.png").size[0] > 300
    assert run(out)["tables"] == section["tables"]


@pytest.mark.usefixtures("network")
def test_both_methods_are_compared_where_both_are_given(out, tmp_path, inverted):
    section = run(out, inversion=write(tmp_path / "images.npz", inverted))
    de, inversion, shared = section["tables"]
    assert [row[0] for row in inversion["measured"]] == [3, 2, 0]
    pixels = (inverted.images > 0.3)[inverted.labels == 0]
    assert inversion["measured"][0][1] == pytest.approx(pixels.sum() / 3)
    assert inversion["measured"][0][2] == pytest.approx(100 * pixels.any(0).mean())
    assert shared["measured"][2] == [None] * 3
    maps = np.load(out / "maps.npz")
    found = overlap(maps["DE"][0], maps["inversion"][0])
    assert shared["measured"][0][2] == pytest.approx(found.correlation)
    assert all(row[1] <= SMOKE.k for row in de["measured"] if row[0])
    assert any("on black too, with lambda = 1e-05" in note for note in section["notes"])
    assert str(tmp_path) not in json.dumps(section)


@pytest.mark.usefixtures("network")
def test_only_inversions_on_the_colour_count(out, tmp_path, inverted):
    both = Inverted(
        *(np.concatenate([getattr(inverted, n)] * 2) for n in ("images", "base", "labels")),
        np.concatenate([inverted.confidence] * 2),
        inverted.l1_weight,
    )
    both.base[5:] = 1
    alone = run(out, inversion=write(tmp_path / "one.npz", inverted))
    mixed = run(out.with_name("mixed"), inversion=write(tmp_path / "both.npz", both))
    assert mixed["tables"] == alone["tables"]
    (grey,) = parse_colors(["grey"], 1, "digits")
    with pytest.raises(ValueError, match=r"inversion: expected images on grey in .*, got none"):
        read_inverted(tmp_path / "both.npz", grey, SHAPE, NUM_CLASSES)


def test_images_of_another_network_are_refused(network, inverted):
    check_network_of(inverted, network, "inversion")
    other = TinyNetwork(SHAPE, NUM_CLASSES, seed=1)
    with pytest.raises(ValueError, match="inversion: expected images that this network is as"):
        check_network_of(inverted, other, "inversion")


def test_sfis_of_a_finished_sweep_are_those_of_its_colour_and_k_that_fool(network, tmp_path, key):
    jobs = jfool.grid(jfool.SparseJob, 2, base=[[0.0], [1.0]], label=range(NUM_CLASSES), k=[2, 4])
    search = jfool.DifferentialEvolution(population_size=8)
    attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=4, search=search)
    folder = tmp_path / "sweep"
    jfool.sweep(key, attack, network, jobs, num_steps=6, chunk=8, lanes=4, folder=folder)
    result = jfool.run(key, attack, network, jobs, num_steps=6, chunk=8)
    fooled = np.asarray(result.success)
    mine = fooled & (np.asarray(jobs.k) == 2) & (np.asarray(jobs.base)[:, 0] == 1)
    assert 0 < mine.sum() < 6
    (white,) = parse_colors(["white"], 1, "digits")
    found = of_sweep(folder, 2, white, SHAPE)
    np.testing.assert_array_equal(found.images, np.asarray(result.images)[mine])
    np.testing.assert_array_equal(found.labels, np.asarray(jobs.label)[mine])
    assert found.positions().sum((1, 2)).max() <= 2
    with pytest.raises(ValueError, match=r"de: expected SFIs with k = 3 on white in .*, got none"):
        of_sweep(folder, 3, white, SHAPE)


def test_a_sweep_that_is_given_is_not_searched_again(network, out, monkeypatch):
    first = run(out)
    monkeypatch.setattr(heat_maps, "search_grid", lambda *args: pytest.fail("searched"))
    again = run(out.with_name("again"), de=(out / "sweep", out / "sweep"))
    for one, two in zip(
        first["tables"][0]["measured"], again["tables"][0]["measured"], strict=True
    ):
        assert two == [2 * one[0], *one[1:]]
    assert (first["preset"], again["preset"]) == ("smoke", "smoke, SFIs given")
    assert "population" in first["settings"]
    assert "population" not in again["settings"]
    assert again["notes"][2].endswith("evaluations each.")
    paper = dataclasses.replace(heat_maps.Config(), de=(out,))
    assert heat_maps.named_preset(paper) == "SFIs given"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("images", np.zeros((5, 6, 6, 3), np.float32), "inversion: expected shapes"),
        ("images", np.float32(0), r"inversion: expected shapes .*, got \[\(\)"),
        ("l1_weight", np.zeros(2), r"inversion: expected shapes .* got .*, \(2,\)\]"),
        ("labels", np.array([0, 0, 0, 1, 3]), "inversion: expected classes 0 to 2"),
    ],
)
def test_images_that_do_not_fit_are_refused(name, value, sentence, inverted, tmp_path):
    path = write(tmp_path / "images.npz", dataclasses.replace(inverted, **{name: value}))
    with pytest.raises(ValueError, match=sentence):
        read_inverted(path, *BLACK, SHAPE, NUM_CLASSES)


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.zeros(3))
    sentence = r"inversion: expected an \.npz file with images, base, labels, confidence, l1_weight"
    with pytest.raises(ValueError, match=sentence):
        read_inverted(path, *BLACK, SHAPE, NUM_CLASSES)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=sentence):
        read_inverted(path, *BLACK, SHAPE, NUM_CLASSES)
    with pytest.raises(FileNotFoundError, match="de: expected the folder of a sweep, got"):
        of_sweep(tmp_path, 3, BLACK[0], SHAPE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"inversion": "none.npz"}, "inversion: expected a file, got none at"),
        ({"de": ("none",)}, "de: expected the folder of a sweep, got none at"),
    ],
)
def test_what_is_not_there_is_refused(changes, sentence, out, tmp_path):
    ((name, value),) = changes.items()
    value = tuple(tmp_path / v for v in value) if isinstance(value, tuple) else tmp_path / value
    with pytest.raises(FileNotFoundError, match=sentence):
        run(out, **{name: value})
    assert not out.exists()
