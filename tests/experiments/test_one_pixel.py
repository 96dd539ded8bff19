"""Attacks on test images: which images, which targets, which rates, and the section."""

import jax
import numpy as np
import pytest
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.lab.test_images import choose, choose_correct, every_target
from experiments.su2019.one_pixel import EXPERIMENT, PAPER, before_and_after, rates, tables
from models import Dataset
from tests.experiments.helpers import run
from tests.experiments.tiny_network import TinyNetwork

COMMAND = "su2019 one_pixel"
SHAPE, NUM_CLASSES = (6, 6, 1), 3
NAMES = ("low", "middle", "high")


@pytest.fixture(scope="module")
def data(module_patch):
    """A network, and 20 grey images of which it classifies half as labelled."""
    network = TinyNetwork(SHAPE, NUM_CLASSES, seed=7)
    network.eval()
    images = np.random.default_rng(2).integers(0, 256, (20, *SHAPE)).astype(np.uint8)
    predicted = logits(network, images / 255).argmax(1)
    labels = ((predicted + np.arange(20) % 2) % NUM_CLASSES).astype(np.int32)
    dataset = Dataset("digits", images, labels, images, labels, NAMES)
    card = {"dataset": "digits", "accuracy": 0.5, "num_test_images": 20}
    module_patch.setattr(models, "load_dataset", lambda name: dataset)
    module_patch.setattr(models, "class_names", lambda name: NAMES)
    module_patch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    return network, dataset


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("one_pixel")
    return out, run(EXPERIMENT, COMMAND, out, num_images=4, generations=30)


def logits(network, images):
    """In double precision."""
    inner, outer = (np.asarray(w[...], np.float64) for w in (network.inner, network.outer))
    return np.maximum(images.reshape(len(images), -1).astype(np.float64) @ inner, 0) @ outer


def attacks_of(image_id, target, prediction, confidence, label=0):
    image = np.zeros((len(image_id), *SHAPE), np.float32)
    return lab.Records.of(
        network="nin",
        k=1,
        accuracy=0.5,
        image_id=image_id,
        label=np.broadcast_to(label, len(image_id)),
        target=target,
        prediction=prediction,
        fooled=np.equal(prediction, target),
        confidence=np.asarray(confidence, np.float32),
        clean_confidence=np.asarray(confidence, np.float32),
        base=image,
        image=image,
    )


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
    images = lab.Records.of(image_id=[1, 3], label=[0, 1])
    jobs = every_target(images, 3, (1, 5))
    assert len(set(jobs["job_id"].tolist())) == len(jobs)
    assert (np.diff(jobs["job_id"]) > 0).all()
    pairs = [(1, 1), (1, 2), (3, 0), (3, 2)]
    found = sorted(jobs.columns("k", "image_id", "target"))
    assert found == sorted((k, i, t) for k in (1, 5) for i, t in pairs)
    fewer = every_target(images.rows([1]), 3, (5,))
    assert set(fewer["job_id"]) < set(jobs["job_id"])


def test_rates_are_counted_by_attack_and_by_image():
    random = np.random.default_rng(4)
    images, targets = np.repeat([5, 8, 9], 4), np.tile([1, 2, 3, 4], 3)
    prediction = np.where(random.random(12) < 0.4, targets, targets % 4 + 1)
    prediction[:4], prediction[[5, 10]] = 0, targets[[5, 10]]
    confidence = random.random(12).astype(np.float32)
    attacks = attacks_of(images, targets, prediction, confidence)
    cells = rates(attacks)
    hits = [i for i in range(12) if prediction[i] == targets[i]]
    assert 0 < len(hits) < 12
    assert cells["targeted"] == pytest.approx(100 * len(hits) / 12)
    share, squared = len(hits) / 12, 1.959964**2  # Wilson's interval, of three images
    middle, half = share + squared / 6, np.sqrt(squared * (share * (1 - share) / 3 + squared / 36))
    ends = 100 * (middle + np.array([-half, half])) / (1 + squared / 3)
    assert cells["targeted, 95 %"] == f"{ends[0]:.1f} to {ends[1]:.1f}"
    assert cells["untargeted"] == pytest.approx(100 * len({images[i] for i in hits}) / 3)
    assert cells["confidence"] == pytest.approx(100 * np.mean([confidence[i] for i in hits]))
    rows = list(before_and_after(attacks.where(fooled=True), ["a", "b", "c", "d", "e"]))
    best = [max((confidence[i], i) for i in hits if images[i] == n)[1] for n in (8, 9)]
    best.sort(key=lambda i: -confidence[i])
    captions = [f"{'abcde'[targets[i]]}: {int(100 * confidence[i])} %" for i in best]
    assert [tile.caption for tile in rows[1][1]] == captions


