"""Gradient ascent on a linear network: the section, its course, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

import jfool
import models
from experiments import lab
from experiments.lab.imagenet import as_victim
from experiments.nguyen2015 import ascent
from experiments.nguyen2015.ascents import ASCENTS, MEAN, attack_of
from experiments.nguyen2015.watched_ascent import WatchedAscent
from tests.experiments.helpers import run

COMMAND = "nguyen2015 ascent"
SHAPE, NUM_CLASSES = (6, 6, 3), 1000
TINY = {"classes": (999, 207, 3), "starts": 2, "most_steps": 150, "share": 0.02, "lanes": 4}


class Linear(models.Network):
    """Sums of distances from the mean colour, in a fixed order whatever the batch."""

    layers = ("logits",)

    def __init__(self):
        self.image_shape, self.num_classes = SHAPE, NUM_CLASSES
        weights = 0.7 * np.random.default_rng(0).normal(size=(*SHAPE, NUM_CLASSES))
        self.weights = nnx.Param(jnp.asarray(weights.reshape(-1, NUM_CLASSES), jnp.float32))

    def walk(self, images):
        distance = (images - MEAN[None, None, None]).reshape(len(images), -1)
        yield "logits", (distance[:, :, None] * self.weights[...][None]).sum(1)


@pytest.fixture(scope="module")
def network(module_patch):
    """In place of ImageNet's."""
    network = Linear()
    network.eval()
    victim = as_victim("squeezenet1_1", network)
    module_patch.setattr(ascent, "imagenet_victim", lambda *args: victim)
    return network


