"""The experiment on deep feature inversion: what it chooses, measures and writes."""

import dataclasses
import json

import numpy as np
import pytest
import tyro

import models
from experiments.kumano2020 import inversion
from experiments.kumano2020.inverted import Found, natural_cosine, natural_images
from experiments.lab.judging import probabilities
from experiments.lab.shown import command
from models import Dataset
from tests.experiments.tiny_network import TinyNetwork

SMOKE = inversion.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3


@pytest.fixture
def network(monkeypatch):
    """Three classes of 6 x 6 images, labelled as the network sees them, but for one."""
    network = TinyNetwork(SHAPE, NUM_CLASSES, seed=13)  # sees all three
    network.eval()
    images = np.random.default_rng(1).integers(0, 256, (60, *SHAPE), np.uint8)
    labels = predicted(network, images)
    labels[np.flatnonzero(labels == 0)[0]] = 1
    dataset = Dataset("digits", images, labels, images, labels, ("low", "middle", "high"))
    card = {"model": "lenet", "dataset": "digits", "accuracy": 0.5, "num_test_images": 4}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    return network, dataset


def predicted(network, images):
    x = images.reshape(len(images), -1) / 255
    hidden = np.maximum(x @ np.asarray(network.inner[...]), 0)
    return (hidden @ np.asarray(network.outer[...])).argmax(1).astype(np.int32)


def test_it_writes_a_section_with_the_images_that_the_tables_speak_of(network, tmp_path, capsys):
    config = dataclasses.replace(SMOKE, out=tmp_path, lambdas=(0.0, 1e3), colors=("grey",))
    inversion.main(config)
    written = json.loads((tmp_path / "section.json").read_text())
    over_lambdas, over_classes = written["tables"]
    assert over_lambdas["rows"] == ["grey, lambda 0", "grey, lambda 1000"]
    cosine, distance, altered = np.array(over_lambdas["measured"])[:, :3].T
    assert cosine[0] > cosine[1]
    assert distance[0] < distance[1]
    assert altered[0] > 50
    assert altered[1] == 0  # so large a penalty leaves the plain colour
    assert over_classes["columns"] == ["low", "middle", "high"]
    held = np.load(tmp_path / "images.npz")
    assert held["images"].shape == (3, *SHAPE)
    assert held["base"].tolist() == [[0.5]] * 3
    assert held["labels"].tolist() == [0, 1, 2]
    shown = probabilities(network[0], held["images"])[np.arange(3), held["labels"]]
    np.testing.assert_allclose(held["confidence"], shown, rtol=1e-5)
    assert held["l1_weight"] == 0
    for picture in written["pictures"]:
        assert (tmp_path / picture["file"]).read_bytes().startswith(b"\x89PNG")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["experiment"] == "inversion"


def test_natural_images_are_the_first_that_are_classified_right(network):
    model, dataset = network
    images, labels = natural_images(model, dataset, 2)
    right = predicted(model, dataset.test_images) == dataset.test_labels
    for i, label in enumerate([0, 0, 1, 1, 2, 2]):
        rows = np.flatnonzero(right & (dataset.test_labels == label))
        assert labels[i] == label
        np.testing.assert_array_equal(
            images[i], dataset.test_images[rows[i % 2]].astype(np.float32) / 255
        )
    with pytest.raises(ValueError, match=r"images_per_class: expected 60 test images of low"):
        natural_images(model, dataset, 60)


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


def test_the_lambda_chosen_is_the_least_that_alters_a_quarter_of_the_pixels_or_fewer():
    altered = np.array(
        [[[36, 30, 36], [9, 9, 20], [2, 9, 3]], [[36, 36, 36], [30, 20, 25], [36] * 3]]
    )
    empty = np.zeros((2, 3, 3))
    found = Found(np.zeros((2, 3, 3, *SHAPE)), np.arange(3), empty, empty, empty, altered, altered)
    assert [found.chosen(0), found.chosen(1)] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: expected a number of at least 1, got 0"),
        ({"lambdas": ()}, "lambdas: expected ascending numbers of at least 0"),
        ({"lambdas": (0.1, 0.01)}, "lambdas: expected ascending numbers of at least 0"),
        ({"lambdas": (0.1, float("nan"))}, "lambdas: expected ascending numbers of at least 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected more than 0, got 0.0"),
        ({"network": "nope"}, "network: expected one of"),
        ({"colors": ("pink",)}, "colors: expected"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_read(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        inversion.main(dataclasses.replace(SMOKE, out=tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_an_unknown_layer_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match=r"layer: expected one of conv1, .*, ip2, got 'pool'"):
        inversion.main(dataclasses.replace(SMOKE, out=tmp_path, layer="pool"))


def test_the_command_of_a_section_is_one_that_the_command_line_takes():
    paper = inversion.PRESETS["paper"][1]
    config = dataclasses.replace(paper, groups=True, show_natural=False, lambdas=(0.1, 0.2))
    words = command("inversion", config, paper).split()
    assert words[:4] == ["python", "-m", "experiments", "inversion"]
    parsed = tyro.extras.overridable_config_cli(inversion.PRESETS, args=words[4:])
    assert parsed == config


@pytest.mark.usefixtures("network")
def test_a_colour_without_a_name_is_drawn(tmp_path):
    inversion.main(dataclasses.replace(SMOKE, out=tmp_path, colors=("0.2", "white")))
    written = json.loads((tmp_path / "section.json").read_text())
    assert [p["file"] for p in written["pictures"]] == [
        "curve.png",
        "pairs_0.2.png",
        "pairs_white.png",
    ]
