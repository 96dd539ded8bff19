"""Images that evolve through networks that know such images: rounds, and natural images."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.lab.predict import probabilities
from experiments.lab.retraining import as_bytes, split
from experiments.nguyen2015 import fooling_images, natural_retraining, retraining
from models import SGD, Dataset, Recipe
from tests.experiments.helpers import run, smoke
from tests.experiments.tiny_encoding import Blocks
from tests.experiments.tiny_network import TinyNetwork

SHAPE = (8, 8, 1)
ROUNDS, NATURAL = retraining.EXPERIMENT, natural_retraining.EXPERIMENT
EXPERIMENTS = {"retraining": ROUNDS, "natural_retraining": NATURAL}
NAMES = ("low", "high")


def start(name, out, **changes):
    """A run that takes no time."""
    small = {"population": 8, "num_steps": None, "generations": 3, "network": "mlp"}
    return run(EXPERIMENTS[name], f"nguyen2015 {name}", out, **{**small, **changes})


@pytest.fixture(scope="module")
def stripes(module_patch):
    """Two easy classes; and evolution by something that compiles in no time."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, *SHAPE)).astype(np.uint8)
    images[labels == 1, :4] += 150
    dataset = Dataset("digits", images, labels, images[:10], labels[:10], NAMES)
    recipe = Recipe(SGD(), num_steps=8, batch_size=10, source="made up")
    module_patch.setattr(models, "load_dataset", lambda name: dataset)
    module_patch.setattr(models, "class_names", lambda name: NAMES)
    module_patch.setattr("models.recipes.RECIPES", {"digits": {"mlp": recipe}})
    module_patch.setattr(fooling_images, "METHODS", {"cppn": Blocks})
    return dataset


def champions(network, first, last, score, fooled, *, held_out):
    """Runs of two cells whose images are of these levels, `[runs, 2]`."""
    first, last = np.asarray(first), np.asarray(last)
    runs = len(first)
    levels = np.stack([first, last], axis=1).ravel().astype(np.float32) / 255
    image = np.broadcast_to(levels[:, None, None, None], (4 * runs, *SHAPE))
    both = [np.stack([np.zeros((runs, 2)), of], axis=1).ravel() for of in (score, fooled)]
    run_number = np.repeat(np.arange(runs), 4)
    return lab.Records.of(
        network=network,
        run=run_number,
        target=np.tile([0, 1], 2 * runs),
        generation=np.tile(["first", "first", "last", "last"], runs),
        held_out=run_number >= runs - held_out,
        image=image,
        score=both[0],
        confidence=both[0],
        fooled=both[1] > 0,
    )


FOUND = champions(
    "DNN_1",
    [[0, 1], [10, 11], [20, 20]],
    [[2, 3], [12, 13], [20, 23]],
    [[0.5, 0], [0.99, 0.2], [0.6, 1]],
    [[1, 1], [0, 0], [1, 0]],
    held_out=1,
)


def test_images_are_split_by_runs_and_counted_once():
    assert split(FOUND, held_out=False)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert split(FOUND, held_out=True)[:, 0, 0, 0].tolist() == [20, 20, 20, 23]
    assert fooling_images.num_distinct(FOUND) == 10


def test_the_last_champions_are_summed_up():
    summary = fooling_images.summary(FOUND)
    assert summary == {"median score": "55.00", "fooled": "50.0", "at 99 %": "33.3"}
    ((head, tiles),) = fooling_images.first_champions(FOUND)
    assert head == "DNN_1\n55.00 %"
    assert [tile.caption for tile in tiles] == ["50.00 %", "0.00 %"]


@pytest.fixture
def untrained(monkeypatch):
    """A tiny network instead of one that is trained."""

    def train_with(path, network, dataset, outliers, **_):
        model = TinyNetwork(dataset.image_shape, 2 + (len(outliers) > 0))
        model.eval()
        return model

    monkeypatch.setattr(fooling_images, "train_with", train_with)


