"""What is refused where it is given, before any run."""

import jax
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import Linear, unchecked, weights


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.5, -np.inf])
@pytest.mark.parametrize("criterion", [jfool.confident, jfool.suppressed])
def test_a_threshold_is_one_probability(criterion, value):
    with pytest.raises(ValueError, match=r"threshold: expected a probability in \(0, 1\], got"):
        criterion(value)


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize(
    "value", [np.inf, np.array([1.0, np.nan]), np.array(["a"]), np.array(True)]
)
def test_normalization_is_made_of_finite_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected finite numbers, got"):
        jfool.wrap(lambda w, x: x, {}, **{name: value})


def grid(**axes):
    return jfool.grid(jfool.SparseJob, **{"base": [[0.5]], "target": [1], "k": 1} | axes)


def test_a_grid_of_unknown_fields_is_refused():
    with pytest.raises(TypeError, match=r"color: expected a field of SparseJob \(.*base.*\), got"):
        grid(color=[[0.5]])


def test_a_grid_without_a_field_is_refused():
    with pytest.raises(TypeError, match="k: expected values for this field of the jobs, got none"):
        jfool.grid(jfool.SparseJob, base=[[0.5]], target=[1])


def test_ragged_values_are_refused():
    with pytest.raises(ValueError, match="base: expected numbers of one shape, got"):
        grid(base=[[0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("search", None, r"search: expected one such as .*, got None"),
        ("search", jfool.GreedySearch, r"search: expected one such as .*, got <class"),
        ("objective", jfool.Confidence, r"objective: expected one such as .*, got <class"),
    ],
)
def test_an_attack_without_a_part_is_refused(part, value, message):
    jobs = jfool.grid(jfool.SparseJob, base=[[0.5] * 3], target=[1], k=1)
    with unchecked():
        attack = jfool.SparseFooling((4, 5, 3), 7, max_k=3, **{part: value})
    with unchecked(), pytest.raises(TypeError, match=message):
        jfool.run(jax.random.key(0), attack, Linear(weights()), jobs, num_steps=1)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_weights_are_refused(value):
    spoilt = weights()
    spoilt[0, 0] = value
    attack = jfool.SparseFooling((4, 5, 3), 7, max_k=3)
    jobs = jfool.grid(jfool.SparseJob, base=[[0.5] * 3], target=[1], k=1)
    with pytest.raises(ValueError, match="model: expected weights without NaN or infinity"):
        jfool.run(jax.random.key(0), attack, Linear(spoilt), jobs, num_steps=1)
