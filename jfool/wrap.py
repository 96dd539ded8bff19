"""Wraps functions as models: from images in [0, 1] to float32 logits."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jfool.base import Images, Logits, pytree, static
from jfool.functions import as_pytree
from jfool.model_outputs import as_logits
from jfool.numbers import brief, check_choice, check_number, is_whole, known

LAYOUTS = ("NHWC", "NCHW")


@pytree
class Wrapped:
    """`apply(variables, inputs)` after resizing, normalization and layout; see `wrap`."""

    variables: Any
    mean: Array
    std: Array
    apply: Callable[[Any, Array], Array]
    layout: str = static()
    size: tuple[int, int] | None = static()

    def __call__(self, images: Images) -> Logits:
        batch, height, width, channels = images.shape
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.size not in (1, channels):
                raise ValueError(
                    f"{name}: expected one number or {channels}, one per channel, got {value.size}"
                )
        if self.size is not None and self.size != (height, width):
            images = jax.image.resize(images, (batch, *self.size, channels), "bilinear")
        inputs = (images - self.mean.reshape(1, 1, 1, -1)) / self.std.reshape(1, 1, 1, -1)
        if self.layout == "NCHW":
            inputs = inputs.transpose(0, 3, 1, 2)
        return as_logits(self.apply(self.variables, inputs), batch).astype(jnp.float32)


def wrap(
    apply: Callable[[Any, Array], Array],
    variables: Any,
    *,
    mean: ArrayLike = 0.0,
    std: ArrayLike = 1.0,
    layout: str = "NHWC",
    size: tuple[int, int] | None = None,
) -> Wrapped:
    """A jfool model from a function and its weights: linen modules, hand-written JAX, ...

    Weights are arguments of the compiled program, so new weights need no new compilation as long as
    `apply` is the same function, or a `functools.partial` of the same one.

    Args:
      apply: `(variables, inputs) -> logits [B, K]`, in inference mode; traced by JAX.
      variables: its weights, any pytree.
      mean, std: `[]` or `[C]`, in image units: inputs are `(images - mean) / std`.
      layout: of the inputs of `apply`, "NHWC" or "NCHW"; jfool's images are `[B, H, W, C]`.
      size: (height, width) to which images are resized, bilinearly, before normalization.
    Returns:
      A callable pytree `images [B, H, W, C] in [0, 1] -> logits [B, K]` float32.
    Raises:
      TypeError, ValueError: an argument cannot work.
    Example:
      >>> model = wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.zeros((12, 3)), mean=0.5)
      >>> model(jnp.ones((2, 2, 2, 3))).shape
      (2, 3)
    """
    if not callable(apply):
        raise TypeError(
            f"apply: expected a function (variables, inputs) -> logits, got {brief(apply)}"
        )
    check_choice("layout", layout, LAYOUTS)
    if size is not None and not (
        isinstance(size, (tuple, list)) and len(size) == 2 and all(is_whole(n, 1) for n in size)
    ):
        raise ValueError(f"size: expected (height, width) or None, got {brief(size)}")
    for name, value in (("mean", mean), ("std", std)):
        ndim = known(value).ndim
        if ndim > 1 or 0 in known(value).shape:
            raise ValueError(
                f"{name}: expected a number or one per channel, got shape {known(value).shape}"
            )
        check_number(name, value, "finite numbers", ndim=ndim)
    check_number("std", std, "positive numbers", above=0, ndim=known(std).ndim)
    mean, std = jnp.asarray(mean, jnp.float32), jnp.asarray(std, jnp.float32)
    return Wrapped(variables, mean, std, as_pytree(apply), layout, size)
