"""Convolution whose gradients stay fast inside loops on a CPU.

XLA's CPU compiler hands a convolution to its fast kernels when the operands lie as `[B, H, W, C]`
and `[h, w, C, D]`. The gradients that JAX derives lie otherwise; the compiler rearranges those of a
program's top level, but not those in the body of a loop (jax 0.10), which it then computes one
multiplication at a time: 5 x slower for the images, 100 x for the kernel. An epoch is a
loop, and so is a gradient search. Here both gradients are written as convolutions that already lie
right; the numbers are the same.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
from jax import lax

Padding = tuple[tuple[int, int], tuple[int, int]]


def convolve(
    images: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **options: Any,
) -> jax.Array:
    """Stand-in for `lax.conv_general_dilated` in `nnx.Conv`, for stride 1 and reverse mode.

    Args:
      images: `[B, H, W, C]`.
      kernel: `[h, w, C, D]`.
      strides: `(1, 1)`.
      padding: "SAME", "VALID" or zeros before and behind each axis.
      **options: what `nnx.Conv` passes besides; no dilation and no groups.
    Returns:
      `[B, H', W', D]`.
    Raises:
      NotImplementedError: another stride, dilation, or groups.
    """
    dilations = (*options.get("lhs_dilation", ()), *options.get("rhs_dilation", ()))
    groups = options.get("feature_group_count", 1)
    if {*strides, *dilations, groups} != {1}:
        raise NotImplementedError(
            f"expected stride 1, dilation 1 and one group, got {tuple(strides)}, {dilations}, "
            f"{groups}"
        )
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], strides, padding)
    (top, bottom), (left, right) = padding
    return _convolve(images, kernel, ((top, bottom), (left, right)))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    return lax.conv_general_dilated(
        images, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _forward(
    images: jax.Array, kernel: jax.Array, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(images, kernel, padding), (images, kernel)


def _backward(
    padding: Padding, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Gradients by the images and by the kernel, from that by the output `[B, H', W', D]`."""
    images, kernel = saved
    (top, bottom), (left, right) = padding
    height, width = kernel.shape[0] - 1, kernel.shape[1] - 1

    # Every pixel meets every tap that saw it: the kernel turned by 180 degrees, input and output
    # channels swapped.
    full = ((height - top, height - bottom), (width - left, width - right))
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    by_images = convolve(gradient, turned, (1, 1), full)

    # A tap meets every output pixel of every image: the batch is what is summed over, so it takes
    # the place of the channels, and the output's gradient is the kernel.
    by_kernel = convolve(
        images.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3), (1, 1), padding
    )
    return by_images, by_kernel.transpose(1, 2, 0, 3)


_convolve.defvjp(_forward, _backward)
