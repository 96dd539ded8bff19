"""Numbers are checked as programs hold them: in float32 without subnormals, and in int32."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool import theory
from jfool.numbers import brief, check_choice, in_32_bits, is_number, is_whole
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    photos,
    sparse_fooling,
    unchecked,
    weights,
)

BIG = "infinite in 32 bits"
NIL = "0 in 32 bits"


@pytest.mark.parametrize(
    ("value", "bounds", "fits"),
    [
        (1e38, {}, True),
        (1e39, {}, False),
        (-1e39, {}, False),
        (np.float64(3.5e38), {}, False),
        (1e-50, {"above": 0}, False),
        (1e-45, {"above": 0}, False),
        (1e-45, {"least": 0}, True),
        (-1e-50, {"least": 0}, True),
        (2e-38, {"above": 0}, True),
        (1.0000000001, {"most": 1}, True),
        (1.0000001, {"most": 1}, False),
        (0.9999999999, {"below": 1}, False),
        (np.float32(0.7), {"least": 0.7}, True),
        (0.7, {"least": np.float32(0.7), "most": np.float64(0.7)}, True),
        (2**31 - 1, {}, True),
        (2**31, {}, False),
        (-(2**31) - 1, {}, False),
        (np.uint64(2**63), {}, False),
        (2**70, {}, False),
        (3e9, {"whole": True}, False),
        (5.0, {"whole": True}, True),
        (jnp.bfloat16(0.5), {"above": 0, "below": 1}, True),
        (np.float16(0.5), {}, True),
        (True, {}, False),
        (1j, {}, False),
        ("1", {}, False),
        ([0.5], {}, False),
        ([0.5, 1e39], {"ndim": 1}, False),
        ([1, [2, 3]], {"ndim": 1}, False),
    ],
)
def test_bounds_hold_for_the_number_that_programs_hold(value, bounds, fits):
    assert is_number(value, **bounds) is fits


def test_subnormal_numbers_are_zero_as_processors_have_them():
    given = np.array([1e-45, -1e-39, 2e-38, 1e39, np.nan, 1.5])
    expected = np.float32([0, 0, 2e-38, np.inf, np.nan, 1.5])
    np.testing.assert_array_equal(in_32_bits(given), expected)


@pytest.mark.parametrize("value", [2**31, 2**70, np.int64(2**40), 1.0, True, "1", None])
def test_whole_numbers_fit_into_int32(value):
    assert not is_whole(value, 0)
    assert is_whole(2**31 - 1, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e39, f"1e+39 ({BIG})"),
        (1e-50, f"1e-50 ({NIL})"),
        (-1e-45, f"-1e-45 ({NIL})"),
        (0.0, "0.0"),
        (float("nan"), "nan"),
        (2**40, "1099511627776 (beyond 32 bits)"),
        ([1, [2, 3]], "[1, [2, 3]]"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
    ],
)
def test_messages_say_what_32_bits_make_of_a_number(value, text):
    assert brief(value) == text


def test_messages_are_short_and_on_one_line():
    assert brief(10**5000) == "int"  # Python writes no more than 4300 digits
    assert not is_number(10**5000)
    assert len(brief(list(range(100_000)))) == 60
    assert "\n" not in brief(np.zeros((100, 100)))


def test_a_choice_is_a_word():
    with pytest.raises(ValueError, match=r"color: expected one of \['red', 'blue'\], got array"):
        check_choice("color", np.zeros(3), ("red", "blue"))


def evolution(**settings):
    return sparse_fooling(search=jfool.DifferentialEvolution(8, **settings))


perturbing = {"image_shape": SHAPE, "num_classes": NUM_CLASSES}
fooling = functools.partial(jfool.GradientFooling, SHAPE, NUM_CLASSES)
# Each froze a search, or made it NaN, when numbers were checked in float64.
EXTREME = {
    "F of 1e39": (lambda: evolution(scaling_factor=1e39), f"scaling_factor: .*{BIG}"),
    "F of 1e-50": (lambda: evolution(scaling_factor=1e-50), f"scaling_factor: .*{NIL}"),
    "a pair with 1e39": (lambda: evolution(scaling_factor=(0.5, 1e39)), "scaling_factor: "),
    "a step of 1e39": (lambda: jfool.BIM(**perturbing, step_size=1e39), f"step_size: .*{BIG}"),
    "a step of 1e-45": (lambda: jfool.PGD(**perturbing, step_size=1e-45), f"step_size: .*{NIL}"),
    "an overshoot of 1e39": (
        lambda: jfool.DeepFool(**perturbing, overshoot=1e39),
        f"overshoot: .*{BIG}",
    ),
    "a rate of 1e39": (lambda: fooling(jfool.GradientAscent(1e39)), rf"ascent\.step_size: .*{BIG}"),
    "a noise of 1e39": (lambda: fooling(start=jfool.NearBase(1e39)), rf"start\.noise: .*{BIG}"),
    "a bound that is NaN": (
        lambda: sparse_fooling(objective=jfool.AtMost(jfool.Margin(), np.nan)),
        r"objective\.bound: expected a number, got nan",
    ),
    "more candidates than int32 counts": (
        lambda: jfool.DeepFool(**perturbing, num_candidates=2**31),
        r"num_candidates: .*beyond 32 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), EXTREME.values(), ids=EXTREME)
def test_settings_beyond_float32_are_refused(make, message):
    attack = make()
    classes = np.arange(4)
    jobs = {
        jfool.SparseFooling: jfool.SparseJob(target=classes, base=photos(4), k=np.ones(4, int)),
        jfool.GradientFooling: jfool.AscentJob(classes, photos(4)),
    }.get(type(attack), jfool.PerturbationJob(photos(4), np.full(4, 0.1), classes))
    with unchecked(), pytest.raises(ValueError, match=message):
        jfool.run(jax.random.key(0), attack, Linear(weights()), jobs, num_steps=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jfool.wrap(print, {}, std=1e-45), f"std: expected positive numbers, got .*{NIL}"),
        (lambda: jfool.wrap(print, {}, mean=1e39), f"mean: expected finite numbers, got .*{BIG}"),
        (lambda: jfool.confident(1e-50), f"threshold: .*{NIL}"),
        (lambda: jfool.confidence_steps(0.1, max_rate=1e39), f"max_rate: .*{BIG}"),
        (lambda: theory.linear([1.0, 1e39]), "delta_w: .*beyond float32"),
        (lambda: theory.linear([1.0, 2.0], R=1e-50), f"R: expected a number above .*{NIL}"),
    ],
)
def test_arguments_beyond_float32_are_refused(call, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        call()
