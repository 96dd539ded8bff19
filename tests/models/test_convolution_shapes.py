"""The hand-written gradients over many shapes, in loops and in batches of kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from models.convolution import convolve

# images, kernel, padding, strides, groups
CASES = [
    ((1, 5, 5, 1), (1, 1, 1, 1), "VALID", (1, 1), 1),
    ((3, 6, 8, 2), (5, 5, 2, 4), "VALID", (1, 1), 1),
    ((2, 5, 4, 3), (5, 4, 3, 2), "VALID", (1, 1), 1),  # one output pixel
    ((2, 6, 5, 1), (4, 2, 1, 3), "SAME", (1, 1), 1),  # even kernels are padded unevenly
    ((2, 6, 5, 1), (4, 2, 1, 3), "SAME_LOWER", (1, 1), 1),
    ((2, 4, 4, 2), (3, 3, 2, 2), [(4, 3), (2, 5)], (1, 1), 1),  # more zeros than the kernel is wide
    ((2, 6, 6, 2), (3, 3, 2, 2), [(-1, 0), (0, -1)], (1, 1), 1),  # edges cut off
    ((3, 2, 2, 4), (3, 3, 4, 5), "SAME", (1, 1), 1),  # smaller than the kernel
    ((3, 1, 1, 4), (3, 3, 4, 5), "SAME", (1, 1), 1),
    ((3, 2, 1, 4), (3, 5, 4, 5), [(1, 1), (2, 2)], (2, 1), 1),
    ((2, 2, 4, 3), (3, 3, 3, 2), "SAME", (1, 1), 1),  # along one axis only
    ((2, 7, 8, 3), (3, 3, 3, 2), "SAME", (2, 2), 1),
    ((2, 9, 8, 3), (3, 2, 3, 2), [(1, 2), (0, 1)], (3, 2), 1),  # rows that no window reaches
    ((2, 6, 7, 3), (1, 1, 3, 2), "VALID", (2, 2), 1),
    ((2, 6, 6, 4), (3, 3, 2, 6), "SAME", (1, 1), 2),
    ((2, 7, 6, 6), (5, 5, 2, 3), [(2, 2), (2, 2)], (2, 1), 3),
    ((2, 6, 7, 5), (3, 3, 1, 5), "SAME", (1, 1), 5),  # one filter per channel
    ((2, 7, 6, 5), (3, 3, 1, 5), [(1, 1), (-1, 2)], (2, 2), 5),
    ((2, 6, 6, 3), (3, 3, 1, 6), "SAME", (1, 1), 3),  # two filters per channel
]


def random(*shapes):
    generator = np.random.default_rng(0)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


def gradients(ours, padding, strides=(1, 1), groups=1):
    def loss(images, kernel):
        if ours:
            y = convolve(images, kernel, strides, padding, feature_group_count=groups)
        else:
            y = lax.conv_general_dilated(
                images,
                kernel,
                strides,
                padding,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=groups,
            )
        return jnp.sin(y).sum()

    return jax.value_and_grad(loss, (0, 1))


def assert_close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("images", "kernel", "padding", "strides", "groups"), CASES)
def test_value_and_gradients_are_those_of_jax_for_every_shape(
    images, kernel, padding, strides, groups
):
    ours, theirs = (gradients(own, padding, strides, groups) for own in (True, False))
    both = jax.jit(lambda *operands: (ours(*operands), theirs(*operands)))
    assert_close(*both(*random(images, kernel)))


def test_gradients_of_a_population_of_kernels_and_in_a_compiled_loop_are_those_of_each():
    images, kernels = random((2, 6, 6, 2), (3, 3, 3, 2, 4))
    ours = gradients(True, "SAME")
    got = jax.jit(jax.vmap(ours, in_axes=(None, 0)))(images, kernels)
    loop = jax.jit(lambda kernels: lax.map(lambda kernel: ours(images, kernel), kernels))
    each = jax.jit(gradients(False, "SAME"))
    expected = jax.tree.map(lambda *x: np.stack(x), *(each(images, kernel) for kernel in kernels))
    assert_close(got, expected)
    assert_close(loop(kernels), expected)
