"""Attacks on photographs: which images, which targets, which rates, and the section."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments.su2019 import one_pixel, one_pixel_report
from experiments.su2019.one_pixel_report import (
    Attacks,
    draw_pairs,
    most_confident,
    rates_of,
    table,
)
from experiments.su2019.photographs import choose, job_ids, parts
from models import Dataset
from tests.experiments.tiny_network import TinyNetwork

SMOKE = one_pixel.PRESETS["smoke"][1]
SHAPE, NUM_CLASSES = (6, 6, 1), 3
NAMES = ("low", "middle", "high")


@pytest.fixture
def data(monkeypatch):
    """A network, and 20 grey images of which it classifies half as labelled."""
    network = TinyNetwork(SHAPE, NUM_CLASSES, seed=7)
    network.eval()
    images = np.random.default_rng(2).integers(0, 256, (20, *SHAPE)).astype(np.uint8)
    predicted = logits(network, images / 255).argmax(1)
    labels = ((predicted + np.arange(20) % 2) % NUM_CLASSES).astype(np.int32)
    dataset = Dataset("digits", images, labels, images, labels, NAMES)
    card = {"dataset": "digits", "accuracy": 0.5}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    return network, dataset


def logits(network, images):
    """In double precision."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    return np.maximum(images.reshape(len(images), -1).astype(np.float64) @ inner, 0) @ outer


def run(out, **changes):
    one_pixel.main(dataclasses.replace(SMOKE, out=out, **changes))
    return json.loads((out / "section.json").read_text())


def test_images_are_drawn_from_those_classified_correctly(key):
    correct = np.random.default_rng(0).random(50) < 0.6
    few, more, every = (choose(key, correct, number) for number in (5, 12, 50))
    assert correct[every].all()
    assert len(every) == correct.sum()
    assert set(few) < set(more) < set(every)
    assert len(few) == len(set(few)) == 5
    others = [choose(jax.random.key(seed), correct, 5).tolist() for seed in range(1, 6)]
    assert any(other != few.tolist() for other in others)


def test_a_network_that_errs_elsewhere_gets_the_same_images(key):
    correct = np.ones(50, bool)
    chosen = choose(key, correct, 5)
    correct[[i for i in range(50) if i not in chosen][:20]] = False
    np.testing.assert_array_equal(choose(key, correct, 5), chosen)


def test_every_image_is_driven_to_every_class_but_its_own():
    labels = np.array([2, 0, 1, 1])
    ids = job_ids(np.array([1, 3]), labels, 3, (1, 5))
    assert len(set(ids.tolist())) == len(ids)
    jobs = [tuple(map(int, job)) for job in zip(*parts(ids, 3), strict=True)]
    pairs = [(1, 1), (1, 2), (3, 0), (3, 2)]
    assert sorted(jobs) == sorted((k, i, t) for k in (1, 5) for i, t in pairs)
    assert set(job_ids(np.array([3]), labels, 3, (5,))) < set(ids)


def test_rates_are_counted_by_attack_and_by_image():
    random = np.random.default_rng(4)
    images, targets = np.repeat([5, 8, 9], 4), np.tile([1, 2, 3, 4], 3)
    prediction = np.where(random.random(12) < 0.4, targets, targets % 4 + 1)
    prediction[:4], prediction[[5, 10]] = 0, targets[[5, 10]]
    confidence = random.random(12).astype(np.float32)
    zeros = np.zeros((12, *SHAPE), np.float32)
    label = np.zeros(12, int)
    attacks = Attacks(
        np.ones(12, int), images, label, targets, prediction, confidence, confidence, label,
        zeros, zeros,
    )  # fmt: skip
    rates = rates_of(attacks)
    hits = [i for i in range(12) if prediction[i] == targets[i]]
    assert 0 < len(hits) < 12
    assert rates.targeted == pytest.approx(len(hits) / 12)
    assert rates.untargeted == pytest.approx(len({images[i] for i in hits}) / 3)
    assert rates.confidence == pytest.approx(np.mean([confidence[i] for i in hits]))
    assert rates.targets_per_image == pytest.approx(len(hits) / 3)
    shown = most_confident(attacks, ["a", "b", "c", "d", "e"])
    best = [max((confidence[i], i) for i in hits if images[i] == n)[1] for n in (8, 9)]
    best.sort(key=lambda i: -confidence[i])
    captions = [f"{'abcde'[targets[i]]}: {int(100 * confidence[i])} %" for i in best]
    assert [behind.caption for _, behind in shown] == captions


