"""Attack and retraining in turn: the sets, the data, what is measured, and the section."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

import jfool
import models
from experiments.kumano2020 import defence
from experiments.kumano2020.attack_sets import AttackSet, drawn_ks, places_of_round
from experiments.kumano2020.defence_report import TABLE_16, TABLE_17
from experiments.lab.colors import parse_colors
from experiments.lab.found import Found, Row
from experiments.lab.retraining import as_bytes, filled, measure, with_outliers
from models import SGD, Dataset, Recipe

SMOKE = dataclasses.replace(defence.PRESETS["smoke"][1], num_steps=None)
BLACK, WHITE = parse_colors(["black", "white"], 1, "digits")
RECIPE = Recipe(SGD(), num_steps=8, batch_size=10, source="made up")
SHAPE = (8, 8, 1)


@pytest.fixture
def stripes(monkeypatch):
    """Two easy classes."""
    random = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.int32) % 2
    images = random.integers(0, 100, (40, *SHAPE)).astype(np.uint8)
    images[labels == 1, :4] += 150
    dataset = Dataset("digits", images, labels, images[:10], labels[:10], ("low", "high"))
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr("models.zoo.RECIPES", {"digits": {"mlp": RECIPE}})
    return dataset


def run(out, **changes):
    defence.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


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
    for number, (combined, natural, recognised, _) in enumerate(TABLE_16.values()):
        if combined is None:
            continue
        sfis, total = 1000 * number, 10_000 + 1000 * number
        least = (natural * 10_000 + recognised * sfis) / total
        most = ((natural + 1) * 10_000 + recognised * sfis) / total
        assert least < combined + 1
        assert combined <= most


def test_the_papers_reattack_is_the_mean_over_its_classes():
    for name, (*_, reattack) in TABLE_16.items():
        mean = np.mean(TABLE_17[name])
        assert mean - 1 <= reattack <= mean + 1


def test_k_is_uniform_and_no_other_job_changes_it(key):
    ids = np.arange(4000, dtype=np.int32)
    ks = drawn_ks(key, ids, 10)
    assert chisquare(np.bincount(ks, minlength=11)[1:]).pvalue > 0.001
    assert ks.min() == 1
    np.testing.assert_array_equal(drawn_ks(key, ids[[7, 3000]], 10), ks[[7, 3000]])


def test_rounds_and_colours_have_jobs_of_their_own(key):
    rounds = [
        places_of_round(key, number, color, 3, 4, 20)
        for number, color in ((0, BLACK), (1, BLACK), (1, WHITE))
    ]
    ids = [job for places in rounds for job in places]
    assert len(set(ids)) == len(ids) == 3 * 12
    for places in rounds:
        assert {(cell.label, repeat) for cell, _, repeat in places.values()} == {
            (label, repeat) for label in range(3) for repeat in range(4)
        }
        assert len({k for _, k, _ in places.values()}) > 2


def test_the_last_sfis_of_each_class_are_held_out():
    rows = [
        Row(0, "black", label, 1, repeat, "confidence", 0.9, label, label == 1, 0, True, True, 8, 1)
        for label in range(2)
        for repeat in range(4)
    ]
    levels = np.arange(8, dtype=np.float32) / 255
    images = np.broadcast_to(levels[:, None, None, None], (8, *SHAPE))
    attacks = AttackSet(Found(rows, images, np.zeros((8, 1, 3))), held_out=1)
    assert attacks.trained[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6]
    assert attacks.tested[:, 0, 0, 0].tolist() == [3, 7]
    assert attacks.success_rates(2) == [0, 1]
    assert attacks.success_rate == 0.5


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
    assert measured.defence == pytest.approx(3 / 4)
    assert measured.combined == pytest.approx(5 / 10)
    assert measured.flagged == pytest.approx(2 / 6)
    alone = measure(model, dataset)
    assert (alone.natural, alone.defence, alone.combined) == (measured.natural, None, None)


def test_each_network_is_trained_on_the_sfis_against_all_before_it(stripes, out, monkeypatch):
    def attack(config, model, dataset, number, color):
        levels = np.arange(10 * number, 10 * number + 6, dtype=np.float32) / 255
        rows = [
            Row(0, color.name, i // 3, 1, i % 3, "confidence", 0.9, 0, True, 0, True, True, 8, 1)
            for i in range(6)
        ]
        images = np.broadcast_to(levels[:, None, None, None], (6, *SHAPE))
        return AttackSet(Found(rows, images, np.zeros((6, 1, 3))), config.held_out)

    def retrained(name, dataset, recipe, seed, path):
        data.append(dataset.train_images[40:, 0, 0, 0].tolist())
        return FirstPixel(len(dataset.class_names))

    data = []
    monkeypatch.setattr(defence, "attack", attack)
    monkeypatch.setattr(defence, "retrained", retrained)
    measured = run(out, rounds=2, copies=2)["data"]["measured"]
    first, second = [0, 1, 3, 4] * 2, [10, 11, 13, 14] * 2
    assert data == [[], first, first + second]
    # Of those held out, 2, 5 and 12, 15, the network takes the first for an SFI.
    assert [m["defence"] for m in measured] == [None, 1 / 2, 1 / 4]


def test_networks_and_attacks_are_kept_and_the_section_tells_of_them(stripes, out, capsys):
    section = run(out)
    assert "epoch 1" in capsys.readouterr().err
    table_16, table_17 = section["tables"]
    assert table_17["rows"] == ["M0", "M1", "M1 (white)"]
    search = SMOKE.search()
    for number, name in enumerate(("black_0", "black_1", "white_1")):
        results = jfool.read_sweep(out / "searches" / name)
        assert len(results) == 2 * SMOKE.per_class
        assert set(results.column("job.label")) == {0, 1}
        success = results.column("success")
        rate = [success[results.column("job.label") == c].mean() for c in (0, 1)]
        assert table_17["measured"][number] == [int(100 * r) for r in rate]
        images = results.images(search.attack(SHAPE, 2), jfool.SparseJob)
        base = results.column("job.base")[:, None, None]
        assert ((images != base).any(-1).sum((1, 2)) <= results.column("job.k")).all()
    for number in range(2):
        path = out / "networks" / f"M{number}.safetensors"
        model = models.load("mlp", path, SHAPE, 2 + (number > 0))
        accuracy = models.accuracy(model, stripes.test_images, stripes.test_labels)
        assert table_16["measured"][number][1] == int(100 * accuracy)
    assert run(out)["tables"] == section["tables"]
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
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(changes, sentence, out, monkeypatch):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()


@pytest.mark.usefixtures("stripes")
def test_more_pixels_than_there_are_is_refused_before_a_network_is_trained(out):
    with pytest.raises(ValueError, match="max_k: expected at most the 784 pixels of digits"):
        run(out, max_k=785)
    assert not out.exists()
