"""Attack and retraining in turn: the sets, the data, what is measured, and the section."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

import jfool
import models
from experiments import lab
from experiments.kumano2020 import defense
from experiments.kumano2020.defense import EXPERIMENT, PAPER
from experiments.lab.colors import MAX_COLORS
from experiments.lab.retraining import as_bytes, filled, measure, with_outliers
from models import SGD, Dataset, Recipe
from tests.experiments.helpers import run, smoke

COMMAND = "kumano2020 defense"
RECIPE = Recipe(SGD(), num_steps=8, batch_size=10, source="made up")
SHAPE = (8, 8, 1)


def easy_data():
    """Two easy classes."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, *SHAPE)).astype(np.uint8)
    images[labels == 1, :4] += 150
    return Dataset("digits", images, labels, images[:10], labels[:10], ("low", "high"))


@pytest.fixture(scope="module")
def stripes(module_patch):
    dataset = easy_data()
    module_patch.setattr(models, "load_dataset", lambda name: dataset)
    module_patch.setattr(models, "class_names", lambda name: dataset.class_names)
    module_patch.setattr("models.recipes.RECIPES", {"digits": {"mlp": RECIPE}})
    return dataset


class FirstPixel(models.Network):
    """Predicts the class that the level of the first pixel names."""

    layers = ("logits",)

    def __init__(self, num_classes):
        self.image_shape, self.num_classes = SHAPE, num_classes

    def walk(self, images):
        level = jnp.rint(images[:, 0, 0, 0] * 255).astype(jnp.int32)
        yield "logits", jax.nn.one_hot(level, self.num_classes)


def images_named(levels):
    images = np.zeros((len(levels), *SHAPE), np.uint8)
    images[:, 0, 0, 0] = levels
    return images


def test_the_papers_combined_accuracy_counts_1000_sfis_of_each_round():
    for number, row in enumerate(PAPER["table_16"].values()):
        if "combined" not in row:
            continue
        sfis, total = 1000 * number, 10_000 + 1000 * number
        least = (row["natural"] * 10_000 + row["defense"] * sfis) / total
        most = ((row["natural"] + 1) * 10_000 + row["defense"] * sfis) / total
        assert least < row["combined"] + 1
        assert row["combined"] <= most


def test_the_papers_reattack_is_the_mean_over_its_classes():
    for name, row in PAPER["table_16"].items():
        mean = np.mean(PAPER["table_17"][name])
        assert mean - 1 <= row["re-attack"] <= mean + 1


def test_k_is_uniform_and_no_other_job_changes_it(key):
    ids = np.arange(4000, dtype=np.int32)
    ks = lab.drawn_ks(key, ids, 10)
    assert chisquare(np.bincount(ks, minlength=11)[1:]).pvalue > 0.001
    assert ks.min() == 1
    np.testing.assert_array_equal(lab.drawn_ks(key, ids[[7, 3000]], 10), ks[[7, 3000]])


def test_rounds_and_colors_have_jobs_of_their_own():
    ids = [
        job_id
        for number, color in ((0, "black"), (1, "black"), (1, "white"))
        for job_id in lab.cells(
            [20],
            [color],
            range(3),
            4,
            num_classes=3,
            shape=SHAPE,
            first_id=number * 4 * 3 * MAX_COLORS,
        )["job_id"].tolist()
    ]
    assert len(set(ids)) == len(ids) == 3 * 12


def test_images_are_rounded_to_bytes():
    levels = np.array([0, 0.499 / 255, 0.501 / 255, 0.5, 1]).reshape(1, 1, 5, 1)
    assert as_bytes(levels).ravel().tolist() == [0, 0, 1, 128, 255]


def test_outliers_are_one_class_more_and_only_for_training(stripes):
    sets = [images_named([5, 6]), images_named([7])]
    data = with_outliers(stripes, sets, "SFI")
    assert data.train_images[40:, 0, 0, 0].tolist() == [5, 6, 7]
    assert data.train_labels[40:].tolist() == [2] * 3
    assert data.class_names == ("low", "high", "SFI")
    np.testing.assert_array_equal(data.train_images[:40], stripes.train_images)
    np.testing.assert_array_equal(data.test_images, stripes.test_images)
    assert with_outliers(stripes, [], "SFI") is stripes


@pytest.mark.parametrize(
    ("count", "levels"),
    [(3, [4, 5, 6]), (6, [4, 5, 6, 4, 5, 6]), (7, [4, 5, 6, 4, 5, 6, 4]), (2, [4, 5]), (0, [])],
)
def test_images_fill_a_number_each_as_often_as_any_other(count, levels):
    assert filled(images_named([4, 5, 6]), count)[:, 0, 0, 0].tolist() == levels


