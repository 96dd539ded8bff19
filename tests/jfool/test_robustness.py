"""Robust accuracy: stages in turn, against what is known of linear models."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, unchecked, weights

KEY = jax.random.key(0)
MODEL = Linear(jnp.asarray(weights(), jnp.float32))
COUNT = 24
IMAGES = np.random.default_rng(3).uniform(size=(COUNT, *SHAPE)).astype(np.float32)
IMAGES[::2] = 0.3 + 0.4 * IMAGES[::2]  # half of them away from the ends of the box
CLEAN = IMAGES.reshape(COUNT, -1).astype(float) @ np.asarray(MODEL.weights, float)
LABELS = CLEAN.argmax(1)
LABELS[:4] = (LABELS[:4] + 1) % NUM_CLASSES  # wrong before any attack
RIGHT = np.arange(COUNT) >= 4


def pgd(name="pgd", constraint=jfool.Linf(), num_steps=40, step_size=0.01):
    attack = jfool.PGD(SHAPE, NUM_CLASSES, constraint=constraint, step_size=step_size)
    return jfool.Stage(name, attack, num_steps)


def weak():
    """One short step from the image."""
    return jfool.Stage("weak", jfool.BIM(SHAPE, NUM_CLASSES, step_size=0.015), 1)


def towards(name="towards", constraint=jfool.Linf()):
    """A targeted attack: the class with the second largest logit."""
    attack = jfool.BIM(
        SHAPE, NUM_CLASSES, constraint=constraint, step_size=1.0, objective=jfool.LogConfidence()
    )
    return jfool.Stage(name, attack, 1, num_targets=1)


def judged(epsilon, attack, constraint=jfool.Linf(), **options):
    given = {"model": MODEL, "images": IMAGES, "labels": LABELS} | options
    images, labels = given.pop("images"), given.pop("labels")
    model = given.pop("model")
    return jfool.robust_accuracy(
        KEY, model, images, labels, constraint, epsilon, attack=attack, **given
    )


def least_margins(epsilon, norm):
    """The smallest margin of the label that a perturbation leaves; negative where it breaks. In
    Linf with the box, in L2 for images whose ball lies inside it."""
    matrix = np.asarray(MODEL.weights, float).T.reshape(NUM_CLASSES, *SHAPE)
    least = np.full(COUNT, np.inf)
    for i, (image, label) in enumerate(zip(IMAGES.astype(float), LABELS, strict=True)):
        for other in set(range(NUM_CLASSES)) - {label}:
            w = matrix[label] - matrix[other]
            if norm == "linf":
                moved = np.clip(image - epsilon * np.sign(w), 0, 1)
                margin = (moved * w).sum()
            else:
                margin = (image * w).sum() - epsilon * np.sqrt((w**2).sum())
            least[i] = min(least[i], margin)
    return least


def radius_between(norm, rows):
    """One that breaks about half of the images, and leaves all margins clear of zero."""
    for epsilon in np.linspace(0.01, 0.25, 200):
        least = least_margins(epsilon, norm)[rows]
        if (least < 0).mean() >= 0.4 and np.abs(least).min() > 0.003 * np.abs(CLEAN).mean():
            return float(epsilon)
    raise AssertionError("no such radius")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_of_a_linear_model_is_robust_iff_its_margin_exceeds_the_dual_norm(norm):
    rows = np.arange(COUNT) % 2 == 0 if norm == "l2" else np.ones(COUNT, bool)
    rows &= RIGHT
    epsilon = radius_between(norm, rows)
    ball = jfool.Linf() if norm == "linf" else jfool.L2()
    stage = pgd(constraint=ball, num_steps=60, step_size=epsilon / 8)
    found = judged(epsilon, [stage], ball)
    robust = least_margins(epsilon, norm) > 0
    assert 0 < robust[rows].sum() < rows.sum()
    np.testing.assert_array_equal((found.broken_by == "")[rows], robust[rows])
    if norm == "linf":
        assert found.robust_accuracy.rate == (robust & RIGHT).mean()
    assert found.clean_accuracy.rate == RIGHT.mean()
    assert found.clean_accuracy.num_images == found.robust_accuracy.num_images == COUNT


@pytest.fixture(scope="module")
def both():
    """A stage with few steps, and one that finds more."""
    return judged(0.03, [weak(), pgd("strong")])


def test_adversarial_images_are_wrong_when_shown_again_and_inside_the_ball(both):
    broken = ~np.isin(both.broken_by, ["", "clean"])
    assert {*both.broken_by} == {"", "clean", "weak", "strong"}
    logits = both.images.reshape(COUNT, -1).astype(float) @ np.asarray(MODEL.weights, float)
    assert (logits.argmax(1) != LABELS)[broken].all()
    far = np.abs(both.images - IMAGES).reshape(COUNT, -1).max(1)
    assert (far <= 0.03 + 1e-6).all()
    np.testing.assert_allclose(both.distances[broken], far[broken], atol=1e-7)
    assert np.isnan(both.distances[~broken]).all()
    np.testing.assert_array_equal(both.images[~broken], IMAGES[~broken])
    assert both.images.min() >= 0
    assert both.images.max() <= 1


def test_each_stage_attacks_what_the_one_before_left(both):
    weak, strong = both.stages["weak"], both.stages["strong"]
    np.testing.assert_array_equal(both.broken_by == "clean", ~RIGHT)
    assert weak.num_attacked == RIGHT.sum()
    assert strong.num_attacked == weak.num_attacked - weak.num_broken
    assert weak.num_broken == (both.broken_by == "weak").sum()
    assert weak.robust_accuracy.rate == strong.num_attacked / COUNT
    assert strong.robust_accuracy == both.robust_accuracy
    assert both.num_gradients[~RIGHT].max() == 0
    assert both.num_gradients.sum() == weak.num_gradients + strong.num_gradients
    assert (
        both.num_gradients[both.broken_by == "weak"] == 2
    ).all()  # of the image, and after a step
    lines = str(both).splitlines()
    assert lines[0].startswith(f"clean accuracy    {100 * RIGHT.mean():.1f} % of {COUNT} images (")
    assert lines[2].endswith(f"broke {strong.num_broken} of {strong.num_attacked}")


def test_the_same_call_finds_the_same_in_chunks_and_rows_of_a_data_set(both):
    order = np.random.default_rng(0).permutation(COUNT)
    data = np.empty_like(IMAGES)
    data[order] = IMAGES
    stages = [weak(), pgd("strong")]
    again = judged(0.03, stages, images=jfool.Rows(data, order), chunk=COUNT)
    assert again.broken_by.tolist() == both.broken_by.tolist()
    np.testing.assert_array_equal(again.images, both.images)


def test_more_is_broken_in_a_larger_ball():
    radii = (0.0, 0.01, 0.03, 0.3)
    left = [judged(epsilon, pgd()).robust_accuracy.rate for epsilon in radii]
    assert left[0] == RIGHT.mean()
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


def test_a_targeted_stage_heads_for_the_likeliest_other_class(tmp_path):
    found = judged(0.05, towards(), folder=tmp_path / "run")
    results = jfool.read_sweep(tmp_path / "run" / "1-towards")
    rows = np.flatnonzero(RIGHT)
    np.testing.assert_array_equal(results.column("job_id"), rows)
    np.testing.assert_array_equal(results.column("job.target"), np.argsort(-CLEAN, 1)[rows, 1])
    np.testing.assert_array_equal(results.column("job.label"), LABELS[rows])
    assert found.stages["towards"].num_broken > 0


def test_a_call_resumes_and_reads_the_stages_that_are_done(tmp_path):
    stages, folder = [weak(), pgd("strong")], tmp_path / "run"

    def stop(name, progress):
        if name == "strong":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(0.03, stages, folder=folder, on_progress=stop)
    names, whole = [], judged(0.03, stages)
    resumed = judged(0.03, stages, folder=folder, on_progress=lambda name, now: names.append(name))
    assert {*names} == {"strong"}
    again = judged(0.03, stages, folder=str(folder), on_progress=lambda *now: names.append("again"))
    assert "again" not in names
    for found in (resumed, again):
        for name in ("broken_by", "images", "distances", "num_queries", "num_gradients"):
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    with pytest.raises(ValueError, match=r"folder: expected the settings that .* another jobs"):
        judged(0.04, stages, folder=folder)
    with pytest.raises(ValueError, match="folder: expected a new one or that of these stages, got"):
        judged(0.03, pgd("other"), folder=folder)
    (tmp_path / "linked").mkdir()
    os.symlink(tmp_path, tmp_path / "linked" / "1-weak")
    with pytest.raises(ValueError, match="got a link"):
        judged(0.03, stages, folder=tmp_path / "linked")


def test_where_nothing_is_right_nothing_is_attacked():
    found = judged(0.03, pgd(), labels=(CLEAN.argmax(1) + 1) % NUM_CLASSES)
    assert found.stages["pgd"].num_attacked == found.num_gradients.sum() == 0
    assert found.clean_accuracy.rate == found.robust_accuracy.rate == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_makes_the_figures_doubtful_is_said():
    """Rounded pixels have no gradient, but Square finds what is beyond the next level."""

    @pytree
    class Rounded:
        model: object

        def __call__(self, images):
            return jax.nn.softmax(self.model(jnp.round(images * 20) / 20))

    model = Rounded(MODEL)
    labels = np.asarray(model(IMAGES)).argmax(1)
    square = jfool.Stage("square", jfool.Square(SHAPE, NUM_CLASSES), 60)
    found = judged(0.1, [pgd(num_steps=2, step_size=1e-4), square], model=model, labels=labels)
    assert found.stages["square"].num_broken > 0
    probabilities, zero, masked = found.warnings
    assert "seems to return probabilities" in probabilities
    assert zero.startswith("The gradients of pgd were exactly zero for ")
    broken, left = found.stages["square"].num_broken, found.stages["square"].num_attacked
    assert f"square, which takes no gradient, broke {broken} of the {left} images" in masked
    assert str(found).count("\nwarning: ") == 3


@dataclasses.dataclass
class Draws:
    stochastic = True

    def __call__(self, images, keys):
        return MODEL(images)


jax.tree_util.register_dataclass(Draws, [], [])
DEEP = jfool.DeepFool(SHAPE, NUM_CLASSES)
TURNS = jfool.InTurn(jfool.PGD(SHAPE, NUM_CLASSES), 4, 2)
BAD = {
    "a seed": ({"key": 0}, TypeError, "key: expected a typed key"),
    "no model": ({"model": 3}, TypeError, "model: expected a callable"),
    "a model that draws": ({"model": Draws()}, ValueError, r"model: .*without draws, .*jfool\.run"),
    "bytes": ({"images": np.zeros((COUNT, *SHAPE), np.uint8)}, TypeError, "images: .*uint8 .*255"),
    "gray levels": ({"images": 255 * IMAGES}, ValueError, r"images: .*in \[0, 1\], got .*by 255"),
    "one image": ({"images": IMAGES[0]}, ValueError, r"images: expected floats \[N, H, W, C\]"),
    "no images": ({"images": IMAGES[:0], "labels": []}, (TypeError, ValueError), "images|labels"),
    "ragged images": ({"images": [[1.0], [1.0, 2.0]]}, ValueError, "images: .*of one shape"),
    "other images": ({"images": IMAGES[:, 1:]}, ValueError, "model: expected it to take images"),
    "few labels": ({"labels": LABELS[1:]}, ValueError, "labels: expected one for each of 24"),
    "float labels": ({"labels": LABELS * 1.0}, TypeError, r"labels: expected integers \[N\], got"),
    "one-hot labels": ({"labels": np.eye(24, dtype=int)}, TypeError, r"labels: expected integers"),
    "labels too far": ({"labels": LABELS + 4}, ValueError, "labels: expected classes 0 to 3, got"),
    "a norm": ({"constraint": "linf"}, TypeError, r"constraint: expected one such as jfool\.Linf"),
    "L0": (
        {"constraint": jfool.L0(), "epsilon": 3, "attack": "plus"},
        TypeError,
        r"constraint: expected jfool\.Linf\(\), .*got L0",
    ),
    "a negative radius": ({"epsilon": -0.1}, ValueError, "epsilon: expected .* at least 0, got -0"),
    "a radius of 8": ({"epsilon": 8}, ValueError, r"epsilon: .*got 8\.0 \(divide by 255\)"),
    "several radii": ({"epsilon": [0.1, 0.2]}, ValueError, "epsilon: expected one finite radius"),
    "no version": ({"attack": "rand"}, TypeError, 'attack: expected "standard", "plus" or jfool'),
    "no stage": ({"attack": pgd().attack}, TypeError, 'attack: expected "standard", "plus" or'),
    "no stages": ({"attack": []}, TypeError, 'attack: expected "standard", "plus" or jfool'),
    "the same names": ({"attack": [pgd(), pgd()]}, ValueError, "attack: .* different names"),
    "another ball": (
        {"attack": pgd(constraint=jfool.L2())},
        ValueError,
        r"attack: expected attacks inside Linf\(\).*pgd inside L2\(\)",
    ),
    "no ball": ({"attack": jfool.Stage("deep", DEEP, 9)}, ValueError, "attack: .*inside None"),
    "too many targets": (
        {"attack": jfool.Stage("turns", TURNS, 11, 4)},
        ValueError,
        "num_targets: expected at most 3 for 4 classes, got 4",
    ),
    "no target": (
        {"attack": dataclasses.replace(towards(), num_targets=0)},
        TypeError,
        "num_targets: ",
    ),
    "other classes": (
        {"attack": jfool.Stage("wide", jfool.PGD(SHAPE, 7), 3)},
        ValueError,
        r"model: expected logits .*num_classes = 7",
    ),
    "no chunk": ({"chunk": 0}, ValueError, "chunk: expected a whole number of at least 1"),
    "a number as folder": ({"folder": 3}, TypeError, "folder: expected None or a path, got 3"),
    "no function": ({"on_progress": 3}, TypeError, "on_progress: expected a function"),
}


@pytest.mark.parametrize(("change", "error", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_work_is_refused_in_a_sentence_before_compilation(
    change, error, message, monkeypatch, tmp_path
):
    monkeypatch.setattr("jfool.robustness._show", lambda *given: pytest.fail("compiled"))
    given = {"key": KEY, "model": MODEL, "images": IMAGES, "labels": LABELS, "epsilon": 0.1}
    given |= {"constraint": jfool.Linf(), "attack": pgd(), "folder": tmp_path / "run"} | change
    with unchecked(), pytest.raises(error, match=message) as refusal:
        jfool.robust_accuracy(**given)
    assert len(str(refusal.value)) <= 300
    assert len(str(refusal.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "../up"}, ValueError, "name: expected letters"),
        ({"name": ".."}, ValueError, "name: expected letters"),
        ({"name": "clean"}, ValueError, "name: expected letters"),
        ({"name": "x" * 99}, ValueError, "name: expected letters"),
        ({"name": 3}, ValueError, "name: expected letters"),
        ({"attack": jfool.PGD}, TypeError, "attack: expected an instance"),
        ({"attack": None}, TypeError, "attack: expected an attack"),
        ({"num_steps": -1}, ValueError, "num_steps: expected a whole number"),
        ({"num_targets": 2}, ValueError, "num_targets: expected 0 or 1 for PGD"),
        (
            {"attack": TURNS, "num_targets": 1},
            ValueError,
            "num_targets: expected 0 or 4 for InTurn",
        ),
    ],
)
def test_a_stage_that_cannot_work_is_refused(change, error, message):
    with unchecked(), pytest.raises(error, match=message):
        dataclasses.replace(pgd(), **change)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (((4, 5), 4, jfool.Linf()), ValueError, "image_shape: expected"),
        ((SHAPE, 1, jfool.Linf()), ValueError, "num_classes: expected"),
        ((SHAPE, 4, jfool.L0()), TypeError, "constraint: expected"),
        ((SHAPE, 4, jfool.Linf(), "rand"), ValueError, "version: expected one of"),
    ],
)
def test_auto_attack_refuses_what_it_has_no_attacks_for(given, error, message):
    with unchecked(), pytest.raises(error, match=message):
        jfool.auto_attack(*given)


def test_lists_and_small_floats_are_images_as_well():
    half = IMAGES.astype(ml_dtypes.bfloat16)
    found = judged(0.03, pgd(), images=jnp.asarray(half))
    with unchecked():
        given = {"images": half.astype(float).tolist(), "labels": LABELS.tolist()}
        listed = judged(0.03, pgd(), **given)
    assert found.broken_by.tolist() == listed.broken_by.tolist()
    np.testing.assert_array_equal(found.images, listed.images)
