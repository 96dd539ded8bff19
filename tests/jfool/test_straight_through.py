"""The forward pass of one function with the derivatives of another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from tests.jfool.helpers import SHAPE, photos, weights


def quantized(images):
    """Eight levels: of no use to a gradient."""
    return jnp.round(images * 7) / 7


through = jfool.straight_through(quantized)
VALUES = jnp.linspace(-2, 2, 41, dtype=jnp.float32)


def test_by_default_the_gradient_is_that_of_the_identity():
    np.testing.assert_array_equal(through(VALUES), quantized(VALUES))
    result, pull = jax.vjp(through, VALUES)
    np.testing.assert_array_equal(result, quantized(VALUES))
    np.testing.assert_array_equal(pull(3 * VALUES)[0], 3 * VALUES)


def test_otherwise_it_is_that_of_the_approximation_also_under_jit_and_vmap():
    floor = jfool.straight_through(jnp.floor, lambda x: x**2)
    each = jax.jit(jax.vmap(jax.value_and_grad(floor)))
    values, gradients = each(VALUES)
    np.testing.assert_array_equal(values, np.floor(VALUES))
    np.testing.assert_allclose(gradients, 2 * VALUES, rtol=1e-6)


def test_of_several_arrays_each_has_its_gradient_and_keys_have_none():
    def draw(key, x, y):
        return jnp.sign(x * y) + jax.random.normal(key, x.shape)

    both = jfool.straight_through(draw, lambda key, x, y: x * y)

    def total(x, y):
        return both(jax.random.key(0), x, y).sum()

    dx, dy = jax.grad(total, argnums=(0, 1))(VALUES, VALUES + 1)
    np.testing.assert_array_equal(dx, VALUES + 1)
    np.testing.assert_array_equal(dy, VALUES)


def test_results_of_different_shapes_are_refused():
    wrong = jfool.straight_through(jnp.round, lambda x: x.sum())
    with pytest.raises(ValueError, match=r"backward: expected a result of shape \(41,\)"):
        jax.vjp(wrong, VALUES)


@pytree
class Defended:
    """A linear model behind a step without gradient."""

    weights: jax.Array
    straight: bool

    def __call__(self, images):
        seen = jnp.where(self.straight, through(images), quantized(images))
        return seen.reshape(len(images), -1) @ self.weights


@pytest.mark.parametrize("straight", [False, True])
def test_an_attack_passes_a_quantization(straight):
    matrix = 0.05 * weights(1, SHAPE, 2)
    images = 0.3 + 0.4 * photos(4)
    jobs = jfool.PerturbationJob(images, np.full(4, 0.25, np.float32), np.zeros(4, int))
    model = Defended(jnp.asarray(matrix), jnp.asarray(straight))
    result = jfool.run(
        jax.random.key(0), jfool.FGSM(SHAPE, 2), model, jobs, num_steps=1, keep="last"
    )
    moved = np.asarray(result.images, float) - images
    wanted = 0.25 * np.sign(matrix[:, 1] - matrix[:, 0]) if straight else np.zeros(60)
    np.testing.assert_allclose(moved.reshape(4, -1), np.tile(wanted, (4, 1)), atol=1e-6)
