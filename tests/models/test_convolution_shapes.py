"""The hand-written gradients over many shapes, in loops and in batches of kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from models.convolution import convolve

# images, kernel, padding
CASES = [
    ((1, 5, 5, 1), (1, 1, 1, 1), "VALID"),
    ((3, 6, 8, 2), (5, 5, 2, 4), "VALID"),
    ((2, 5, 4, 3), (5, 4, 3, 2), "VALID"),  # one output pixel
    ((2, 6, 5, 1), (4, 2, 1, 3), "SAME"),  # even kernels are padded unevenly
    ((2, 6, 5, 1), (4, 2, 1, 3), "SAME_LOWER"),
    ((2, 4, 4, 2), (3, 3, 2, 2), [(4, 3), (2, 5)]),  # more zeros than the kernel is wide
    ((2, 6, 6, 2), (3, 3, 2, 2), [(-1, 0), (0, -1)]),  # edges cut off
]


def random(*shapes):
    generator = np.random.default_rng(0)
    return [jnp.asarray(generator.normal(size=shape), jnp.float32) for shape in shapes]


def gradients(ours, padding):
    def loss(images, kernel):
        if ours:
            y = convolve(images, kernel, (1, 1), padding)
        else:
            y = lax.conv_general_dilated(
                images, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        return jnp.sin(y).sum()

    return jax.value_and_grad(loss, (0, 1))


def assert_close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("images", "kernel", "padding"), CASES)
def test_value_and_gradients_are_those_of_jax_for_every_shape(images, kernel, padding):
    operands = random(images, kernel)
    assert_close(gradients(True, padding)(*operands), gradients(False, padding)(*operands))


def test_a_population_of_kernels_has_the_gradients_of_each():
    images, kernels = random((2, 6, 6, 2), (3, 3, 3, 2, 4))
    got = jax.vmap(gradients(True, "SAME"), in_axes=(None, 0))(images, kernels)
    expected = [gradients(False, "SAME")(images, kernel) for kernel in kernels]
    assert_close(got, jax.tree.map(lambda *x: jnp.stack(x), *expected))


def test_gradients_inside_a_compiled_loop_are_those_outside():
    images, kernels = random((2, 6, 6, 2), (3, 3, 3, 2, 4))
    got = jax.jit(lambda k: lax.map(lambda k: gradients(True, "VALID")(images, k), k))(kernels)
    expected = [gradients(False, "VALID")(images, kernel) for kernel in kernels]
    assert_close(got, jax.tree.map(lambda *x: jnp.stack(x), *expected))


def test_a_layer_with_strides_is_refused_where_it_is_called():
    layer = nnx.Conv(1, 2, (3, 3), strides=2, conv_general_dilated=convolve, rngs=nnx.Rngs(0))
    with pytest.raises(NotImplementedError, match=r"expected stride 1, .* got \(2, 2\)"):
        layer(jnp.zeros((1, 6, 6, 1)))