def climb(out, **changes):
    return run(ascent.EXPERIMENT, COMMAND, out, **{**TINY, **changes})


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory):
    """A section of several ascents, and its folder."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return climb(out, ascents=("fig13", "no_noise", "s3", "s3_long")), out


@pytest.fixture(scope="module")
def few(network, tmp_path_factory):
    """A section of two ascents of four steps, and its folder."""
    out = tmp_path_factory.mktemp("few") / "run"
    return few_steps(out), out


def few_steps(out):
    return climb(
        out, classes=(3, 207), starts=1, most_steps=4, lanes=1, ascents=("fig13",), galleries=()
    )


def records(out):
    return dict(lab.Records.read(out / "ascents.parquet").groups("ascent"))


def confidences(network, images, labels):
    logits = np.asarray(network(jnp.asarray(images, jnp.float32)), np.float64)
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return (exponentials / exponentials.sum(-1, keepdims=True))[np.arange(len(labels)), labels]


def variation(image):
    """By hand, in grey levels."""
    height, width = image.shape[:2]
    total = sum(
        np.abs(image[i, j] - image[i + di, j + dj]).sum()
        for i in range(height)
        for j in range(width)
        for di, dj in ((0, 1), (1, 0))
        if i + di < height and j + dj < width
    )
    return 255 * total / image.size


def test_the_section_tells_how_the_ascents_ended(whole, network):
    section, out = whole
    certain, ends, equal = section.tables
    columns = dict(zip(certain.columns, certain.measured[0], strict=True))
    results = jfool.read_sweep(out / "fig13")
    images = results.column("genotype").reshape(-1, *SHAPE)
    targets = results.column("job.target")
    sure = confidences(network, images, targets) >= 0.9999
    rounded = confidences(network, np.round(images * 255) / 255, targets)
    steps = results.column("num_steps")
    assert sure.sum() == 6
    assert (steps < 150).all()  # every lane ended where it was sure
    assert columns["at 99.99 %"] == columns["by step 500"] == "6 of 6"
    assert columns["classes, from every start"] == "3 of 3"
    assert columns["median steps"] == np.median(steps)
    assert columns["8 bits: at 99.99 %"] == f"{(rounded >= 0.9999).sum()} of 6"
    assert columns["gradients"] == (steps + 1).sum()  # the last image's, too
    assert certain.paper[0][:3] == ["20 of 20", None, "20 of 20"]
    assert records(out)["fig13"]["target"].tolist() == [3, 207, 999] * 2
    assert not any("not at 99.99 %" in note for note in section.notes)

    for row, (name, of) in zip(ends.measured, records(out).items(), strict=True):
        results = jfool.read_sweep(out / name)
        images = results.column("genotype").reshape(-1, *SHAPE)
        sought = confidences(network, images, results.column("job.target"))
        assert float(row[1]) == pytest.approx(100 * sought.mean(), abs=0.02)
        assert row[5] == pytest.approx(np.median([variation(image) for image in images]), rel=1e-4)
        distance = np.sqrt(((255 * (images - MEAN)) ** 2).mean((1, 2, 3)))
        assert row[4] == pytest.approx(np.median(distance), rel=1e-4)
        by_class = dict(zip(results.column("job.target"), sought, strict=True))  # of the last start
        second = dict(of.where(start=1).columns("target", "confidence"))
        assert second == pytest.approx(by_class, rel=1e-3)
    assert ends.measured[2][0] == 0.02 * 1500
    assert ends.paper[2][:2] == [1500, "98.59"]
    assert equal.rows == ["S3: decay", "as S3, steps x 10"]
    assert [row[4].split()[-1] for row in equal.measured] == ["6"] * 2


def test_the_section_has_pictures_and_owns_up_to_what_is_smaller(whole):
    section, out = whole
    files = [picture.file for picture in section.pictures]
    names = ["fig13", "no_noise", "s3", "s3_starts", "s3_long"]
    assert files == [f"{name}.png" for name in ("enlarged", "images", "courses", *names)]
    for file in files:
        with Image.open(out / file) as image:
            assert min(image.size) > 200
    notes = " ".join(section.notes)
    assert "UNTRAINED" in section.title
    assert "UNTRAINED" in notes
    assert "share 0.02 (1.0)" in notes
    assert "starts 2 (5)" in notes
    assert "classes 999 207 3 (" in notes


def test_who_fails_is_named_and_nothing_is_climbed_again(few):
    section, out = few
    assert [p.file for p in section.pictures] == ["enlarged.png", "images.png", "courses.png"]
    assert section.tables[0].measured[0][:2] == ["0 of 2", "0 of 2"]
    assert len(section.tables) == 2  # nothing is regularized
    (failures,) = [note for note in section.notes if "not at 99.99 %" in note]
    assert failures.startswith("Figure 13: not at 99.99 % within 4 steps: class 3 (")
    assert failures.count("class 207 (") == 1

    seconds = jfool.read_sweep(out / "fig13").column("seconds")
    assert few_steps(out) == section
    np.testing.assert_array_equal(jfool.read_sweep(out / "fig13").column("seconds"), seconds)


def test_a_class_climbs_the_same_way_whatever_is_beside_it(whole, few):
    beside, alone = (records(out)["fig13"] for _, out in (whole, few))
    for name in ("notes.confidence", "notes.variation"):
        np.testing.assert_allclose(alone[name], beside[name][:2, :5], rtol=1e-5)
    first, second = beside["notes.confidence"].reshape(2, 3, -1)[..., 0]
    assert (abs(first / second - 1) > 1e-4).all()  # another draw of noise


def test_only_ascents_without_a_regularizer_end_at_a_confidence(network, out):
    climb(out, ascents=("fig13", "s3"), galleries=(), stop=0.05)
    plain, regularized = records(out)["fig13"], records(out)["s3"]
    first = (plain["notes.confidence"] >= 0.05).argmax(axis=1)
    assert (first < 150).all()
    np.testing.assert_array_equal(plain["num_steps"], first)
    np.testing.assert_array_equal(plain["num_gradients"], first + 1)
    np.testing.assert_array_equal(regularized["num_steps"], 30)
    assert (regularized["notes.confidence"][:, 29] > 0.05).all()


@pytest.mark.parametrize(
    ("name", "gains", "settings"),
    [
        ("fig13", (0.02, 0.1), {}),
        ("s3", (0.03, 0.02), {"decay": 0.01}),
        ("s4", (0.03, 0.05), {"decay": 0.001, "small_norm": 20, "small_benefit": 20}),
        ("s5", (0.03, 0.05), {"decay": 0.001}),
    ],
)
def test_an_ascent_answers_with_its_last_image_and_its_course(network, name, gains, settings):
    """Against the paper's loop in NumPy, but for the blur, with which the encoding's tests deal."""
    setting = dataclasses.replace(ASCENTS[name], noise=0.1)
    unblurred = dataclasses.replace(setting.regularizers, blur_radius=None, blur_every=None)
    victim = as_victim("squeezenet1_1", network)
    attack = attack_of(dataclasses.replace(setting, regularizers=unblurred), victim, 99)
    jobs = jfool.AscentJob(np.array([7]), MEAN[None])
    key = jax.random.key(0)
    result = jfool.run(key, attack, network, jobs, num_steps=40)
    start = jfool.run(key, attack, network, jobs, num_steps=0).images[0]

    weights = np.asarray(network.weights[...], np.float64)
    image = shown = np.asarray(start, np.float64)
    confidence, variations = [], []
    for _ in range(41):
        logits = (image - MEAN).ravel() @ weights
        softmax = np.exp(logits - logits.max())
        softmax /= softmax.sum()
        p, slope = softmax[7], (softmax[7] * (weights[:, 7] - weights @ softmax)).reshape(SHAPE)
        confidence.append(p)
        variations.append(variation(image))
        shown = image
        rate = min(min(gains[0], gains[1] * (1 - p)) / (slope**2).sum(), 1e7 / 255**2)
        distance = (image + rate * slope - MEAN) * (1 - settings.get("decay", 0))
        norm = np.linalg.norm(distance, axis=-1)
        distance[norm < np.percentile(norm, settings.get("small_norm", 0))] = 0
        benefit = np.abs((slope * distance).sum(-1))
        distance[benefit < np.percentile(benefit, settings.get("small_benefit", 0))] = 0
        image = np.clip(MEAN + distance, 0, 1)
    np.testing.assert_allclose(result.images[0], shown, atol=2e-3)
    np.testing.assert_allclose(result.notes["confidence"][0, :41], confidence, rtol=0.02)
    np.testing.assert_allclose(result.notes["variation"][0, :41], variations, rtol=0.02)
    assert np.isnan(result.notes["confidence"][0, 41:]).all()
    assert np.isnan(result.notes["variation"][0, 41:]).all()


def test_the_last_image_is_the_answer_where_it_is_not_the_best(network):
    fooling = jfool.GradientFooling(
        SHAPE,
        NUM_CLASSES,
        ascent=jfool.GradientAscent(0.3, jfool.confidence_steps),
        regularizers=jfool.Regularizers(decay=1.0),  # back to the mean color, after each step
        start=jfool.NearBase(0.2),
    )
    key, start = jax.random.key(1), jfool.AscentJob(np.array([0]), MEAN[None])
    seen = jfool.run(key, fooling, network, start, num_steps=0).prediction
    jobs = dataclasses.replace(start, target=np.asarray(seen))
    usual = jfool.run(key, fooling, network, jobs, num_steps=3)
    watched = jfool.run(key, WatchedAscent(fooling, 3), network, jobs, num_steps=3)
    np.testing.assert_allclose(watched.images[0], np.broadcast_to(MEAN, SHAPE), atol=1e-6)
    assert watched.confidence[0] == pytest.approx(1 / NUM_CLASSES, rel=1e-4)
    highest = float(np.max(watched.notes["confidence"]))
    assert usual.confidence[0] == pytest.approx(highest, rel=1e-5)
    assert usual.confidence[0] > 2 * watched.confidence[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "lenet"}, "network: expected one of"),
        ({"classes": (5, 1000)}, "classes: expected a class from 0 to 999, got 1000"),
        ({"classes": (5, 5)}, "classes: expected one or more different ones, got 5 5"),
        ({"classes": ()}, "classes: expected one or more different ones, got none"),
        ({"ascents": ("fig13", "s9")}, "ascents: expected one of fig13, .* got 's9'"),
        ({"ascents": ("s3",)}, "ascents: expected fig13 beside others, got s3"),
        (
            {"ascents": ("fig13", "s3"), "galleries": ("s4",)},
            "galleries: expected some of fig13 s3, got s4",
        ),
        ({"starts": 0}, "starts: expected a number of at least 1, got 0"),
        ({"most_steps": 0}, "most_steps: expected a number of at least 1, got 0"),
        ({"stop": 1.0}, r"stop: expected a confidence between 0 and 1, got 1\.0"),
        ({"share": 0.0}, "share: expected a number above 0 and at most 1"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"side": 8}, "side: expected at least 32 pixels, got 8"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_first(change, message, out):
    with pytest.raises(ValueError, match=message):
        climb(out, **change)
    assert not out.exists()
