"""The convolution with hand-written gradients, against the one that JAX derives."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from models.convolution import convolve

PADDINGS = ["VALID", "SAME", [(1, 1), (1, 1)], [(0, 2), (1, 0)]]


def reference(images, kernel, padding, strides=(1, 1)):
    return lax.conv_general_dilated(
        images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.fixture
def operands():
    random = np.random.default_rng(0)
    shapes = [(2, 7, 6, 3), (3, 2, 3, 4)]
    return [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize("padding", PADDINGS)
def test_values_and_both_gradients_are_those_of_jax(operands, padding):
    def scalar(fn):
        return lambda images, kernel: jnp.sin(fn(images, kernel)).sum()

    ours = scalar(lambda images, kernel: convolve(images, kernel, (1, 1), padding))
    theirs = scalar(lambda images, kernel: reference(images, kernel, padding))
    got, expected = jax.jit(
        lambda *operands: [jax.value_and_grad(fn, (0, 1))(*operands) for fn in (ours, theirs)]
    )(*operands)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)
    for ours, theirs in zip(got[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strides", [(2, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("shape", [(9, 8), (5, 6), (12, 7)])
@pytest.mark.parametrize("padding", ["VALID", [(0, 2), (1, 0)]])
def test_a_large_kernel_with_strides_over_many_channels_is_the_same(shape, strides, padding):
    random = np.random.default_rng(1)
    images = random.normal(size=(2, *shape, 64)).astype(np.float32)
    kernel = (random.normal(size=(5, 5, 64, 3)) / 40).astype(np.float32)

    def ours(images, kernel):
        return convolve(images, kernel, strides, padding)

    def theirs(images, kernel):
        return reference(images, kernel, padding, strides)

    def values_and_gradients(fn, *operands):
        value, pull = jax.vjp(fn, *operands)
        return value, *pull(jnp.cos(value))

    assert "conv_general_dilated" not in str(jax.make_jaxpr(ours)(images, kernel))
    both = jax.jit(lambda *operands: [values_and_gradients(fn, *operands) for fn in (ours, theirs)])
    for got, expected in zip(*both(images, kernel), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_second_derivatives_are_those_of_jax(operands):
    def curvature(fn):
        def slope(images, kernel):
            return (jax.grad(lambda x: (fn(x, kernel) ** 3).sum())(images) ** 2).sum()

        return jax.jit(jax.grad(slope, (0, 1)))(*operands)

    ours = curvature(lambda images, kernel: convolve(images, kernel, (1, 1), "SAME"))
    theirs = curvature(lambda images, kernel: reference(images, kernel, "SAME"))
    for got, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2 * abs(expected).max())


def test_every_convolution_in_a_gradient_lies_as_the_fast_kernels_want_it(operands):
    """Inside a loop the CPU compiler does not rearrange them."""

    def loss(images, kernel):
        return jnp.sin(convolve(images, kernel, (1, 1), "SAME")).sum()

    program = jax.jit(jax.grad(loss, (0, 1))).lower(*operands).as_text()
    layouts = re.findall(r"dim_numbers = (\S.*?\])(?=,)", program)
    assert layouts == ["[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"] * 3


def test_dilation_is_refused(operands):
    with pytest.raises(NotImplementedError, match=r"expected dilation 1, got \(2, 2\)"):
        convolve(*operands, (1, 1), "SAME", rhs_dilation=(2, 2))
