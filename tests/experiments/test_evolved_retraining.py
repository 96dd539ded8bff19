"""Images that evolve through networks that know such images: rounds on digits, natural images."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments.lab.judging import probabilities
from experiments.lab.retraining import Measured
from experiments.nguyen2015 import methods, natural, rounds
from experiments.nguyen2015.fooling_images import FoolingImages, evolve_fooling
from experiments.nguyen2015.methods import Runs
from experiments.nguyen2015.natural_report import Probed, compared, pictures_table
from experiments.nguyen2015.rounds_report import (
    ERROR,
    MNIST_ERROR,
    SCORE,
    TRAIN,
    VAL,
    Round,
    table_s2,
)
from models import SGD, Dataset, Recipe
from tests.experiments.tiny_encoding import Blocks
from tests.experiments.tiny_network import TinyNetwork

SHAPE = (8, 8, 1)
ROUNDS, NATURAL = rounds.PRESETS["smoke"][1], natural.PRESETS["smoke"][1]
SMALL = {"population": 8, "num_steps": None, "generations": 3, "network": "mlp"}


@pytest.fixture
def stripes(monkeypatch):
    """Two easy classes; and evolution by something that compiles in no time."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, *SHAPE)).astype(np.uint8)
    images[labels == 1, :4] += 150
    dataset = Dataset("digits", images, labels, images[:10], labels[:10], ("low", "high"))
    recipe = Recipe(SGD(), num_steps=8, batch_size=10, source="made up")
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr("models.zoo.RECIPES", {"digits": {"mlp": recipe}})
    monkeypatch.setattr(methods, "METHODS", {"cppn": Blocks})
    return dataset


def run(experiment, smoke, out, **changes):
    experiment.main(dataclasses.replace(smoke, out=out, **{**SMALL, **changes}))
    return json.loads((out / "section.json").read_text())


def champions(levels, confidence):
    """`R` runs of two cells whose images are of these levels."""
    levels, confidence = np.asarray(levels, np.float32), np.asarray(confidence, np.float32)
    images = np.broadcast_to(levels[..., None, None, None] / 255, (*levels.shape, *SHAPE))
    prediction = np.resize([[0, 1], [1, 0], [0, 2]], confidence.shape)
    nothing = np.zeros(len(levels))
    return Runs(confidence[:, None], confidence, prediction, images, nothing > 0, nothing + 8)


FOUND = FoolingImages(
    champions([[0, 1], [10, 11], [20, 20]], np.zeros((3, 2))),
    champions([[2, 3], [12, 13], [20, 23]], [[0.5, np.nan], [0.99, 0.2], [0.6, 1]]),
    held_out=1,
)


