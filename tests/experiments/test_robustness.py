"""Robust accuracy from the command line."""

import json

import numpy as np
import pytest

import jfool
import models
from experiments import lab, robustness
from models import Dataset
from tests.experiments.tiny_network import TinyNetwork

SHAPE, NUM_CLASSES = (6, 6, 1), 3


@pytest.fixture
def network(monkeypatch):
    """A network, 12 images of which it gets 9 right, and stages of a few steps."""
    network = TinyNetwork(SHAPE, NUM_CLASSES, seed=7)
    network.eval()
    images = np.random.default_rng(2).integers(0, 256, (12, *SHAPE)).astype(np.uint8)
    labels = np.asarray(network(images / np.float32(255))).argmax(1).astype(np.int32)
    labels[:3] = (labels[:3] + 1) % NUM_CLASSES
    names = ("low", "middle", "high")
    dataset = Dataset("digits", images, labels, images, labels, names)
    card = {"dataset": "digits", "accuracy": 0.75, "num_test_images": 12}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "class_names", lambda name: names)
    monkeypatch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    pgd = jfool.PGD(SHAPE, NUM_CLASSES, step_size=0.02)
    stages = [jfool.Stage("first", pgd, 0), jfool.Stage("second", pgd, 20)]
    monkeypatch.setattr("jfool.robustness_checks.auto_attack", lambda *args: stages)
    return network


def run(out, **changes):
    settings = lab.changed(robustness.EXPERIMENT.settings, **{"images": 12} | changes)
    return robustness.EXPERIMENT.run("robustness", "", settings, out)


def test_the_last_line_and_the_table_say_what_is_left(network, tmp_path, capsys):
    section = run(tmp_path / "run", epsilon=0.1)
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = lab.Records.read(tmp_path / "run" / "images.parquet")
    broken = ~np.isin(found["broken_by"], ["", "clean"])
    assert broken.any()
    assert (found["prediction"] != found["label"])[broken].all()
    assert (found["distance"][broken] <= 0.1 + 1e-6).all()
    assert line["clean_accuracy"] == 0.75
    assert line["robust_accuracy"] == (found["broken_by"] == "").mean()
    assert line["num_gradients"] == found["num_gradients"].sum() > 0
    (table,) = section.tables
    assert table.rows == ["before", "after first", "after second"]
    last = dict(zip(table.columns, table.measured[-1], strict=True))
    assert last["accuracy"] == 100 * line["robust_accuracy"]
    of_second = (found["broken_by"] == "second").sum()
    assert last["broken"] == f"{of_second} of {9 - (found['broken_by'] == 'first').sum()}"
    assert (tmp_path / "run" / "broken.png").exists()
    assert run(tmp_path / "run", epsilon=0.1).tables[0].rows == table.rows  # resumes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": 13}, "images: expected at most the 12 of digits, got 13"),
        ({"norm": "L0"}, "norm: expected"),
        ({"attack": "rand"}, "attack: expected"),
        ({"epsilon": 0.0}, "epsilon: expected a radius above 0, got 0"),
        ({"epsilon": 8.0}, r"epsilon: expected a radius in image units .*divide by 255"),
    ],
)
@pytest.mark.usefixtures("network")
def test_what_cannot_work_is_refused(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        run(tmp_path / "run", **changes)
