"""Jobs and settings of attacks on images that are refused."""

import dataclasses

import jax
import numpy as np
import pytest

import jfool
from jfool.search import ToTarget
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    unchecked,
)
from tests.jfool.test_gradient_sign import (
    IMAGES,
    INNER,
    LABELED,
    LABELS,
    NET,
    ON_NET,
    TWO,
    jobs,
    run,
)

BYTES = (255 * IMAGES).astype(np.uint8)
ATTACKS = [
    jfool.FGSM(SHAPE, NUM_CLASSES),
    jfool.DeepFool(SHAPE, NUM_CLASSES),
    jfool.HotCold(SHAPE, NUM_CLASSES),
    jfool.Restarts(jfool.PGD(SHAPE, NUM_CLASSES), 2),
]
BAD = {
    "bytes": ({"image": BYTES}, TypeError, r"jobs\.image: .*uint8 \(divide 8-bit by 255\)"),
    "values up to 255": ({"image": 255 * IMAGES}, ValueError, r"jobs\.image: .*in \[0, 1\]"),
    "another size": ({"image": IMAGES[:, 1:]}, ValueError, r"jobs\.image: .*\[5, 3, 5, 3\]"),
    "no label": ({"label": None, "target": None}, TypeError, r"jobs\.(label|target): .*got none"),
    "a label too far": ({"label": np.full(5, 4)}, ValueError, r"jobs\.label: .*0 to 3"),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_jobs_that_cannot_work_are_refused_in_one_sentence(attack, given, error, message):
    good = dataclasses.replace(ON_NET, target=(LABELED + 1) % NUM_CLASSES)
    bad = dataclasses.replace(good, **given)
    with pytest.raises(error, match=message) as refusal:
        run(attack, NET, bad, 1, keep="fittest")
    assert len(str(refusal.value).splitlines()) == 1


def test_gray_levels_are_refused_also_by_perturb_inside_a_jit():
    levels = dataclasses.replace(ON_NET, epsilon=np.full(5, 8.0, np.float32))
    attack = jfool.FGSM(SHAPE, NUM_CLASSES)
    with pytest.raises(ValueError, match=r"jobs\.epsilon: .*got 8\.0 \(divide by 255\)"):
        run(attack, NET, levels, 1)

    def images(images):
        given = dataclasses.replace(ON_NET, image=images)
        return jfool.perturb(jax.random.key(0), attack, NET, given, num_steps=1)

    with unchecked(), pytest.raises(TypeError, match=r"jobs\.image: .*uint8"):
        jax.eval_shape(images, BYTES)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (jfool.BIM(SHAPE, 2, step_size=0.0), "step_size: expected a positive number"),
        (jfool.BIM(SHAPE, 2, step_size=np.nan), "step_size: expected a positive number"),
        (jfool.MIFGSM(SHAPE, 2, momentum=-0.1), "momentum: expected None or a number"),
        (jfool.DeepFool(SHAPE, 2, overshoot=-0.1), "overshoot: expected a number of at least 0"),
        (jfool.Restarts(jfool.BIM(SHAPE, 2), 0), "num_restarts: expected a whole number"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_settings_that_cannot_work_are_refused(search, message):
    with pytest.raises(ValueError, match=message):
        run(search, TWO, jobs(INNER, 0.1, label=LABELS), 1, keep="fittest")


RATIO, TOWARDS = jfool.LogitRatio(), jfool.TargetLogitRatio()
APGD = jfool.APGD(SHAPE, NUM_CLASSES, objective=TOWARDS)
TO_TARGET = jfool.FAB(SHAPE, NUM_CLASSES, boundaries=ToTarget())
TURNS = np.stack([LABELED, LABELED], axis=1)


@pytest.mark.parametrize(
    ("attack", "given", "error", "message"),
    [
        (jfool.APGD(SHAPE, 2, objective=RATIO), {}, ValueError, "num_classes: .*at least 3 for"),
        (jfool.PGD(SHAPE, 3, objective=TOWARDS), {}, ValueError, "num_classes: .*at least 4 for"),
        (APGD, {"target": None}, TypeError, r"jobs\.target: .*class to head for.*got none"),
        (TO_TARGET, {"target": None}, TypeError, r"jobs\.target: .*class to head for.*got none"),
        (APGD, {"target": LABELED}, ValueError, r"jobs\.target: .*another class than jobs\.label"),
        (TO_TARGET, {"target": LABELED}, ValueError, r"jobs\.target: .*another class"),
        *(
            (kind(SHAPE, NUM_CLASSES, constraint=jfool.L0()), {}, TypeError, "constraint: .*L0")
            for kind in (jfool.APGD, jfool.FAB, jfool.Square)
        ),
        (jfool.Square(SHAPE, NUM_CLASSES, share=0.0), {}, ValueError, r"share: .*\(0, 1\], got 0"),
        (
            jfool.Square(SHAPE, NUM_CLASSES),
            {"epsilon": -np.asarray(ON_NET.epsilon)},
            ValueError,
            "jobs.epsilon",
        ),
        (jfool.APGD(SHAPE, NUM_CLASSES, num_steps=0), {}, ValueError, "num_steps: .*at least 1"),
        (jfool.InTurn(APGD, 3), {"target": TURNS}, ValueError, r"jobs\.target: expected \[N, 3\]"),
        (
            jfool.InTurn(jfool.PGD(SHAPE, NUM_CLASSES, objective=jfool.LogConfidence()), 2),
            {"target": TURNS},
            ValueError,
            r"jobs\.target: expected integers \[N\]",
        ),
    ],
)
def test_parts_of_auto_attack_that_cannot_work_are_refused(attack, given, error, message):
    good = dataclasses.replace(ON_NET, target=(LABELED + 1) % NUM_CLASSES)
    with unchecked(), pytest.raises(error, match=message) as refusal:
        run(attack, NET, dataclasses.replace(good, **given), 1, keep="fittest")
    assert len(str(refusal.value)) <= 300
    assert len(str(refusal.value).splitlines()) == 1
