"""The nearest image on a hyperplane inside the box, against solvers that are told the problem."""

import jax.numpy as jnp
import numpy as np
import pytest

from jfool.constraints.planes import to_plane
from tests.jfool import balls
from tests.jfool.balls import BALLS, SHAPE, each

ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


def cases(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images at corners and inside, normals with zeros and ties, gaps that the box holds or not."""
    rng = np.random.default_rng(0)
    image = rng.random((count, *SHAPE))
    image = np.where(rng.random(image.shape) < 0.3, np.round(image), image)
    normal = rng.normal(size=image.shape) * 10 ** rng.uniform(-2, 2, (count, 1, 1, 1))
    normal[rng.random(image.shape) < 0.1] = 0
    normal[: count // 4] = np.sign(normal[: count // 4])
    gap = rng.normal(size=count) * np.abs(normal).sum((1, 2, 3)) * 10 ** rng.uniform(-2, 0, count)
    gap[-1] = 0
    return image.astype(np.float32), normal.astype(np.float32), gap.astype(np.float32)


@pytest.mark.parametrize("name", ORDERS)
def test_the_step_is_the_shortest_that_reaches_the_plane(name):
    image, normal, gap = cases(120)
    found = each(lambda *given: to_plane(BALLS[name], *given))(
        jnp.asarray(image), jnp.asarray(normal), jnp.asarray(gap)
    )
    reachable = 0
    for i, step in enumerate(np.asarray(found, float)):
        x, w, g = image[i].astype(float), normal[i].astype(float), float(gap[i])
        assert (x + step >= -1e-7).all()
        assert (x + step <= 1 + 1e-7).all()
        scale = np.abs(w).sum()
        shortest = balls.norm_to_plane(name, x, w, g)
        if shortest is None:  # all the room there is
            most = np.where(w * g > 0, 1 - x, np.where(w * g < 0, x, 0))
            np.testing.assert_allclose(np.abs(step), most, atol=1e-6)
            continue
        reachable += 1
        assert abs((w * step).sum() - g) < 1e-6 * scale
        assert np.linalg.norm(step.ravel(), ORDERS[name]) == pytest.approx(
            shortest, rel=2e-4, abs=1e-5
        )
        if len(np.unique(np.abs(w))) > 3:  # without ties there is one step, or one rule for them
            np.testing.assert_allclose(step, balls.to_plane(name, x, w, g), atol=3e-6)
    assert 30 < reachable < 110


@pytest.mark.parametrize("name", ORDERS)
def test_entries_without_a_weight_stay_and_a_zero_normal_leads_nowhere(name):
    image, zero = jnp.full(SHAPE, 0.5), jnp.zeros(SHAPE)
    np.testing.assert_array_equal(to_plane(BALLS[name], image, zero, jnp.float32(1)), 0)
    step = to_plane(BALLS[name], image, zero.at[0, 0, 0].set(2.0), jnp.float32(-0.6))
    np.testing.assert_allclose(step[0, 0, 0], -0.3, rtol=1e-6)
    assert (np.asarray(step) != 0).sum() == 1
