"""Convolution whose values and gradients are fast on the CPU, also inside loops.

XLA's CPU compiler has fast kernels for operands `[B, H, W, C]` and `[h, w, C, D]`, with strides and
dilation as in a forward pass. JAX's gradients have other layouts. The compiler transposes them at
the top level of a program but not inside loops (jax 0.10), where they are 5 x slower for the images
and 100 x for the kernel. Epochs and gradient searches are loops, so here both gradients are written
as convolutions in the fast layout.

Four cases need no general convolution: a 1 x 1 kernel is a matrix product; one filter per channel
is a sum of shifted images (20 x faster); images smaller than the kernel are a product of patches
and kernel (190 x faster at 2 x 2 pixels); a large kernel with strides and many channels is a sum of
matrix products (`models.strided`). The results are the same.
"""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from models.strided import strided

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def convolve(
    images: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[Pair],
    **options: Any,
) -> jax.Array:
    """Replaces `lax.conv_general_dilated` in `nnx.Conv`; reverse-mode gradients only.

    Args:
      images: `[B, H, W, C]`.
      kernel: `[h, w, C / G, D]` with `G` groups.
      strides: (down, right).
      padding: "SAME", "VALID" or the number of zeros before and after each axis.
      **options: further arguments of `nnx.Conv`; `feature_group_count` is `G`; no dilation.
    Returns:
      `[B, H', W', D]`.
    Raises:
      NotImplementedError: dilation.
    """
    dilations = (*options.get("lhs_dilation", ()), *options.get("rhs_dilation", ()))
    if {*dilations} - {1}:
        raise NotImplementedError(f"expected dilation 1, got {dilations}")
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], strides, padding)
    (top, bottom), (left, right) = padding
    down, along = strides
    pads, steps = ((top, bottom), (left, right)), (down, along)
    groups = options.get("feature_group_count", 1)
    if groups == 1:
        return _one_group(images, kernel, steps, pads)
    if groups == images.shape[-1] == kernel.shape[-1]:
        return _per_channel(images, kernel, steps, pads)
    parts = zip(jnp.split(images, groups, axis=-1), jnp.split(kernel, groups, axis=-1), strict=True)
    return jnp.concatenate([_one_group(x, k, steps, pads) for x, k in parts], axis=-1)


def _one_group(images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding) -> jax.Array:
    if kernel.shape[:2] == (1, 1) and padding == ((0, 0), (0, 0)):
        return images[:, :: strides[0], :: strides[1]] @ kernel[0, 0]
    if images.shape[1] < kernel.shape[0] and images.shape[2] < kernel.shape[1]:
        return _by_patches(images, kernel, strides, padding)
    large = kernel.shape[0] * kernel.shape[1] >= 25 and kernel.shape[2] >= 64
    if strides != (1, 1) and large:
        return strided(_pad(images, padding), kernel, strides)
    return _convolve(images, kernel, strides, padding)


def _by_patches(images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding) -> jax.Array:
    """Every window as a row of `h * w * C` numbers, times the kernel as a matrix."""
    taps = jnp.concatenate(_shifted(images, kernel.shape[:2], strides, padding), axis=-1)
    return taps @ kernel.reshape(-1, kernel.shape[-1])


def _per_channel(
    images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding
) -> jax.Array:
    """One filter per channel, `kernel [h, w, 1, C]`: a weighted sum of shifted images."""
    shifted = _shifted(images, kernel.shape[:2], strides, padding)
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[-1])
    taps = [image * weight for image, weight in zip(shifted, weights, strict=True)]
    return reduce(jnp.add, taps)


def _shifted(
    images: jax.Array, taps: Sequence[int], strides: Pair, padding: Padding
) -> list[jax.Array]:
    """The pixels that each tap of a kernel multiplies, row by row: `[B, H', W', C]` each."""
    padded = _pad(images, padding)
    height, width = (size - count + 1 for size, count in zip(padded.shape[1:3], taps, strict=True))
    return [
        padded[:, row : row + height : strides[0], column : column + width : strides[1]]
        for row in range(taps[0])
        for column in range(taps[1])
    ]


def _pad(images: jax.Array, padding: Padding) -> jax.Array:
    zeros = ((0, 0, 0), *((*pads, 0) for pads in padding), (0, 0, 0))
    return lax.pad(images, jnp.zeros((), images.dtype), zeros)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding) -> jax.Array:
    return lax.conv_general_dilated(
        images, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _forward(
    images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(images, kernel, strides, padding), (images, kernel)


def _backward(
    strides: Pair, padding: Padding, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Gradients with respect to images and kernel, from that of the output `[B, H', W', D]`."""
    if strides != (1, 1):
        _, pull = jax.vjp(partial(_phased, strides=strides, padding=padding), *saved)
        return pull(gradient)
    images, kernel = saved
    (top, bottom), (left, right) = padding
    height, width = kernel.shape[0] - 1, kernel.shape[1] - 1

    # A convolution with the kernel rotated by 180 degrees, input and output channels swapped.
    full = ((height - top, height - bottom), (width - left, width - right))
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    by_images = convolve(gradient, turned, (1, 1), full)

    # The sum runs over the batch, which takes the place of the channels; the output's gradient
    # takes the place of the kernel.
    by_kernel = convolve(
        images.transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3), (1, 1), padding
    )
    return by_images, by_kernel.transpose(1, 2, 0, 3)


_convolve.defvjp(_forward, _backward)


def _phased(images: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding) -> jax.Array:
    """A strided convolution as one without strides: pixels a stride apart become channels of a
    smaller image. (Only for gradients: the strided convolution itself is faster.)"""
    spread_images, spread_kernel = [(0, 0, 0)], []
    for size, taps, (before, after), stride in zip(
        images.shape[1:3], kernel.shape[:2], padding, strides, strict=True
    ):
        whole_taps = -(-taps // stride) * stride
        last = (size + before + after - taps) // stride * stride  # where the last window begins
        spread_images.append((before, last + whole_taps - before - size, 0))
        spread_kernel.append((0, whole_taps - taps, 0))
    zero = jnp.zeros((), images.dtype)
    images = lax.pad(images, zero, [*spread_images, (0, 0, 0)])
    kernel = lax.pad(kernel, zero, [*spread_kernel, (0, 0, 0), (0, 0, 0)])
    down, right = strides
    batch, height, width, channels = images.shape
    images = images.reshape(batch, height // down, down, width // right, right, channels)
    images = images.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, height // down, width // right, down * right * channels
    )
    height, width, channels, filters = kernel.shape
    kernel = kernel.reshape(height // down, down, width // right, right, channels, filters)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5).reshape(
        height // down, width // right, down * right * channels, filters
    )
    return _convolve(images, kernel, (1, 1), ((0, 0), (0, 0)))
