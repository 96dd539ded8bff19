"""Natural images and SFIs in deep features: the projection, the distances, the section."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import models
from experiments.kumano2020 import deep_features
from experiments.lab.feature_space import Groups, auroc, nearness, pca
from jfool.features import show_features
from models import Dataset
from tests.experiments.tiny_network import TinyNetwork

SMOKE = dataclasses.replace(deep_features.PRESETS["smoke"][1], naturals=4)
NUM_CLASSES = 3


@pytest.fixture
def network(monkeypatch):
    """Three classes of 6 x 6 grey images, in place of the digits."""
    network = TinyNetwork((6, 6, 1), NUM_CLASSES)
    network.eval()
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (15, 6, 6, 1)).astype(np.uint8)
    labels = (np.arange(15) % NUM_CLASSES).astype(np.int32)
    dataset = Dataset("digits", images, labels, images, labels, ("low", "middle", "high"))
    card = {"model": "mlp", "dataset": "digits", "accuracy": 0.5}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    return network


@pytest.fixture
def groups():
    """Three classes in five features, with SFIs of two of them."""
    random = np.random.default_rng(2)
    natural_labels = np.arange(12) % 3
    natural = random.normal(size=(12, 5)) + 3 * natural_labels[:, None]
    sfi_labels = np.array([0, 0, 0, 2])
    sfis = random.normal(size=(4, 5)) + 2 * sfi_labels[:, None]
    return Groups(natural, natural_labels, sfis, sfi_labels)


def run(out, **changes):
    deep_features.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


def test_the_plane_is_that_of_the_covariances_largest_eigenvectors():
    points = np.random.default_rng(0).normal(size=(40, 6)) @ np.diag([1, 5, 2, 1, 3, 1]) + 7
    found = pca(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    expected = (points - points.mean(0)) @ vectors[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-9)
    np.testing.assert_allclose(found.explained, values[[-1, -2]] / values.sum(), rtol=1e-9)


def test_the_plane_does_not_depend_on_the_order_of_the_points():
    points = np.random.default_rng(0).normal(size=(20, 4))
    np.testing.assert_allclose(pca(points).points[::-1], pca(points[::-1]).points, atol=1e-9)


def test_distances_are_those_of_loops(groups):
    own, others, nearest, scores = [], [], [], []
    for sfi, label in zip(groups.sfis, groups.sfi_labels, strict=True):
        mine = groups.natural[groups.natural_labels == label]
        pairs = [np.linalg.norm(a - b) for i, a in enumerate(mine) for b in mine[:i]]
        unit = np.mean(pairs)
        own.append(np.mean([np.linalg.norm(sfi - x) for x in mine]) / unit)
        rest = groups.natural[groups.natural_labels != label]
        others.append(np.mean([np.linalg.norm(sfi - x) for x in rest]) / unit)
        means = [groups.natural[groups.natural_labels == c].mean(0) for c in range(3)]
        nearest.append(np.argmin([np.linalg.norm(sfi - mean) for mean in means]) == label)
        left_out = [
            np.linalg.norm(x - np.delete(mine, i, axis=0).mean(0)) for i, x in enumerate(mine)
        ]
        away = np.linalg.norm(sfi - mine.mean(0))
        scores.append(np.mean(away > np.array(left_out)))
    found = nearness(groups)
    assert found.nearest == np.mean(nearest)
    assert found.own == pytest.approx(np.mean(own))
    assert found.others == pytest.approx(np.mean(others))
    assert found.auroc == pytest.approx(np.mean(scores))


def test_the_figures_of_a_class_are_those_of_its_sfis_alone(groups):
    parts = [nearness(groups.of_class(label)) for label in (0, 2)]
    whole = nearness(groups)
    for name in ("nearest", "own", "others", "auroc"):
        first, second = (getattr(part, name) for part in parts)
        assert getattr(whole, name) == pytest.approx((3 * first + second) / 4)


def test_auroc_is_scikit_learns():
    random = np.random.default_rng(3)
    positive, negative = random.integers(0, 9, 30) / 3.0, random.integers(0, 6, 20) / 3.0
    truth = [1] * 30 + [0] * 20
    expected = roc_auc_score(truth, np.concatenate([positive, negative]))
    assert auroc(positive, negative) == pytest.approx(expected)


def test_features_do_not_depend_on_the_batches(network, monkeypatch):
    images = np.random.default_rng(4).random((7, 6, 6, 1)).astype(np.float32)
    whole = show_features(network, images, "features")
    expected = np.maximum(images.reshape(7, -1) @ np.asarray(network.inner[...]), 0)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("jfool.features._IMAGES_AT_ONCE", 3)
    np.testing.assert_array_equal(show_features(network, images, "features"), whole)


@pytest.mark.usefixtures("network")
def test_every_image_is_a_point_and_every_class_a_row(out):
    section = run(out)
    overall, by_class = section["tables"]
    assert section["pictures"][0]["caption"].startswith(f"{3 * 4 + 3 * 3 + 2} images")
    assert "features, 6 numbers" in section["notes"][0]
    assert overall["measured"][0][0] == 100
    assert overall["measured"][1][0] == pytest.approx(100 * sum(section["data"]["explained"]))
    assert by_class["rows"] == ["low", "middle", "high"]
    assert Image.open(out / "pca.png").size[0] > 600
    assert run(out)["tables"] == section["tables"]


def test_natural_images_are_the_first_of_each_class():
    labels = np.array([1, 0, 1, 0, 1, 0])
    assert deep_features.natural_rows(labels, 2, 2).tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match=r"naturals: expected at most 3, .*, got 4"):
        deep_features.natural_rows(labels, 4, 2)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"layer": "fc9"}, ValueError, "layer: expected one of fc1, fc2, fc3, got 'fc9'"),
        ({"naturals": 1}, ValueError, "naturals: expected a number of at least 2, got 1"),
        ({"k": 0}, ValueError, "k: expected a number of at least 1, got 0"),
        ({"until": 0.0}, ValueError, "until: expected a confidence"),
        ({"training_seed": -1}, ValueError, "training_seed: expected a whole number"),
        ({"network": "mlp=none"}, FileNotFoundError, "network: expected a file, got none at"),
        ({"bases": ("black", "red")}, ValueError, "colors: expected black, grey, white or"),
    ],
)
def test_what_cannot_work_is_refused(changes, error, sentence, out):
    with pytest.raises(error, match=sentence):
        run(out, **changes)
    assert not out.exists()
