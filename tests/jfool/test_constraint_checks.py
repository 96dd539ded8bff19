"""Jobs without a ball are refused; of traced ones, shapes and dtypes are looked at."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfool.constraints import L0, L2, Linf
from tests.jfool.balls import BALLS, Job

IMAGES = np.full((3, 4, 4, 3), 0.5, np.float32)


def jobs(**changed: Any) -> Job:
    return dataclasses.replace(Job(IMAGES, np.array([0.0, 0.1, 1.0])), **changed)


# what is wrong: (the jobs, the error, what its message says)
BAD = {
    "no radius": (jobs(epsilon=None), TypeError, r"jobs: .*epsilon.*got Job without epsilon"),
    "another kind": ({"image": IMAGES}, TypeError, r"jobs: .*image.*got dict without image"),
    "one image": (jobs(image=IMAGES[0]), ValueError, r"jobs\.image: .*\[N, H, W, C\].*\[4, 4, 3\]"),
    "bytes": (jobs(image=IMAGES.astype(np.uint8)), TypeError, r"jobs\.image: .*uint8.*by 255"),
    "values up to 255": (
        jobs(image=IMAGES * 255),
        ValueError,
        r"jobs\.image: .*got 127.5 to 127.5",
    ),
    "NaN": (jobs(image=IMAGES * np.nan), ValueError, r"jobs\.image: .*nan"),
    "one radius": (jobs(epsilon=0.1), TypeError, r"jobs\.epsilon: expected numbers \[N\].*\[\]"),
    "too few radii": (jobs(epsilon=np.ones(2)), ValueError, r"jobs\.epsilon: .*each of 3 .*got 2"),
    "yes and no": (jobs(epsilon=np.ones(3, bool)), TypeError, r"jobs\.epsilon: .*bool"),
    "negative": (jobs(epsilon=np.array([0, -0.5, 1])), ValueError, r"jobs\.epsilon: .*-0\.5"),
    "infinite": (jobs(epsilon=np.array([0, np.inf, 1])), ValueError, r"jobs\.epsilon: .*inf"),
    "not a number": (jobs(epsilon=np.array([0, np.nan, 1])), ValueError, r"jobs\.epsilon: .*nan"),
}


@pytest.mark.parametrize("name", BALLS)
@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refuses(name, given, error, message):
    with pytest.raises(error, match=message):
        BALLS[name].check(given)


def test_linf_tells_what_radii_in_gray_levels_should_be():
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        Linf().check(jobs(epsilon=np.array([0.0, 8.0, 1.0])))
    assert str(refusal.value) == (
        "jobs.epsilon: expected a radius in image units (8 gray levels are 8/255), "
        "got 8.0 (divide by 255)"
    )
    L2().check(jobs(epsilon=np.array([0.0, 8.0, 1.0])))


def test_l0_counts_whole_pixels():
    with pytest.raises(ValueError, match=r"jobs\.epsilon: .*whole.*got 1\.5"):
        L0().check(jobs(epsilon=np.array([0, 1.5, 2])))
    L0().check(jobs(epsilon=np.array([0.0, 3.0, 99.0])))
    L0().check(jobs(epsilon=np.array([0, 3, 99])))


@pytest.mark.parametrize("name", BALLS)
def test_values_of_traced_jobs_are_not_looked_at_but_shapes_are(name):
    ball = BALLS[name]
    ball.check(jobs(epsilon=np.array([0, 1, 1])))
    ball.check(jobs(image=jnp.asarray(IMAGES), epsilon=jnp.array([0, 1, 1])))

    def check(traced):
        ball.check(traced)
        return traced.epsilon

    jax.eval_shape(check, jobs(image=IMAGES * 255, epsilon=np.array([-1.0, 8.5, 3.0])))
    with pytest.raises(TypeError, match=r"jobs\.image: .*uint8"):
        jax.eval_shape(check, jobs(image=IMAGES.astype(np.uint8)))
    with pytest.raises(TypeError, match=r"jobs\.epsilon: .*numbers \[N\]"):
        jax.eval_shape(check, jobs(epsilon=np.ones((3, 1))))
    with pytest.raises(ValueError, match=r"jobs\.image: .*127"):  # a part that has values
        jax.eval_shape(lambda radii: check(jobs(image=IMAGES * 255, epsilon=radii)), np.ones(3))
