"""Natural images and SFIs in deep features: the projection, the distances, the section."""

import numpy as np
import pytest
from PIL import Image

import models
from experiments import lab
from experiments.kumano2020.deep_features import EXPERIMENT
from experiments.kumano2020.feature_space import nearness, pca
from experiments.lab.records import Records
from experiments.lab.test_images import first_of_each_class
from jfool.features import show_features
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES = (6, 6, 1), 3


@pytest.fixture(scope="module")
def network():
    """Three classes of 6 x 6 gray images, in place of the digits."""
    network = TinyNetwork(SHAPE, NUM_CLASSES)
    network.eval()
    images = np.random.default_rng(1).integers(0, 256, (15, *SHAPE)).astype(np.uint8)
    labels = (np.arange(15) % NUM_CLASSES).astype(np.int32)
    names = ("low", "middle", "high")
    dataset = models.Dataset("digits", images, labels, images, labels, names)
    card = {"model": "mlp", "dataset": "digits", "accuracy": 0.5, "num_test_images": 15}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load_dataset", lambda name: dataset)
        patch.setattr(models, "class_names", lambda name: names)
        patch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
        yield network


@pytest.fixture(scope="module")
def ran(network, tmp_path_factory):
    """A run's section, and its folder."""
    out = tmp_path_factory.mktemp("deep_features")
    return run(out), out


@pytest.fixture
def points():
    """Natural images of three classes in five features, and SFIs of two of them."""
    random = np.random.default_rng(2)
    labels, targets = np.arange(12) % 3, np.array([0, 0, 0, 2])
    natural = random.normal(size=(12, 5)) + 3 * labels[:, None]
    sfis = random.normal(size=(4, 5)) + 2 * targets[:, None]
    return Records.of(target=labels, features=natural), Records.of(target=targets, features=sfis)


def run(out, **changes):
    settings = lab.changed(EXPERIMENT.preset("smoke"), **{"naturals": 4, **changes})
    return EXPERIMENT.run("kumano2020 deep_features", "smoke", settings, out)


def test_the_plane_is_that_of_the_covariances_largest_eigenvectors():
    points = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([1, 5, 2, 1, 3, 1]) + 7
    found, explained = pca(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    expected = (points - points.mean(0)) @ vectors[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-9)
    np.testing.assert_allclose(explained, values[[-1, -2]] / values.sum(), rtol=1e-9)


def test_the_plane_does_not_depend_on_the_order_of_the_points():
    points = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_allclose(pca(points)[0][::-1], pca(points[::-1])[0], atol=1e-9)


def test_distances_are_those_of_loops(points):
    natural, sfis = points
    own, others, nearest, scores = [], [], [], []
    for label, sfi in sfis.columns("target", "features"):
        mine = natural.where(target=label)["features"]
        pairs = [np.linalg.norm(a - b) for i, a in enumerate(mine) for b in mine[:i]]
        unit = np.mean(pairs)
        own.append(np.mean([np.linalg.norm(sfi - x) for x in mine]) / unit)
        rest = natural.rows(natural["target"] != label)["features"]
        others.append(np.mean([np.linalg.norm(sfi - x) for x in rest]) / unit)
        means = [natural.where(target=c)["features"].mean(0) for c in range(3)]
        nearest.append(np.argmin([np.linalg.norm(sfi - mean) for mean in means]) == label)
        left_out = [
            np.linalg.norm(x - np.delete(mine, i, axis=0).mean(0)) for i, x in enumerate(mine)
        ]
        away = np.linalg.norm(sfi - mine.mean(0))
        scores.append(np.mean(away > np.array(left_out)))
    found = list(nearness(natural, sfis).values())
    assert found[0] == int(100 * np.mean(nearest))
    assert found[1:] == pytest.approx([np.mean(own), np.mean(others), np.mean(scores)])


def test_the_figures_of_a_class_are_those_of_its_sfis_alone(points):
    natural, sfis = points
    first, second = (nearness(natural, sfis.where(target=c)) for c in (0, 2))
    for name, value in nearness(natural, sfis).items():
        assert value == pytest.approx((3 * first[name] + second[name]) / 4)


def test_the_space_is_the_one_asked_for(points):
    natural, sfis = (of.plus(plane=of["features"][:, :2]) for of in points)
    alone = (Records.of(target=of["target"], features=of["plane"]) for of in (natural, sfis))
    assert nearness(natural, sfis, "plane") == nearness(*alone)


def test_features_do_not_depend_on_the_batches(network, monkeypatch):
    images = np.random.default_rng(4).random((7, *SHAPE)).astype(np.float32)
    whole = show_features(network, images, "features")
    expected = np.maximum(images.reshape(7, -1) @ np.asarray(network.inner[...]), 0)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("jfool.features._IMAGES_AT_ONCE", 3)
    np.testing.assert_array_equal(show_features(network, images, "features"), whole)


def test_every_image_is_a_point_and_every_class_a_row(ran):
    section, out = ran
    overall, by_class = section.tables
    assert section.pictures[0].caption.startswith(f"{3 * 4 + 3 * 3 + 2} images")
    assert "features, 6 numbers" in section.notes[1]
    assert overall.measured[0][0] == 100
    assert 0 < overall.measured[1][0] <= 100
    assert list(by_class.rows) == ["low", "middle", "high"]
    assert Image.open(out / "pca.png").size[0] > 600


def test_a_second_start_searches_nothing_and_says_the_same(ran):
    section, out = ran
    written = {path: path.stat().st_mtime_ns for path in (out / "sweep").rglob("*.parquet")}
    assert run(out).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_natural_images_are_the_first_of_each_class():
    labels, images = np.array([1, 0, 1, 0, 1, 0], np.int32), np.zeros((6, *SHAPE), np.uint8)
    dataset = models.Dataset("digits", images, labels, images, labels, ("low", "high"))
    assert first_of_each_class(dataset, 2, "naturals").tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match=r"naturals: expected at most 3, .* of digits .*, got 4"):
        first_of_each_class(dataset, 4, "naturals")


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"layer": "fc9"}, ValueError, "layer: expected one of fc1, fc2, fc3, got 'fc9'"),
        ({"naturals": 1}, ValueError, "naturals: expected a number of at least 2, got 1"),
        ({"k": 0}, ValueError, "k: expected a number of at least 1, got 0"),
        ({"until": 0.0}, ValueError, "until: expected a confidence"),
        ({"training_seed": -1}, ValueError, "training_seed: expected a whole number"),
        ({"network": "mlp=none"}, FileNotFoundError, "network: expected a file, got none at"),
        ({"bases": ("black", "red")}, ValueError, "bases: expected black, grey, white or"),
        ({"bases": ()}, ValueError, "bases: expected at least one, got none"),
    ],
)
def test_what_cannot_work_is_refused(changes, error, sentence, out):
    with pytest.raises(error, match=sentence):
        run(out, **changes)
    assert not out.exists()
