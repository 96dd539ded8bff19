"""Training images nearest to evolved ones: the distances, the section, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import models
from experiments.nguyen2015 import nearest_images
from experiments.nguyen2015.nearest import nearest_of_class
from experiments.nguyen2015.nearest_images import PIXELS
from tests.experiments.tiny_network import in_place_of_digits

SMOKE = nearest_images.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3


def test_the_nearest_of_the_class_is_that_of_trying_all(monkeypatch):
    monkeypatch.setattr("experiments.nguyen2015.nearest._AT_ONCE", 3)
    rng = np.random.default_rng(0)
    points, natural = rng.normal(size=(20, 5)), rng.normal(size=(40, 5))
    labels, natural_labels = rng.integers(0, 3, 20), rng.integers(0, 3, 40)
    points[0], labels[0] = natural[3], natural_labels[3]  # the same
    found = nearest_of_class(points, labels, natural, natural_labels)
    for i, (point, label) in enumerate(zip(points, labels, strict=True)):
        of_class = [j for j in range(40) if natural_labels[j] == label]
        away = [np.sqrt(((natural[j] - point) ** 2).sum()) for j in of_class]
        assert found.index[i] == of_class[int(np.argmin(away))]
        assert found.distance[i] == pytest.approx(min(away))
    assert (found.index[0], found.distance[0]) == (3, 0)


@pytest.fixture
def dataset(monkeypatch, quick_compiler):
    """Three classes of random images, and a tiny network."""
    in_place_of_digits(monkeypatch, "lenet", SHAPE, NUM_CLASSES)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (30, *SHAPE)).astype(np.uint8)
    labels = np.arange(30, dtype=np.int32) % NUM_CLASSES
    found = models.Dataset(
        "digits", images[:24], labels[:24], images[24:], labels[24:], ("low", "middle", "high")
    )
    monkeypatch.setattr(models, "load_dataset", lambda name: found)
    return found


def test_the_section_tells_how_near_champions_and_test_images_are(dataset, tmp_path):
    nearest_images.main(dataclasses.replace(SMOKE, out=tmp_path))
    section = json.loads((tmp_path / "section.json").read_text())
    (table,) = section["tables"]
    assert table["rows"] == ["direct, pixels", "direct, features", "CPPN, pixels", "CPPN, features"]
    test = [
        min(
            np.linalg.norm(one / 255.0 - other / 255.0)
            for other, of in zip(dataset.train_images, dataset.train_labels, strict=True)
            if of == label
        )
        for one, label in zip(dataset.test_images, dataset.test_labels, strict=True)
    ]
    for row, method in zip(table["measured"][::2], ("direct", "cppn"), strict=True):
        distance = np.array(section["data"]["distances"][method][PIXELS])
        assert distance.shape == (2 * NUM_CLASSES,)
        assert row[:2] == pytest.approx([np.median(distance), distance.min()])
        assert row[2] == pytest.approx(np.median(test), rel=1e-5)
        assert row[4] == int(100 * (distance <= np.quantile(test, 0.99)).mean())
    for picture in section["pictures"]:
        with Image.open(tmp_path / picture["file"]) as image:
            assert min(image.size) > 300


def test_images_of_the_data_set_are_drawn_only_where_they_are_wanted(dataset, tmp_path):
    drawn = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "experiments.nguyen2015.nearest_figure.draw_gallery", lambda *a, **_: drawn.append(a)
        )
        for show_natural in (True, False):
            config = dataclasses.replace(SMOKE, methods=("direct",), show_natural=show_natural)
            nearest_images.main(dataclasses.replace(config, out=tmp_path))
    (_, shown, heads, _), (_, alone, head, _) = drawn
    assert heads == ["evolved", "nearest in\npixels", "nearest in\nfeatures"]
    assert head == ["evolved"]
    training = {image.tobytes() for image in dataset.train_images}
    for row in shown[1:]:
        assert {np.rint(255 * tile.image).astype(np.uint8).tobytes() for tile in row} <= training
    for number, tile in enumerate(alone[0]):
        assert tile.caption.split("\n") == [row[number].caption for row in shown]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("indirect",)}, "methods: expected some of .* got indirect"),
        ({"population": 7}, "population: expected an even number, got 7"),
        ({"runs": 0}, "runs: expected a number of at least 1, got 0"),
        ({"network": "resnet"}, "network: expected one of"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_first(change, message):
    with pytest.raises(ValueError, match=message):
        nearest_images.check(dataclasses.replace(SMOKE, **change))


@pytest.mark.usefixtures("dataset")
def test_a_layer_that_the_network_lacks_is_refused(tmp_path):
    config = dataclasses.replace(SMOKE, out=tmp_path / "run", layer="ip9")
    with pytest.raises(ValueError, match=r"layer: expected one of conv1, .*, ip2, got 'ip9'"):
        nearest_images.main(config)
    assert not (tmp_path / "run").exists()