@pytest.mark.slow
def test_the_first_generation_is_the_start_of_the_runs_that_go_on(stripes, untrained, tmp_path):
    settings = smoke(ROUNDS, population=6, generations=2)
    new = [as_bytes(FOUND["image"])]
    model, network, found = fooling_images.retrain(
        settings, lab.Run(tmp_path), "DNN_2", stripes, new, new, runs=2, held_out=1, first_run=5
    )
    assert model.num_classes == 3  # the third output has no cell
    assert [network[name].tolist() for name in ("outliers", "train", "val")] == [[12], [52], [22]]
    assert found["run"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found["held_out"].tolist() == [False] * 8 + [True] * 4
    given = probabilities(model, found["image"])
    np.testing.assert_allclose(
        found["confidence"], given[np.arange(12), found["target"]], rtol=1e-5
    )
    first, last = (found.where(generation=name) for name in ("first", "last"))
    sweeps = [jfool.read_sweep(tmp_path / "DNN_2" / name) for name in ("first", "last")]
    fitness = sweeps[1].column("notes.fitness")
    np.testing.assert_allclose(fitness[:, 0].ravel(), first["confidence"], rtol=1e-5)
    assert (last["confidence"] >= first["confidence"] - 1e-6).all()
    assert [of.column("num_queries").sum() for of in sweeps] == [3 * 6, 3 * 6 * 3]
    assert sweeps[0].column("job_id").tolist() == [5, 6, 7]
    images = first["image"].reshape(3, 2, *SHAPE)
    assert not np.array_equal(images[0], images[1])


def test_a_champion_that_the_network_says_nothing_of_scores_nothing(
    stripes, untrained, tmp_path, monkeypatch
):
    def evolve(run, name, encoding, model, targets, *_, **__):
        cells = {"target": targets.ravel(), "confidence": np.nan, "fooled": False}
        images = np.zeros((targets.size, *SHAPE), np.float32)
        return SimpleNamespace(champions=lab.Records.of(run=0, image=images, **cells))

    monkeypatch.setattr(fooling_images, "evolve", evolve)
    *_, found = fooling_images.retrain(smoke(ROUNDS), lab.Run(tmp_path), "DNN_1", stripes, runs=1)
    assert found["score"].tolist() == [0] * 4
    assert np.isnan(found["confidence"]).all()


def test_each_network_knows_what_evolved_through_all_before_it(stripes, tmp_path, monkeypatch):
    def retrain(s, run, name, dataset, known, new, *, runs, held_out, first_run):
        asked.append((name, runs, held_out, first_run))
        data.append([[image[0, 0, 0] for image in images] for images in (*known, *new)])
        levels = 100 * (len(asked) - 1) + np.arange(2 * (runs + held_out)).reshape(-1, 2)
        score = np.full(levels.shape, 0.25)
        network = lab.Records.of(network=[name])
        evolved = champions(name, levels, levels + 50, score, score, held_out=held_out)
        return None, network, evolved

    asked, data = [], []
    monkeypatch.setattr(fooling_images, "retrain", retrain)
    changes = {"first_runs": 2, "first_held_out": 2, "runs": 1, "held_out": 1}
    settings = smoke(ROUNDS, rounds=2, first_images=10, images=3, **changes)
    found = ROUNDS.records(settings, lab.Run(tmp_path))
    assert asked == [("DNN_1", 2, 2, 0), ("DNN_2", 1, 1, 4), ("DNN_3", 1, 1, 6)]
    first, second = [0, 1, 50, 51, 2, 3, 52, 53, 0, 1], [100, 101, 150]
    new = [[4, 5, 54, 55, 6, 7, 56, 57], [102, 103, 152, 153]]
    assert data == [[], [first, new[0]], [first, second, *new]]
    assert found["networks"]["network"].tolist() == ["DNN_1", "DNN_2", "DNN_3"]
    assert len(found["champions"]) == 4 * (4 + 2 + 2)


@pytest.fixture(scope="module")
def rounds(stripes, tmp_path_factory):
    out = tmp_path_factory.mktemp("rounds") / "run"
    return out, start("retraining", out, first_images=20, images=5)


def test_rounds_are_published(stripes, rounds):
    out, section = rounds
    (table,) = section.tables
    assert table.rows == ["DNN_1", "DNN_2"]
    assert table.paper is None  # its networks are trained on MNIST
    assert [row[2:4] for row in table.measured] == [[40, 10], [40 + 20, 10 + 4]]
    for number, row in enumerate(table.measured):
        path = out / "networks" / f"DNN_{number + 1}.safetensors"
        model = models.load("mlp", path, SHAPE, 2 + number)
        wrong = 1 - models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert row[1] == f"{100 * wrong:.2f}"
        last = jfool.read_sweep(out / f"DNN_{number + 1}" / "last")
        assert len(last) == 3
        scores = last.column("confidence")
        assert float(row[4]) == pytest.approx(100 * np.median(scores), abs=0.0101)
        assert set(last.column("job_id")) == {3 * number + i for i in range(3)}
    assert any("Assumption" in note for note in section.notes)
    for picture in section.pictures:
        with Image.open(out / picture.file) as image:
            assert min(image.size) > 200


def test_rounds_are_not_done_twice(rounds, capsys):
    out, section = rounds
    again = start("retraining", out, first_images=20, images=5)
    assert again == section
    assert "epoch 1" not in capsys.readouterr().err


def of_networks(**shares):
    columns = {"natural": 0.99, "combined": np.nan, "defense": np.nan, "train": 1, "val": 2}
    columns |= {"outliers": 9, "flagged": 0.1, "network": ["DNN_1"], **shares}
    return {"networks": lab.Records.of(**columns), "champions": FOUND}


def test_table_s2_is_the_papers():
    paper = list(retraining.PAPER.values())
    train, val = ([row[name] for row in paper] for name in ("train", "val"))
    assert train == [60_000, *range(66_000, 80_000, 1000)]
    assert val == [10_000, *range(11_000, 12_400, 100)]
    found = of_networks(natural=0.9906, train=60_000, val=10_000)
    (table,) = ROUNDS.tables(ROUNDS.settings, found)
    assert len(table.rows) == 15
    assert table.measured[0] == ["0.94", "0.94", 60_000, 10_000, "55.00", "50.0", "33.3", None]
    assert table.measured[1] == [None] * 8
    assert table.paper[0][:5] == ["0.94", "0.94", 60_000, 10_000, "99.99"]
    assert table.paper[3][:5] == ["0.89", "0.83", 68_000, 11_200, "72.52"]
    assert table.paper[14][:5] == ["0.79", "0.95", 79_000, 12_300, "99.15"]


def test_errors_count_the_fooling_images_that_were_held_out():
    settings = smoke(ROUNDS)
    (table,) = ROUNDS.tables(settings, of_networks(combined=0.95, defense=0.5))
    (row,) = table.measured
    assert table.paper is None
    assert (row[0], row[1], row[-1]) == ("5.00", "1.00", "50.0")


@pytest.fixture(scope="module")
def inoculated(stripes, tmp_path_factory):
    """A folder with three pictures; a run on natural images that is shown them, and its section."""
    folder = tmp_path_factory.mktemp("mine")
    for level in (0, 120, 255):
        Image.new("RGB", (20, 10), (level, level, level)).save(folder / f"{level}.png")
    out = tmp_path_factory.mktemp("natural") / "run"
    return folder, out, start("natural_retraining", out, pictures=folder)


def test_inoculated_networks_are_compared_with_the_one_before(stripes, inoculated):
    _, out, section = inoculated
    medians, test, _ = section.tables
    assert medians.rows == ["DNN_1", "DNN_2, 1-fold", "DNN_2, 7-fold"]
    assert [row[1] for row in medians.measured] == [0, 20, 140]  # 40 images of two classes
    assert medians.paper is None
    scores = lab.Records.read(out / "champions.parquet").where(generation="last")
    before = scores.where(network="DNN_1")["score"]
    for i, name in enumerate(medians.rows[1:]):
        pairs = before[:, None] - scores.where(network=name)["score"]
        assert test.measured[i][0] == f"{(pairs > 0).sum() + (pairs == 0).sum() / 2:.0f}"
    for index, name in enumerate(("DNN_1", "DNN_2_1fold", "DNN_2_7fold")):
        model = models.load("mlp", out / "networks" / f"{name}.safetensors", SHAPE, 2 + (index > 0))
        accuracy = models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert medians.measured[index][0] == f"{100 * accuracy:.1f}"
        ids = jfool.read_sweep(out / name / "last").column("job_id")
        assert ids.tolist() == ([3, 4] if index else [0, 1, 2])
    for picture in section.pictures:
        with Image.open(out / picture.file) as image:
            assert min(image.size) > 200


def test_networks_are_shown_the_pictures_of_the_folder(inoculated):
    folder, out, section = inoculated
    *_, recognized = section.tables
    pictures = lab.Records.read(out / "pictures.parquet")
    images = np.array([0, 120, 255], np.float32)[:, None, None, None] / 255 * np.ones((1, *SHAPE))
    for i, fold in enumerate((1, 7)):
        path = out / "networks" / f"DNN_2_{fold}fold.safetensors"
        given = probabilities(models.load("mlp", path, SHAPE, 3), images)
        of = pictures.where(network=f"DNN_2, {fold}-fold")
        assert of["file"].tolist() == ["0.png", "120.png", "255.png"]
        np.testing.assert_array_equal(of["prediction"], given.argmax(1))
        np.testing.assert_allclose(of["confidence"], given.max(1), rtol=1e-5)
        assert recognized.measured[i][:2] == [(given.argmax(1) == 2).sum(), 3]
    assert str(folder.parent) not in (out / "section.json").read_text()
    files = ["scores.png", "champions.png", "pictures.png"]
    assert [picture.file for picture in section.pictures] == files


def test_inoculated_networks_are_not_trained_twice(inoculated, capsys):
    folder, out, _ = inoculated
    before = json.loads((out / "section.json").read_text())
    start("natural_retraining", out, pictures=folder)
    assert json.loads((out / "section.json").read_text()) == before
    assert "epoch 1" not in capsys.readouterr().err


def test_u_counts_the_pairs_in_which_the_first_is_larger():
    before, after = np.array([[0.9], [0.8], [0.7]]), np.array([[0.1], [0.75], [0.2], [0.3]])
    # Of the 35 ways to choose three of seven ranks, two give at least 11 pairs: 2 x 2 / 35.
    p = f"{4 / 35:.2g}"
    expected = {"U": "11", "p, all champions": p, "p, the runs' medians": p}
    assert natural_retraining.compared(before, after) == expected
    runs = natural_retraining.compared(np.full((50, 9), 0.9), np.full((3, 9), 0.1))
    assert (runs["U"], runs["p, all champions"]) == (str(450 * 27), "< 0.0001")
    assert natural_retraining.scores(FOUND).tolist() == [[0.5, 0], [0.99, 0.2], [0.6, 1]]


def test_a_picture_that_the_network_says_nothing_of_is_not_recognized(monkeypatch):
    given = np.array([[0.1, 0.2, 0.7], [0.5, 0.2, 0.3], [0.1, 0.2, np.nan]])
    monkeypatch.setattr(natural_retraining, "probabilities", lambda model, images: given)
    judged = natural_retraining.judge(None, lab.Records.of(image=np.zeros((3, *SHAPE))), 2)
    assert judged["recognized"].tolist() == [True, False, False]
    names = ("DNN_1", "DNN_2, 7-fold")
    networks = [of_networks(network=[name])["networks"] for name in names]
    found = {
        "networks": lab.Records.joined(networks),
        "champions": lab.Records.joined([FOUND.plus(network=name) for name in names]),
        "pictures": lab.Records.joined([judged.plus(network=name) for name in names]),
    }
    medians, test, recognized = NATURAL.tables(NATURAL.settings, found)
    assert medians.measured[1][:2] == ["99.0", 9]
    assert medians.paper[0][:3] == ["57.4", 0, "88.1"]
    assert medians.paper[1][:3] == ["57.4", 9000, "11.7"]
    assert test.paper == [[None, "< 0.0001", None]]
    assert recognized.measured == [[1, 3, "33.3"]]
    assert recognized.paper == [[45, 70, "64.2"]]


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("retraining", {"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ("retraining", {"rounds": 0}, "rounds: expected a number of at least 1, got 0"),
        ("retraining", {"population": 7}, "population: expected an even number, got 7"),
        ("retraining", {"first_held_out": 0}, "first_held_out: expected a number of at least 1"),
        ("retraining", {"first_images": 0}, "first_images: expected a number of at least 1, got 0"),
        ("retraining", {"num_steps": 0}, "num_steps: expected a number of at least 1, got 0"),
        ("retraining", {"training_seed": -1}, "training_seed: expected a whole number"),
        (
            "natural_retraining",
            {"folds": ()},
            "folds: expected one or more different ones, got none",
        ),
        (
            "natural_retraining",
            {"folds": (1, 1)},
            "folds: expected one or more different ones, got 1 1",
        ),
        (
            "natural_retraining",
            {"folds": (0,)},
            "folds: expected numbers above 0 and up to 100, got 0",
        ),
        (
            "natural_retraining",
            {"folds": (float("nan"),)},
            "folds: expected numbers above 0 .*, got nan",
        ),
        ("natural_retraining", {"probes": 0}, "probes: expected a number of at least 1, got 0"),
        ("natural_retraining", {"dataset": "imagenet"}, "dataset: expected one of"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    name, changes, sentence, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        start(name, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_pictures_are_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(
        ValueError, match=r"pictures: expected PNG or JPEG files alone, got .*notes\.txt"
    ):
        start("natural_retraining", tmp_path / "out", pictures=tmp_path)