def test_what_is_measured_is_counted_over_images(stripes):
    natural = images_named([0, 1, 1, 2, 9, 2])
    labels = np.array([0, 1, 0, 0, 1, 1], np.int32)
    dataset = dataclasses.replace(stripes, test_images=natural, test_labels=labels)
    model = FirstPixel(3)
    # Level 9 names no class: all logits are 0, and the first class is predicted.
    measured = measure(model, dataset, [images_named([2, 2, 1]), images_named([2])])
    assert measured.natural == pytest.approx(2 / 6)
    assert measured.defense == pytest.approx(3 / 4)
    assert measured.combined == pytest.approx(5 / 10)
    assert measured.flagged == pytest.approx(2 / 6)
    alone = measure(model, dataset)
    assert (alone.natural, alone.defense, alone.combined) == (measured.natural, None, None)


def test_each_network_is_trained_on_the_sfis_against_all_before_it(stripes, tmp_path, monkeypatch):
    def attacked(s, run, model, dataset, number, color):
        levels = np.arange(10 * number, 10 * number + 6, dtype=np.float32) / 255
        return lab.Records.of(
            image=np.broadcast_to(levels[:, None, None, None], (6, *SHAPE)),
            target=np.arange(6) // 3,
            held_out=np.arange(6) % 3 >= 2,
            success=True,
            color=color,
            network=f"M{number}",
        )

    def retrained(name, dataset, recipe, seed, path):
        data.append(dataset.train_images[40:, 0, 0, 0].tolist())
        return FirstPixel(len(dataset.class_names))

    data = []
    monkeypatch.setattr(defense, "attacked", attacked)
    monkeypatch.setattr("experiments.lab.retraining.retrained", retrained)
    settings = smoke(EXPERIMENT, rounds=2, copies=2)
    found = EXPERIMENT.records(settings, lab.Run(tmp_path))
    first, second = [0, 1, 3, 4] * 2, [10, 11, 13, 14] * 2
    assert data == [[], first, first + second]
    # Of those held out, 2, 5 and 12, 15, the network takes the first for an SFI.
    assert [m.defense for m in found["measured"]] == [None, 1 / 2, 1 / 4]


@pytest.fixture(scope="module")
def done(stripes, tmp_path_factory):
    out = tmp_path_factory.mktemp("defense") / "run"
    return out, run(EXPERIMENT, COMMAND, out, num_steps=None)


def test_tables_tell_of_the_attacks(done):
    out, section = done
    settings = smoke(EXPERIMENT)
    table_17 = section.tables[1]
    assert table_17.rows == ["M0", "M1", "M1, white"]
    for number, name in enumerate(("black_0", "black_1", "white_1")):
        results = jfool.read_sweep(out / "searches" / name)
        assert len(results) == 2 * settings.per_class
        target, success = results.column("job.target"), results.column("success")
        assert set(target) == {0, 1}
        rate = [success[target == c].mean() for c in (0, 1)]
        assert table_17.measured[number] == [int(100 * r) for r in rate]
        attack = jfool.SparseFooling(SHAPE, 2, max_k=20, search=settings.search.search())
        images = results.images(attack, jfool.SparseJob)
        base = results.column("job.base")[:, None, None]
        assert ((images != base).any(-1).sum((1, 2)) <= results.column("job.k")).all()
        assert len(set(results.column("job.k"))) > 2


def test_tables_tell_of_the_networks_that_are_kept(done, stripes):
    out, section = done
    for number in range(2):
        path = out / "networks" / f"M{number}.safetensors"
        model = models.load("mlp", path, SHAPE, 2 + (number > 0))
        accuracy = models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert section.tables[0].measured[number][1] == int(100 * accuracy)


def test_the_last_sfis_of_each_class_are_held_out(done):
    out, _ = done
    found = lab.Records.read(out / "searches.parquet")
    repeat, held_out = found["repeat"], found["held_out"]
    assert (held_out == (repeat >= 2)).all()


def test_a_second_start_trains_nothing_and_says_the_same(done, capsys):
    out, section = done
    again = run(EXPERIMENT, COMMAND, out, num_steps=None)
    assert again.tables == section.tables
    assert "epoch 1" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": "vgg"}, "network: expected one of .*, got 'vgg'"),
        ({"held_out": 3}, "held_out: expected less than per_class = 3, got 3"),
        ({"rounds": 0}, "rounds: expected a number of at least 1, got 0"),
        ({"num_steps": 0}, "num_steps: expected a number of at least 1, got 0"),
        ({"until": 0.0}, "until: expected a confidence"),
        ({"training_seed": -1}, "training_seed: expected a whole number"),
        ({"max_k": 785}, "max_k: expected at most the 784 pixels of digits, got 785"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    changes, sentence, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    monkeypatch.setattr("models.recipes.RECIPES", {"digits": {"mlp": RECIPE}})
    with pytest.raises(ValueError, match=sentence):
        run(EXPERIMENT, COMMAND, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
