"""The experiment on deep feature inversion: what it chooses, measures and writes."""

import json

import numpy as np
import pytest

import jfool
import models
from experiments import lab
from experiments.kumano2020.inversion import EXPERIMENT, chosen_lambda, natural_cosine
from experiments.lab.test_images import first_of_each_class
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES = (6, 6, 1), 3
CHANGES = {"lambdas": (0.0, 1e3), "colors": ("grey", "0.2")}


@pytest.fixture(scope="module")
def network():
    """Three classes of 6 x 6 images, labelled as the network sees them, but for one."""
    network = TinyNetwork(SHAPE, NUM_CLASSES, seed=13)  # sees all three
    network.eval()
    images = np.random.default_rng(1).integers(0, 256, (60, *SHAPE), np.uint8)
    labels = predicted(network, images / 255)
    labels[np.flatnonzero(labels == 0)[0]] = 1
    names = ("low", "middle", "high")
    dataset = models.Dataset("digits", images, labels, images, labels, names)
    card = {"model": "lenet", "dataset": "digits", "accuracy": 0.5, "num_test_images": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load_dataset", lambda name: dataset)
        patch.setattr(models, "class_names", lambda name: names)
        patch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
        yield network, dataset


@pytest.fixture(scope="module")
def ran(network, tmp_path_factory):
    """A run's section, and its folder."""
    out = tmp_path_factory.mktemp("inversion")
    return run(out, **CHANGES), out


def run(out, **changes):
    settings = lab.changed(EXPERIMENT.preset("smoke"), **changes)
    return EXPERIMENT.run("kumano2020 inversion", "smoke", settings, out)


def logits(network, images):
    """In double precision."""
    hidden = np.maximum(images.reshape(len(images), -1) @ np.asarray(network.inner[...], float), 0)
    return hidden @ np.asarray(network.outer[...], float)


def predicted(network, images):
    return logits(network, images).argmax(1).astype(np.int32)


def test_a_penalty_that_is_too_large_leaves_the_plain_color(ran):
    section, out = ran
    over_lambdas, over_classes, _ = section.tables
    assert over_lambdas.rows[:2] == ["grey, lambda 0", "grey, lambda 1000"]
    cosine, distance, altered = np.array(over_lambdas.measured)[:2, :3].T
    assert cosine[0] > cosine[1]
    assert distance[0] < distance[1]
    assert altered[0] > 50
    assert altered[1] == 0
    assert over_classes.columns == ["low", "middle", "high"]
    assert json.loads((out / "section.json").read_text())["name"] == "kumano2020/inversion"


def test_the_tables_are_of_the_images_in_the_sweep(network, ran):
    section, out = ran
    results = jfool.read_sweep(out / "sweep")
    gray = np.flatnonzero((results.column("job.base") == 0.5).all(1))
    assert results.column("job.target")[gray].tolist() == [0, 1, 2] * 2
    assert results.column("job.l1_weight")[gray].tolist() == [0] * 3 + [1000] * 3
    images = results.column("genotype")[gray]
    exponentials = np.exp(logits(network[0], images))
    shown = (exponentials / exponentials.sum(1, keepdims=True))[range(6), [0, 1, 2] * 2]
    np.testing.assert_allclose(results.column("confidence")[gray], shown, rtol=1e-5)
    by_class = section.tables[1]  # at the lambda that alters fewest
    np.testing.assert_allclose(by_class.measured[1], 100 * shown[3:], rtol=1e-5)
    altered = np.median((images[:3] != 0.5).any(-1).sum((1, 2)))
    clear = np.median((np.abs(images[:3] - 0.5) > 0.3).any(-1).sum((1, 2)))
    assert section.tables[0].measured[0][2:4] == pytest.approx([altered / 0.36, clear / 0.36])


def test_the_pictures_are_drawn_for_colors_without_a_name_too(ran):
    section, out = ran
    files = [picture.file for picture in section.pictures]
    assert files == ["curve.png", "pairs_grey.png", "pairs_0.2.png"]
    for file in files:
        assert (out / file).read_bytes().startswith(b"\x89PNG")


def test_a_second_start_searches_nothing_and_says_the_same(ran):
    section, out = ran
    written = {path: path.stat().st_mtime_ns for path in (out / "sweep").rglob("*.parquet")}
    assert run(out, **CHANGES).tables == section.tables
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_natural_images_are_the_first_that_are_classified_right(network):
    model, dataset = network
    right = predicted(model, dataset.test_images / 255) == dataset.test_labels
    assert not right.all()
    rows = first_of_each_class(dataset, 2, "images_per_class", right)
    expected = [np.flatnonzero(right & (dataset.test_labels == c))[:2] for c in range(3)]
    assert rows.tolist() == np.concatenate(expected).tolist()
    with pytest.raises(ValueError, match=r"images_per_class: expected at most .*, got 60"):
        first_of_each_class(dataset, 60, "images_per_class", right)


def test_the_natural_cosine_is_the_median_over_all_pairs_of_a_class(network):
    model, dataset = network
    hidden = np.maximum(dataset.test_images.reshape(60, -1) / 255 @ np.asarray(model.inner[...]), 0)
    labels = dataset.test_labels
    pairs = [
        hidden[i] @ hidden[j] / np.linalg.norm(hidden[i]) / np.linalg.norm(hidden[j])
        for i in range(60)
        for j in range(i)
        if labels[i] == labels[j]
    ]
    assert natural_cosine(model, "features", dataset) == pytest.approx(np.median(pairs), rel=1e-4)


@pytest.mark.parametrize(
    "altered", [[[36, 30, 36], [9, 9, 20], [2, 9, 3]], [[36, 36, 36], [30, 20, 25], [36] * 3]]
)
def test_the_lambda_chosen_is_the_least_that_alters_a_quarter_of_the_pixels_or_fewer(altered):
    weights = np.repeat([0.1, 0.2, 0.3], 3)
    found = lab.Records.of(l1_weight=weights, altered=np.array(altered).ravel())
    assert chosen_lambda(found, 36) == 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 0}, "num_steps: expected a number of at least 1, got 0"),
        ({"lambdas": ()}, "lambdas: expected one or more ascending numbers, got none"),
        ({"lambdas": (0.1, 0.01)}, "lambdas: expected one or more ascending numbers"),
        ({"lambdas": (0.1, float("nan"))}, "lambdas: expected a number of at least 0, got nan"),
        ({"lambdas": (-0.1, 0.1)}, "lambdas: expected a number of at least 0, got -0.1"),
        ({"lambdas": (1e39,)}, r"lambdas: .* 0 to 2147483647, got 1e\+39 \(infinite in 32 bits\)"),
        ({"lambdas": (1e-50,)}, r"lambdas: .* of at least 0, got 1e-50 \(0 in 32 bits\)"),
        ({"step_size": 1e39}, "step_size: expected a number above 0, got 1e"),
        ({"step_size": 1e-50}, "step_size: expected a number above 0, got 1e-50"),
        ({"step_size": 0.0}, "step_size: expected a number above 0, got 0.0"),
        ({"network": "nope"}, "network: expected one of"),
        ({"colors": ("pink",)}, "colors: expected"),
        ({"penalty": "l2"}, "penalty: expected one of l1, group_l1, got 'l2'"),
        ({"layer": "pool"}, r"layer: expected one of conv1, .*, ip2, got 'pool'"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_read(changes, message, out):
    with pytest.raises(ValueError, match=message):
        run(out, **changes)
    assert not out.exists()


def test_the_command_of_a_section_is_one_that_the_command_line_takes():
    settings = EXPERIMENT.typed("--penalty group_l1 --no-show-natural --lambdas 0.1 0.2")
    assert settings == lab.changed(
        EXPERIMENT.settings, penalty="group_l1", show_natural=False, lambdas=(0.1, 0.2)
    )