def test_nothing_is_said_of_the_confidence_where_no_attack_succeeds():
    attacks = attacks_of([0], [1], [0], [1.0])
    cells = rates(attacks)
    assert (cells["targeted"], cells["untargeted"], cells["confidence"]) == (0, 0, None)
    (table,) = tables(EXPERIMENT.settings, attacks)
    assert table.rows[0] == "nin, 1 pixel"
    assert table.paper[0][list(table.columns).index("targeted")] == 23.15
    assert set(PAPER) <= set(table.rows)


def test_pairs_of_classes_are_counted(monkeypatch, tmp_path):
    drawn = {}
    monkeypatch.setattr(
        "experiments.lab.figures.draw_matrix",
        lambda path, shares, texts, *_, **__: drawn.update(shares=np.array(shares), texts=texts),
    )
    label, target = np.array([0, 0, 0, 0, 2]), np.array([1, 1, 2, 2, 0])
    prediction = np.array([1, 0, 2, 2, 2])
    attacks = attacks_of(np.arange(5), target, prediction, np.zeros(5), label)
    heads = {"row_title": "class of the image", "column_title": "class to reach"}
    lab.draw_shares(tmp_path / "x.png", attacks, "label", "target", "abc", hit="fooled", **heads)
    nan = np.nan
    np.testing.assert_array_equal(drawn["shares"], [[nan, 0.5, 1], [nan, nan, nan], [0, nan, nan]])
    assert drawn["texts"] == [["", "1 of 2", "2 of 2"], ["", "", ""], ["0 of 1", "", ""]]


def test_the_section_says_what_the_attacked_images_are_taken_for(data, done):
    network, dataset = data
    out, section = done
    results = jfool.read_sweep(out / "searches" / "mlp")
    attacked = results.images(jfool.OnePixel(SHAPE, NUM_CLASSES, max_k=5), jfool.SparseJob)
    k, natural = results.column("job.k"), results.column("job.base")
    target = results.column("job.target")
    assert len(results) == 4 * (NUM_CLASSES - 1) * 2
    where = [int(np.abs(dataset.test_images / 255 - x).sum((1, 2, 3)).argmin()) for x in natural]
    assert (logits(network, natural).argmax(1) == dataset.test_labels[where]).all()
    altered = (np.abs(attacked - natural) > 1e-6).any(-1).sum((1, 2))
    assert (altered <= k).all()
    success = logits(network, attacked).argmax(1) == target
    assert 0 < success.sum() < len(success)
    columns = list(section.tables[0].columns)
    for i, pixels in enumerate((1, 5)):
        of_k = k == pixels
        measured = dict(zip(columns, section.tables[0].measured[i], strict=True))
        assert measured["targeted"] == pytest.approx(100 * success[of_k].mean())
        fooled = {n for n, hit in zip(np.array(where)[of_k], success[of_k], strict=True) if hit}
        assert measured["untargeted"] == pytest.approx(100 * len(fooled) / 4)


def test_natural_images_are_drawn_only_if_asked_for(done):
    out, section = done
    files = [picture.file for picture in section.pictures]
    assert files == ["mlp_1.png", "mlp_5.png", "mlp.png"]
    for file in files:
        assert Image.open(out / file).size[0] > 200
    again = run(EXPERIMENT, COMMAND, out, num_images=4, generations=30, show_natural=False)
    assert again.tables == section.tables
    assert [picture.file for picture in again.pictures] == files[:2]


def test_no_more_images_are_promised_than_are_classified_correctly(data):
    network, dataset = data
    victim = lab.Victim("mlp", network, {}, SHAPE, NUM_CLASSES)
    with pytest.raises(
        ValueError, match=r"num_images: expected at most the 10 test .* got 11 \(ask for fewer\)$"
    ):
        choose_correct(jax.random.key(0), victim, dataset, 11)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"networks": ()}, "networks: expected at least one"),
        ({"networks": ("mlp", "mlp")}, "networks: expected different ones"),
        ({"ks": ()}, "ks: expected one or more ascending numbers"),
        ({"ks": (1, 1)}, "ks: expected one or more ascending numbers"),
        ({"ks": (0,)}, "ks: expected a number of at least 1, got 0"),
        ({"num_images": 0}, "num_images: expected a number of at least 1, got 0"),
        ({"until": 0.0}, "until: expected a confidence"),
        ({"seed": -1}, "seed: expected a whole number"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_read(
    changes, sentence, tmp_path, monkeypatch
):
    monkeypatch.setattr(models, "load_dataset", lambda name: pytest.fail("read"))
    with pytest.raises(ValueError, match=sentence):
        run(EXPERIMENT, COMMAND, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