def test_the_last_runs_are_held_out_with_both_generations():
    assert FOUND.trained[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert FOUND.tested[:, 0, 0, 0].tolist() == [20, 20, 20, 23]
    assert FOUND.num_distinct == 10


def test_a_champion_that_the_network_says_nothing_of_scores_nothing():
    np.testing.assert_allclose(FOUND.scores, [[0.5, 0], [0.99, 0.2], [0.6, 1]])
    assert FOUND.fooled == 3 / 6
    assert FOUND.num_queries == 48


def test_the_first_generation_is_the_start_of_the_runs_that_go_on(stripes, tmp_path):
    model = TinyNetwork(SHAPE, 3)
    model.eval()
    config = dataclasses.replace(ROUNDS, population=6, generations=2)
    found = evolve_fooling(config, model, stripes, runs=2, held_out=1, first_run=5, folder=tmp_path)
    assert found.last.images.shape == (3, 2, *SHAPE)  # the third output has no cell
    np.testing.assert_allclose(found.last.fitness[:, 0], found.first.confidence, rtol=1e-5)
    given = probabilities(model, found.first.images.reshape(-1, *SHAPE)).reshape(3, 2, 3)
    np.testing.assert_allclose(found.first.confidence[:, 0], given[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found.first.confidence[:, 1], given[:, 1, 1], rtol=1e-5)
    assert (found.last.confidence >= found.first.confidence - 1e-6).all()
    assert found.num_queries == 3 * 6 * (1 + 3)
    assert not np.array_equal(found.first.images[0], found.first.images[1])


def test_each_network_knows_what_evolved_through_all_before_it(stripes, tmp_path, monkeypatch):
    def evolve(config, model, dataset, *, runs, held_out, first_run, folder):
        asked.append((runs, held_out, first_run, folder.name))
        levels = 100 * (len(asked) - 1) + np.arange(2 * (runs + held_out)).reshape(-1, 2)
        confidence = np.full(levels.shape, 0.25)
        return FoolingImages(
            champions(levels, confidence), champions(levels + 50, confidence), held_out
        )

    def retrained(name, dataset, recipe, seed, path):
        data.append(dataset.train_images[40:, 0, 0, 0].tolist())
        model = TinyNetwork(SHAPE, len(dataset.class_names))
        model.eval()
        return model

    asked, data = [], []
    monkeypatch.setattr(rounds, "evolve_fooling", evolve)
    monkeypatch.setattr(rounds, "retrained", retrained)
    changes = {"first_runs": 2, "first_held_out": 2, "runs": 1, "held_out": 1}
    section = run(rounds, ROUNDS, tmp_path, rounds=2, first_images=10, images=3, **changes)
    assert asked == [(2, 2, 0, "DNN_1"), (1, 1, 4, "DNN_2"), (1, 1, 6, "DNN_3")]
    first, second = [0, 1, 50, 51, 2, 3, 52, 53, 0, 1], [100, 101, 150]
    assert data == [[], first, first + second]
    (table,) = section["tables"]
    assert [row[2:5] for row in table["measured"]] == [
        [40, 10, "25.00"],
        [50, 10 + 8, "25.00"],
        [53, 10 + 8 + 4, "25.00"],
    ]


def test_rounds_are_published_and_nothing_is_done_twice(stripes, tmp_path, capsys):
    section = run(rounds, ROUNDS, tmp_path, first_images=20, images=5)
    assert "epoch 1" in capsys.readouterr().err
    (table,) = section["tables"]
    assert table["rows"] == ["DNN_1", "DNN_2"]
    assert table["paper"] is None  # its networks are trained on MNIST
    for number, row in enumerate(table["measured"]):
        path = tmp_path / "networks" / f"DNN_{number + 1}.safetensors"
        model = models.load("mlp", path, SHAPE, 2 + number)
        wrong = 1 - models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert row[1] == f"{100 * wrong:.2f}"
        last = jfool.read_sweep(tmp_path / "runs" / f"DNN_{number + 1}" / "last")
        assert len(last) == 3
        scores = last.column("confidence")
        assert float(row[4]) == pytest.approx(100 * np.median(scores), abs=0.0101)
        assert set(last.column("job_id")) == {3 * number + i for i in range(3)}
    assert any("Assumption" in note for note in section["notes"])
    for picture in section["pictures"]:
        with Image.open(tmp_path / picture["file"]) as image:
            assert min(image.size) > 200
    again = run(rounds, ROUNDS, tmp_path, first_images=20, images=5)
    assert again == section
    assert "epoch 1" not in capsys.readouterr().err


def test_table_s2_is_the_papers():
    assert [len(row) for row in (ERROR, MNIST_ERROR, SCORE, TRAIN, VAL)] == [15] * 5
    assert (TRAIN[0], TRAIN[1], TRAIN[-1]) == (60_000, 66_000, 79_000)
    assert (VAL[0], VAL[1], VAL[-1]) == (10_000, 11_000, 12_300)
    table = table_s2([Round(Measured(0.9906), 60_000, 10_000, FOUND)], beside_paper=True)
    assert len(table.rows) == 15
    assert table.measured[0] == ["0.94", "0.94", 60_000, 10_000, "55.00", "50.0", "33.3", None]
    assert table.measured[1] == [None] * 8
    assert table.paper[3][:5] == ["0.89", "0.83", 68_000, 11_200, "72.52"]


def test_errors_count_the_fooling_images_that_were_held_out():
    measured = Measured(natural=0.99, defence=0.5, combined=0.95, flagged=0.1)
    (row,) = table_s2([Round(measured, 1, 2, FOUND)], beside_paper=False).measured
    assert (row[0], row[1], row[-1]) == ("5.00", "1.00", "50.0")


def test_inoculated_networks_are_compared_with_the_one_before(stripes, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    for level in (0, 120, 255):
        Image.new("RGB", (20, 10), (level, level, level)).save(folder / f"{level}.png")
    out = tmp_path / "out"
    section = run(natural, NATURAL, out, pictures=folder)
    capsys.readouterr()
    medians, test, recognised = section["tables"]
    assert medians["rows"] == ["DNN_1", "DNN_2, 1-fold", "DNN_2, 7-fold"]
    assert [row[1] for row in medians["measured"]] == [0, 20, 140]  # 40 images of two classes
    before = np.ravel(section["data"]["scores"]["DNN_1"])
    for i, name in enumerate(medians["rows"][1:]):
        after = np.ravel(section["data"]["scores"][name])
        pairs = before[:, None] - after[None]
        assert test["measured"][i][0] == f"{(pairs > 0).sum() + (pairs == 0).sum() / 2:.0f}"
        given = np.array(section["data"]["of_pictures"][name])
        assert given.shape == (3, 3)
        assert recognised["measured"][i][:2] == [int((given.argmax(1) == 2).sum()), 3]
    assert section["data"]["pictures"] == ["0.png", "120.png", "255.png"]
    assert str(tmp_path) not in json.dumps(section)
    assert [p["file"] for p in section["pictures"]] == [
        "scores.png",
        "champions.png",
        "pictures.png",
    ]
    for picture in section["pictures"]:
        with Image.open(out / picture["file"]) as image:
            assert min(image.size) > 200
    for index, fold in enumerate((None, "1", "7")):
        name = "DNN_1" if fold is None else f"DNN_2_{fold}fold"
        model = models.load("mlp", out / "networks" / f"{name}.safetensors", SHAPE, 2 + (index > 0))
        accuracy = models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert medians["measured"][index][0] == f"{100 * accuracy:.1f}"
        ids = jfool.read_sweep(out / "runs" / name / "last").column("job_id")
        assert ids.tolist() == ([3, 4] if index else [0, 1, 2])
    assert run(natural, NATURAL, out, pictures=folder) == section
    assert "epoch 1" not in capsys.readouterr().err


def test_u_counts_the_pairs_in_which_the_first_is_larger():
    before, after = np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.75, 0.2, 0.3])
    u, p = compared(before, after)
    assert u == 11
    # Of the 35 ways to choose three of seven ranks, two give at least 11 pairs: 2 x 2 / 35.
    assert p == pytest.approx(4 / 35)


def test_a_picture_that_the_network_says_nothing_of_is_not_recognised():
    given = np.array([[0.1, 0.2, 0.7], [0.5, 0.2, 0.3], [0.1, 0.2, np.nan]])
    network = Probed("DNN_2, 7-fold", Measured(1.0), 9, FOUND, given)
    table = pictures_table([network], 2, beside_paper=True)
    assert table.measured == [[1, 3, "33.3"]]
    assert list(table.paper[0]) == [45, 70, "64.2"]


@pytest.mark.parametrize(
    ("experiment", "changes", "sentence"),
    [
        (rounds, {"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        (rounds, {"rounds": 0}, "rounds: expected a number of at least 1, got 0"),
        (rounds, {"population": 7}, "population: expected an even number, got 7"),
        (rounds, {"first_held_out": 0}, "first_held_out: expected a number of at least 1"),
        (rounds, {"first_images": 0}, "first_images: expected a number of at least 1, got 0"),
        (rounds, {"num_steps": 0}, "num_steps: expected a number of at least 1, got 0"),
        (rounds, {"training_seed": -1}, "training_seed: expected a whole number"),
        (natural, {"folds": ()}, "folds: expected different numbers .*, got none"),
        (natural, {"folds": (1, 1)}, "folds: expected different numbers .*, got 1 1"),
        (natural, {"folds": (0,)}, "folds: expected different numbers .*, got 0"),
        (natural, {"folds": (float("nan"),)}, "folds: expected different numbers .*, got nan"),
        (natural, {"probes": 0}, "probes: expected a number of at least 1, got 0"),
        (natural, {"dataset": "imagenet"}, "dataset: expected one of"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    experiment, changes, sentence, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    smoke = experiment.PRESETS["smoke"][1]
    with pytest.raises(ValueError, match=sentence):
        experiment.main(dataclasses.replace(smoke, out=tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_pictures_are_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"pictures: expected PNG or JPEG files, got .*notes\.txt"):
        natural.main(dataclasses.replace(NATURAL, pictures=tmp_path))
