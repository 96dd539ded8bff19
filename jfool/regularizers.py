"""Regularizers, applied after each step of gradient ascent. (Nguyen et al., 2015, fig. S3 to S5)

All act on the difference from the base, the mean of the training images.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jfool.base import Image, pytree, static
from jfool.numbers import check_number, check_whole


@pytree
class Regularizers:
    """Decay, blur, and removal of unimportant pixels, in this order.

    Each is None for absent, which is part of the compiled program: it then costs nothing.

    Attributes:
      decay: share of the difference that each step removes (L2).
      blur_radius: standard deviation in pixels of a Gaussian blur of each channel.
      blur_every: steps from one blur to the next; None for a blur at every step.
      small_norm: percentile of the pixels' norms over the channels; pixels below it become the base
        ("pseudo-L1").
      small_benefit: percentile of the pixels' `|g . difference|`, the first-order change from
        removing a pixel; pixels below it become the base.
      reach: taps of the blur on each side, in pixels.
    """

    decay: ArrayLike | None = None
    blur_radius: ArrayLike | None = None
    blur_every: ArrayLike | None = None
    small_norm: ArrayLike | None = None
    small_benefit: ArrayLike | None = None
    reach: int = static(default=2)

    def penalty(self, job: Any, image: Image) -> Array:
        del job, image
        return jnp.zeros((), jnp.float32)

    def direction(self, job: Any, image: Image, gradient: Image) -> Image:
        del job, image
        return gradient

    def land(self, job: Any, image: Image, direction: Image, moved: Image, step: Array) -> Image:
        del image
        if not jax.tree.leaves(self):  # all absent
            return moved
        base = jnp.broadcast_to(job.base, moved.shape)
        distance = moved - base
        if self.decay is not None:
            distance = distance * (1 - jnp.asarray(self.decay, jnp.float32))
        if self.blur_radius is not None:
            blurred = blur(distance, self.blur_radius, self.reach)
            distance = jnp.where(self._blurs(step), blurred, distance)
        if self.small_norm is not None:
            norms = jnp.sqrt(jnp.square(distance).sum(-1))
            distance = _without_low(distance, norms, self.small_norm)
        if self.small_benefit is not None:
            benefit = jnp.abs((direction * distance).sum(-1))
            distance = _without_low(distance, benefit, self.small_benefit)
        return base + distance

    def _blurs(self, step: Array) -> Array | bool:
        return self.blur_every is None or step % jnp.asarray(self.blur_every, jnp.int32) == 0

    def check(self) -> None:
        """Raises on numbers that cannot work."""
        percentile = ("a percentile in [0, 100)", {"least": 0, "below": 100})
        for name, (expected, bounds) in {
            "decay": ("a number in [0, 1]", {"least": 0, "most": 1}),
            "blur_radius": ("a number >= 0", {"least": 0}),
            "blur_every": ("a whole number of at least 1", {"least": 1, "whole": True}),
            "small_norm": percentile,
            "small_benefit": percentile,
        }.items():
            value = getattr(self, name)
            if value is not None:
                check_number(f"regularizers.{name}", value, f"None or {expected}", **bounds)
        if self.blur_every is not None and self.blur_radius is None:
            raise ValueError("regularizers.blur_every: expected a blur_radius beside it, got none")
        check_whole("regularizers.reach", self.reach, 1, "at least 1 pixel")


def blur(image: Image, radius: ArrayLike, reach: int) -> Image:
    """Gaussian blur of each channel, mirrored at the edges.

    Args:
      radius: standard deviation in pixels; 0 leaves the image as it is.
      reach: taps on each side of the middle one.
    """
    radius = jnp.asarray(radius, jnp.float32)
    offsets = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    spread = jnp.exp(-jnp.square(offsets / jnp.where(radius > 0, radius, 1)) / 2)
    taps = jnp.where(radius > 0, spread / spread.sum(), (offsets == 0).astype(jnp.float32))
    for axis in (0, 1):
        pads = [(0, 0)] * 3
        pads[axis] = (reach, reach)
        mirrored = jnp.pad(image, pads, mode="symmetric")
        shifted = [
            lax.slice_in_dim(mirrored, i, i + image.shape[axis], axis=axis)
            for i in range(2 * reach + 1)
        ]
        image = jnp.tensordot(taps, jnp.stack(shifted), axes=1)
    return image


def _without_low(distance: Image, score: Array, percentile: ArrayLike) -> Image:
    """Zero where the score `[H, W]` of a pixel is below a percentile of all."""
    threshold = jnp.percentile(score, jnp.asarray(percentile, jnp.float32))
    return jnp.where((score >= threshold)[..., None], distance, 0)
