"""Keys, settings and arguments of `run` that cannot work are refused before any work is done.

Each in one sentence that names the argument. Models and jobs have files of their own.
"""

from typing import Any

import jax
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import (
    SHAPE,
    Given,
    Linear,
    assert_refused,
    run_badly,
    sparse_fooling,
    weights,
)


def search(**options: Any) -> jfool.SparseFooling:
    options = {"population_size": 8, **options}
    return sparse_fooling(search=jfool.DifferentialEvolution(**options))


# what is wrong: (the arguments of `run` that are so, the error, what its message says)
BAD: dict[str, tuple[Given, Any, str]] = {
    "a legacy key": ({"key": lambda: jax.random.PRNGKey(0)}, TypeError, "key: .*typed key"),
    "a batch of keys": (
        {"key": lambda: jax.random.split(jax.random.key(0), 2)},
        TypeError,
        r"key: .*one key.*\[2\]",
    ),
    "an rbg key": ({"key": lambda: jax.random.key(0, impl="rbg")}, ValueError, "key: .*threefry"),
    "a number as key": ({"key": lambda: 0}, TypeError, "key: .*typed key"),
    "model and attack swapped": ({"attack": lambda: Linear(0)}, TypeError, "attack: .*Linear"),
    "more pixels than the image has": (
        {"attack": lambda: sparse_fooling(max_k=21)},
        ValueError,
        "max_k: .*1 to 20.*21",
    ),
    "an attack on no pixels": (
        {"attack": lambda: sparse_fooling(max_k=0)},
        ValueError,
        "max_k: .*0",
    ),
    "an image shape without channels": (
        {"attack": lambda: jfool.SparsePixels((28, 28), 1)},
        ValueError,
        r"image_shape: .*\(28, 28\)",
    ),
    "an empty image": (
        {"attack": lambda: jfool.SparsePixels((0, 28, 1), 1)},
        ValueError,
        r"image_shape: .*\(0, 28, 1\)",
    ),
    "an unknown boundary": (
        {"attack": lambda: sparse_fooling(boundary="mirror")},
        ValueError,
        "boundary: .*clip.*mirror",
    ),
    "a population of three": (
        {"attack": lambda: search(population_size=3)},
        ValueError,
        "population_size: .*4.*3",
    ),
    "F of zero": ({"attack": lambda: search(scaling_factor=0.0)}, ValueError, "scaling_factor: "),
    "F below zero": (
        {"attack": lambda: search(scaling_factor=-0.5)},
        ValueError,
        "scaling_factor: .*positive.*-0.5",
    ),
    "F that is NaN": (
        {"attack": lambda: search(scaling_factor=float("nan"))},
        ValueError,
        "scaling_factor: .*nan",
    ),
    "F from high to low": (
        {"attack": lambda: search(scaling_factor=(0.9, 0.5))},
        ValueError,
        r"scaling_factor: .*\(low, high\).*0\.9",
    ),
    "a crossover rate above 1": (
        {"attack": lambda: search(crossover_rate=1.5)},
        ValueError,
        "crossover_rate: .*1.5",
    ),
    "an unknown mutant": ({"attack": lambda: search(mutant="bset")}, ValueError, "mutant: .*bset"),
    "an unknown start": ({"attack": lambda: search(start="sobol")}, ValueError, "start: .*sobol"),
    "an F that is a word": (
        {"attack": lambda: search(scaling_factor="half")},
        (TypeError, ValueError),
        "scaling_factor: .*half",
    ),
    "three Fs": (
        {"attack": lambda: search(scaling_factor=(0.1, 0.5, 0.9))},
        ValueError,
        "scaling_factor: .*0.1",
    ),
    "two crossover rates": (
        {"attack": lambda: search(crossover_rate=(0.1, 0.2))},
        (TypeError, ValueError),
        "crossover_rate: ",
    ),
    "a class in place of an objective": (
        {"attack": lambda: sparse_fooling(objective=jfool.Confidence)},
        TypeError,
        "objective: ",
    ),
    "no classes": (
        {"attack": lambda: jfool.SparseFooling(SHAPE, 0, max_k=3)},
        ValueError,
        "num_classes: .*0",
    ),
    "classes that are no whole number": (
        {"attack": lambda: jfool.SparseFooling(SHAPE, 4.0, max_k=3)},
        (TypeError, ValueError),
        "num_classes: .*4.0",
    ),
    "half a step": ({"num_steps": lambda: 2.5}, ValueError, "num_steps: .*2.5"),
    "a truth as number of steps": ({"num_steps": lambda: True}, ValueError, "num_steps: .*True"),
    "more steps than 32 bits count": (
        {"num_steps": lambda: 2**31},
        ValueError,
        "num_steps: .*2147483648",
    ),
    "a chunk in words": ({"chunk": lambda: "all"}, ValueError, "chunk: .*all"),
    "a number as stopping rule": ({"until": lambda: 0.9}, TypeError, r"until: .*confident.*0\.9"),
    "a stopping rule that was not made": (
        {"until": lambda: jfool.confident},
        (TypeError, ValueError),
        "until: ",
    ),
    "a stopping rule that gives a number": (
        {"until": lambda: lambda logits, label, targeted: logits[label]},
        TypeError,
        "until: .*boolean",
    ),
    "fewer than no steps": ({"num_steps": lambda: -1}, ValueError, "num_steps: .*-1"),
    "a chunk of no images": ({"chunk": lambda: 0}, ValueError, "chunk: .*0"),
    "a threshold in percent": (
        {"until": lambda: jfool.confident(90.0)},
        ValueError,
        r"threshold: .*\(0, 1\].*90",
    ),
    "suppression of a target": (
        {"until": lambda: jfool.suppressed(0.05)},
        ValueError,
        "until: .*suppressed.*untargeted",
    ),
    "one job id too few": (
        {"job_ids": lambda: np.arange(3)},
        ValueError,
        r"job_ids: .*\[4\].*\[3\]",
    ),
    "two jobs of one id": (
        {"job_ids": lambda: np.array([0, 1, 2, 2])},
        ValueError,
        "job_ids: .*distinct",
    ),
    "a negative job id": ({"job_ids": lambda: np.arange(4) - 1}, ValueError, r"job_ids: .*\[0"),
    "job ids as text": (
        {"job_ids": lambda: np.array(list("abcd"))},
        ValueError,
        "job_ids: .*whole",
    ),
    "job ids as floats": (
        {"job_ids": lambda: np.arange(4.0)},
        ValueError,
        "job_ids: .*whole.*got array",
    ),
}


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refuses(given, error, message):
    assert_refused(given, error, message)


@pytest.mark.parametrize("ids", [[5, 6, 7, 8], range(5, 9), np.arange(5, 9), (5, 6, 7, 8)])
def test_job_ids_may_be_any_sequence_of_whole_numbers(ids):
    images = jax.eval_shape(lambda: run_badly(Linear(weights()), job_ids=ids).images)
    assert images.shape == (4, *SHAPE)
