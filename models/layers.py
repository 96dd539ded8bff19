"""The layers that the networks share, on `[B, H, W, C]` activations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from models.convolution import convolve

# He et al. (2015), PyTorch's `kaiming_normal_` with `fan_out`.
HE = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")


def pytorch_init(fan_in: int) -> nnx.Initializer:
    """PyTorch's initial kernels and biases: uniform in +-1 / sqrt(fan_in)."""
    bound = fan_in**-0.5

    def uniform(key: jax.Array, shape: Any, dtype: Any = jnp.float32, **_: Any) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return uniform


def conv(
    channels_in: int,
    channels_out: int,
    size: int,
    *,
    stride: int = 1,
    padding: int | str = 0,
    groups: int = 1,
    bias: bool = True,
    kernel_init: nnx.Initializer = HE,
    bias_init: nnx.Initializer = nnx.initializers.zeros,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A square convolution, `size` x `size`."""
    return nnx.Conv(
        channels_in,
        channels_out,
        (size, size),
        strides=stride,
        padding=padding,
        feature_group_count=groups,
        use_bias=bias,
        kernel_init=kernel_init,
        bias_init=bias_init,
        conv_general_dilated=convolve,
        rngs=rngs,
    )


def norm(channels: int, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalisation with PyTorch's constants."""
    return nnx.BatchNorm(channels, momentum=0.9, epsilon=1e-5, rngs=rngs)


def flat_linear(
    shape: tuple[int, int, int],
    size_out: int,
    *,
    kernel_init: nnx.Initializer = nnx.initializers.lecun_normal(),
    bias_init: nnx.Initializer = nnx.initializers.zeros,
    rngs: nnx.Rngs,
) -> nnx.LinearGeneral:
    """Fully connected on an activation `[B, H, W, C]`, kernel `[H, W, C, size_out]`."""
    return nnx.LinearGeneral(
        shape,
        size_out,
        axis=(-3, -2, -1),
        kernel_init=kernel_init,
        bias_init=bias_init,
        rngs=rngs,
    )


def max_pool(
    x: jax.Array, size: int, stride: int, padding: int = 0, *, ceil: bool = False
) -> jax.Array:
    """Maximum over windows; `ceil` keeps incomplete windows at the far edges."""
    pads: Any = []
    for length in x.shape[1:3]:
        rest = (length + 2 * padding - size) % stride
        pads.append((padding, padding + (stride - rest if ceil and rest else 0)))
    return nnx.max_pool(x, (size, size), (stride, stride), pads)


def mean_pool(x: jax.Array, size: int, stride: int, padding: int = 0) -> jax.Array:
    """Mean over windows, which leaves out the padding."""
    window = (
        (1, size, size, 1),
        (1, stride, stride, 1),
        ((0, 0), *[(padding, padding)] * 2, (0, 0)),
    )
    # Only with a NumPy constant does JAX recognise a sum, which it can differentiate.
    zero = np.zeros((), x.dtype)
    ones = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    total, count = (lax.reduce_window(y, zero, lax.add, *window) for y in (x, ones))
    return total / count


def global_mean(x: jax.Array) -> jax.Array:
    """Mean over all positions, `[B, H, W, C] -> [B, C]`, summed in float32."""
    return x.mean(axis=(1, 2), dtype=jnp.float32).astype(x.dtype)


def local_response_norm(x: jax.Array, size: int, alpha: float, beta: float, k: float) -> jax.Array:
    """`x / (k + alpha / size * sum of x^2 over size neighbouring channels)^beta`.

    Krizhevsky et al. (2012), section 3.3; as in Caffe, alpha is divided by the window size.
    """
    exact = x.astype(jnp.float32)
    window, padding = (1, 1, 1, size), ((0, 0),) * 3 + ((size // 2, size // 2),)
    sums = lax.reduce_window(jnp.square(exact), 0.0, lax.add, window, (1,) * 4, padding)
    return (exact * (k + alpha / size * sums) ** -beta).astype(x.dtype)


def require_side(image_shape: tuple[int, int, int], side: int) -> None:
    """Refuses images `(H, W, C)` that a network's pools would reduce to nothing.

    Raises:
      ValueError: height or width is less than `side`.
    """
    height, width, _ = image_shape
    if min(height, width) < side:
        raise ValueError(
            f"image_shape: expected at least {side} x {side} pixels, got {height} x {width}"
        )
