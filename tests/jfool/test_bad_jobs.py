"""Jobs that cannot be run are refused before any work is done."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import jfool
from tests.jfool.helpers import (
    Given,
    assert_refused,
    grey_jobs,
    photos,
    sparse_fooling,
)


def jobs(**changed: Any) -> jfool.SparseJob:
    return dataclasses.replace(grey_jobs(), **changed)


# what is wrong: (the arguments of `run` that are so, the error, what its message says)
BAD: dict[str, tuple[Given, Any, str]] = {
    "no jobs": ({"jobs": lambda: grey_jobs(np.zeros(0, int))}, ValueError, "jobs: .*none"),
    "fewer targets than bases": (
        {"jobs": lambda: jobs(target=np.arange(3))},
        ValueError,
        r"jobs: .*leading axis.*target \[3\]",
    ),
    "one number for all jobs": (
        {"jobs": lambda: jobs(k=2)},
        ValueError,
        r"jobs: .*leading axis.*k \[\]",
    ),
    "nothing as jobs": ({"jobs": lambda: None}, ValueError, "jobs: .*no arrays"),
    "jobs of another kind": (
        {"jobs": lambda: {"target": np.arange(4)}},
        TypeError,
        r"jobs: expected jfool\.SparseJob, got dict",
    ),
    "a target that is no class": (
        {"jobs": lambda: grey_jobs([0, 1, 2, 4])},
        ValueError,
        r"jobs\.target: .*0 to 3.*4",
    ),
    "a negative target": ({"jobs": lambda: grey_jobs([-1, 1])}, ValueError, r"jobs\.target: .*-1"),
    "targets as floats": (
        {"jobs": lambda: grey_jobs([0.0, 1.0])},
        TypeError,
        r"jobs\.target: .*integers.*float",
    ),
    "targets as one-hot rows": (
        {"jobs": lambda: jobs(target=np.eye(4, dtype=int))},
        TypeError,
        r"jobs\.target: .*integers \[N\]",
    ),
    "no class to reach": (
        {"jobs": lambda: jobs(target=None)},
        TypeError,
        r"jobs\.target: expected the class to reach in a targeted attack, got none",
    ),
    "the class to reach under its old name": (
        {"jobs": lambda: jobs(target=None, label=np.arange(4))},
        TypeError,
        r"jobs\.target: .*got a label \(give target=, or an Untargeted objective\)",
    ),
    "no class to leave": (
        {"jobs": lambda: jobs(), "attack": lambda: sparse_fooling(objective=jfool.Untargeted())},
        TypeError,
        r"jobs\.label: expected the true class in an untargeted attack, got a target \(give label=",
    ),
    "a target with a true class out of range": (
        {"jobs": lambda: jobs(label=np.full(4, 9))},
        ValueError,
        r"jobs\.label: .*0 to 3.*9",
    ),
    "colors in 8 bits": (
        {"jobs": lambda: jobs(base=np.full((4, 3), 127, np.uint8))},
        TypeError,
        r"jobs\.base: .*uint8.*255",
    ),
    "colors above 1": (
        {"jobs": lambda: jobs(base=np.full((4, 3), 127.0))},
        ValueError,
        r"jobs\.base: .*\[0, 1\].*127",
    ),
    "NaN colors": (
        {"jobs": lambda: jobs(base=np.full((4, 3), np.nan))},
        ValueError,
        r"jobs\.base: .*\[0, 1\].*nan",
    ),
    "colors with other channels": (
        {"jobs": lambda: jobs(base=np.zeros((4, 1)))},
        ValueError,
        r"jobs\.base: .*\[N, 3\].*\[4, 1\]",
    ),
    "photographs of another size": (
        {"jobs": lambda: jobs(base=photos(4, shape=(5, 4, 3)))},
        ValueError,
        r"jobs\.base: .*\[N, 4, 5, 3\].*\[4, 5, 4, 3\]",
    ),
    "no pixels": ({"jobs": lambda: grey_jobs(k=0)}, ValueError, r"jobs\.k: .*1 to max_k = 3.*0"),
    "more pixels than the attack's most": (
        {"jobs": lambda: grey_jobs(k=4)},
        ValueError,
        r"jobs\.k: .*max_k = 3.*4",
    ),
    "half a pixel": ({"jobs": lambda: grey_jobs(k=1.5)}, TypeError, r"jobs\.k: .*integers.*float"),
}


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refuses(given, error, message):
    assert_refused(given, error, message)