def test_nothing_is_said_of_the_confidence_where_no_attack_succeeds():
    zeros, one = np.zeros(1, int), np.ones(1, int)
    image = np.zeros((1, *SHAPE), np.float32)
    attacks = Attacks(one, zeros, zeros, one, zeros, np.ones(1), np.ones(1), zeros, image, image)
    rates = rates_of(attacks)
    assert (rates.targeted, rates.untargeted, rates.confidence) == (0, 0, None)
    assert table({("nin", 1): rates}, {"nin": 0.5}, "cifar10").paper[0][1] == 23.15


def test_pairs_of_classes_are_counted(monkeypatch, out):
    drawn = {}
    monkeypatch.setattr(
        one_pixel_report,
        "draw_matrix",
        lambda path, shares, texts, *_, **__: drawn.update(shares=np.array(shares), texts=texts),
    )
    zeros = np.zeros(5)
    images = np.zeros((5, *SHAPE), np.float32)
    label, target = np.array([0, 0, 0, 0, 2]), np.array([1, 1, 2, 2, 0])
    prediction = np.array([1, 0, 2, 2, 2])
    attacks = Attacks(
        np.ones(5, int), np.arange(5), label, target, prediction, zeros, zeros, label, images,
        images,
    )  # fmt: skip
    draw_pairs(out / "pairs.png", attacks, ["a", "b", "c"])
    nan = np.nan
    np.testing.assert_array_equal(drawn["shares"], [[nan, 0.5, 1], [nan, nan, nan], [0, nan, nan]])
    assert drawn["texts"] == [["", "1 of 2", "2 of 2"], ["", "", ""], ["0 of 1", "", ""]]


def test_the_section_says_what_the_attacked_images_are_taken_for(data, out):
    network, dataset = data
    section = run(out, num_images=4, generations=30)
    results = jfool.read_sweep(out / "searches" / "mlp")
    attack = jfool.OnePixel(SHAPE, NUM_CLASSES, max_k=5)
    attacked = results.images(attack, jfool.SparseJob)
    k, image, target = parts(results.column("job_id"), NUM_CLASSES)
    assert len(results) == 4 * (NUM_CLASSES - 1) * 2
    natural = dataset.test_images[image] / 255
    assert (logits(network, natural).argmax(1) == dataset.test_labels[image]).all()
    altered = (np.abs(attacked - natural) > 1e-6).any(-1).sum((1, 2))
    assert (altered <= k).all()
    success = logits(network, attacked).argmax(1) == target
    assert 0 < success.sum() < len(success)
    for i, pixels in enumerate(SMOKE.ks):
        of_k = k == pixels
        measured = section["tables"][0]["measured"][i]
        assert measured[1] == pytest.approx(100 * success[of_k].mean())
        fooled = {n for n, hit in zip(image[of_k], success[of_k], strict=True) if hit}
        assert measured[3] == pytest.approx(100 * len(fooled) / 4)
    files = [picture["file"] for picture in section["pictures"]]
    assert files == ["mlp_1.png", "mlp_5.png", "mlp.png"]
    for file in files:
        assert Image.open(out / file).size[0] > 200
    again = run(out, num_images=4, generations=30, show_natural=False)
    assert again["tables"] == section["tables"]
    assert [picture["file"] for picture in again["pictures"]] == files[:2]


def test_no_more_images_are_promised_than_are_classified_correctly(data, out):
    with pytest.raises(ValueError, match=r"num_images: expected at most the 10 test .* got 11$"):
        run(out, num_images=11)
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ()}, "networks: expected at least one"),
        ({"networks": ("mlp", "mlp")}, "networks: expected different ones"),
        ({"ks": ()}, "ks: expected one or more different numbers"),
        ({"ks": (1, 1)}, "ks: expected one or more different numbers"),
        ({"ks": (0,)}, "ks: expected one or more different numbers"),
        ({"num_images": 0}, "num_images: expected a number of at least 1, got 0"),
        ({"until": 0.0}, "until: expected a confidence"),
        ({"seed": -1}, "seed: expected a whole number"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(changes, sentence, out, monkeypatch):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        run(out, **changes)
    assert not out.exists()
