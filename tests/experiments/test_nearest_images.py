"""Training images nearest to evolved ones: the distances, the section, and what is refused."""

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.nguyen2015 import nearest_images
from experiments.nguyen2015.nearest_images import EXPERIMENT, PIXELS, nearest_of_class
from tests.experiments.helpers import run
from tests.experiments.tiny_encoding import Blocks
from tests.experiments.tiny_network import in_place_of_digits

COMMAND = "nguyen2015 nearest_images"
SHAPE, NAMES = (6, 6, 1), ("low", "middle", "high")


def test_the_nearest_of_the_class_is_that_of_trying_all(monkeypatch):
    monkeypatch.setattr(nearest_images, "_AT_ONCE", 3)
    rng = np.random.default_rng(0)
    points, natural = rng.normal(size=(20, 5)), rng.normal(size=(40, 5))
    labels, natural_labels = rng.integers(0, 3, 20), rng.integers(0, 3, 40)
    points[0], labels[0] = natural[3], natural_labels[3]  # the same
    index, distance = nearest_of_class(points, labels, natural, natural_labels)
    for i, (point, label) in enumerate(zip(points, labels, strict=True)):
        of_class = [j for j in range(40) if natural_labels[j] == label]
        away = [np.sqrt(((natural[j] - point) ** 2).sum()) for j in of_class]
        assert index[i] == of_class[int(np.argmin(away))]
        assert distance[i] == pytest.approx(min(away))
    assert (index[0], distance[0]) == (3, 0)


@pytest.fixture(scope="module")
def dataset(module_patch):
    """Three classes of random images, a tiny network, and two methods that are the same."""
    blocks = {"direct": Blocks, "cppn": Blocks}
    module_patch.setattr(nearest_images, "METHODS", blocks)
    in_place_of_digits(module_patch, "lenet", SHAPE, len(NAMES))
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (30, *SHAPE)).astype(np.uint8)
    labels = np.arange(30, dtype=np.int32) % len(NAMES)
    found = models.Dataset("digits", images[:24], labels[:24], images[24:], labels[24:], NAMES)
    module_patch.setattr(models, "load_dataset", lambda name: found)
    module_patch.setattr(models, "class_names", lambda name: NAMES)
    return found


@pytest.fixture(scope="module")
def done(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("nearest") / "run"
    return out, run(EXPERIMENT, COMMAND, out)


def away(dataset, image, label):
    """The distances in pixels to the training images of a class, infinite to all others."""
    others = (dataset.train_images / 255 - image).reshape(len(dataset.train_images), -1)
    return np.where(dataset.train_labels == label, np.linalg.norm(others, axis=1), np.inf)


def test_the_section_tells_how_near_champions_and_test_images_are(dataset, done):
    out, section = done
    (table,) = section.tables
    assert table.rows == ["direct, pixels", "direct, features", "CPPN, pixels", "CPPN, features"]
    of_class = zip(dataset.test_images / 255, dataset.test_labels, strict=True)
    test = [away(dataset, image, label).min() for image, label in of_class]
    champions = lab.Records.read(out / "champions.parquet")
    for row, method in zip(table.measured[::2], ("direct", "cppn"), strict=True):
        of = champions.where(method=method)
        attack = jfool.EvolvedFooling(Blocks(SHAPE), len(NAMES))
        images = jfool.read_sweep(out / method).images(attack, jfool.EvolutionJob)
        pairs = zip(images.reshape(-1, *SHAPE), of["target"], strict=True)
        expected = np.array([away(dataset, image, label) for image, label in pairs])
        np.testing.assert_array_equal(of["target"], [0, 1, 2] * 2)
        np.testing.assert_array_equal(of["nearest in pixels"], expected.argmin(1))
        distance = expected.min(1)
        np.testing.assert_allclose(of[PIXELS], distance, rtol=1e-5)
        assert row[:2] == pytest.approx([np.median(distance), distance.min()], rel=1e-5)
        assert row[2] == pytest.approx(np.median(test), rel=1e-5)
        assert row[4] == int(100 * (distance <= np.quantile(test, 0.99)).mean())
    for picture in section.pictures:
        with Image.open(out / picture.file) as image:
            assert min(image.size) > 300


def test_images_of_the_data_set_are_drawn_only_where_they_are_wanted(dataset, done, monkeypatch):
    out, _ = done
    drawn = []
    monkeypatch.setattr(lab, "draw_gallery", lambda *a, **_: drawn.append(a))
    for show_natural in (True, False):
        run(EXPERIMENT, COMMAND, out, show_natural=show_natural)
    (_, shown, names), _, (_, alone, _), _ = drawn
    assert names == NAMES
    assert [head for head, _ in shown] == ["evolved", "nearest in\npixels", "nearest in\nfeatures"]
    assert [head for head, _ in alone] == ["evolved"]
    training = {image.tobytes() for image in dataset.train_images}
    for _, row in shown[1:]:
        assert {np.rint(255 * tile.image).astype(np.uint8).tobytes() for tile in row} <= training
    for number, tile in enumerate(alone[0][1]):
        assert tile.caption.split("\n") == [row[number].caption for _, row in shown]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("indirect",)}, "methods: expected one of .*, got 'indirect'"),
        ({"population": 7}, "population: expected an even number, got 7"),
        ({"runs": 0}, "runs: expected a number of at least 1, got 0"),
        ({"network": "resnet"}, "network: expected one of"),
        ({"layer": "ip9"}, "layer: expected one of conv1, .*, ip2, got 'ip9'"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    changes, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=message):
        run(EXPERIMENT, COMMAND, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
