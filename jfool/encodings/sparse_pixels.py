"""Sparse pixels: a plain color or a photograph with at most k pixels overwritten.

Kumano et al. (2020, sec. 3.1, definition 1) use a color, Su et al. (2019) a photograph.
"""

from dataclasses import KW_ONLY
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.arguments import check_base, check_image_shape
from jfool.base import Image, PRNGKey, pytree, static
from jfool.encodings.boundary import BOUNDARIES
from jfool.numbers import brief, check_choice, is_kind, is_whole, known, values_of

Genotype = Float[Array, "k genes"]  # rows (x, y, c) or (x, y, r, g, b); x counts columns
Genotypes = Float[Array, "P k genes"]


@pytree
class SparseJob:
    """The data of one sparse attack; a sweep has a leading axis N on every field.

    Attributes:
      target: `[]` int, the class to reach; targeted attacks need it.
      label: `[]` int, the true class, to leave; untargeted attacks need it.
      base: `[C]` a color, or `[H, W, C]` a photograph, float in [0, 1]; of many jobs also `Rows`.
      k: `[]` int, the most pixels that may differ from the base, at most the encoding's `max_k`.
    """

    _: KW_ONLY
    target: ArrayLike | None = None
    label: ArrayLike | None = None
    base: Any
    k: ArrayLike


@pytree
class SparsePixels:
    """Up to `max_k` pixels written over the base; later rows overwrite earlier ones.

    The genotype is real-valued: positions are kept inside by the `boundary` rule ("clip", "wrap",
    "reflect", "resample") and floored when painted; intensities are clipped to [0, 1]. Clip and
    floor are our assumption: Kumano et al. (2020) do not say how positions are handled.
    """

    image_shape: tuple[int, int, int] = static()
    max_k: int = static()
    boundary: str = static(default="clip")

    def __post_init__(self) -> None:
        shape = self.image_shape
        check_image_shape(shape)
        if not (is_whole(self.max_k, 1) and self.max_k <= shape[0] * shape[1]):
            raise ValueError(
                f"max_k: expected 1 to {shape[0] * shape[1]}, the pixels of a "
                f"{shape[0]}x{shape[1]} image, got {brief(self.max_k)}"
            )
        check_choice("boundary", self.boundary, BOUNDARIES)

    @property
    def genotype_shape(self) -> tuple[int, int]:
        return self.max_k, 2 + self.image_shape[2]

    @property
    def _size(self) -> Float[Array, "1 1 2"]:
        """(W, H), the range of the positions (x, y)."""
        height, width, _ = self.image_shape
        return jnp.array([[[width, height]]], jnp.float32)

    def from_unit(self, u: Float[Array, "P k genes"]) -> Genotypes:
        """Genotypes from numbers uniform in [0, 1): positions uniform over the pixels, intensities
        Normal(1/2, 1/2) clipped to [0, 1] (Kumano et al., 2020, sec. 3.1, step 1, for the range
        [0, 1]), so that 16 % of them start at either end."""
        positions = jnp.floor(u[..., :2] * self._size)
        normal = ndtri(u[..., 2:]) * 0.5 + 0.5  # norm.ppf would be float64 in x64
        intensities = jnp.clip(normal, 0, 1)
        return jnp.concatenate([positions, intensities], axis=-1)

    def repair(self, key: PRNGKey, genotypes: Genotypes) -> Genotypes:
        """Moves positions into the image by the boundary rule, and clips intensities."""
        positions = BOUNDARIES[self.boundary](key, genotypes[..., :2], self._size)
        return jnp.concatenate([positions, jnp.clip(genotypes[..., 2:], 0, 1)], axis=-1)

    def decode(self, job: SparseJob, genotype: Genotype) -> Image:
        """Paints the first `job.k` rows over `job.base`.

        Rows that a later row overwrites are dropped first, because a scatter does not define the
        order of writes to one pixel.
        """
        height, width, channels = self.image_shape
        x, y = jnp.floor(genotype[:, 0]), jnp.floor(genotype[:, 1])
        pixel = (y * width + x).astype(jnp.int32)
        row = jnp.arange(self.max_k)
        used = row < job.k
        same_pixel = pixel[:, None] == pixel[None, :]
        overwritten = (same_pixel & used[None, :] & (row[None, :] > row[:, None])).any(1)
        pixel = jnp.where(used & ~overwritten, pixel, height * width + row)  # beyond: dropped
        canvas = jnp.broadcast_to(job.base, self.image_shape).reshape(height * width, channels)
        painted = canvas.at[pixel].set(genotype[:, 2:], mode="drop", unique_indices=True)
        return painted.reshape(self.image_shape)

    def check(self, jobs: Any) -> None:
        """Raises on jobs that this encoding cannot paint."""
        missing = [name for name in ("base", "k") if not hasattr(jobs, name)]
        if missing:
            raise TypeError(f"jobs: expected jfool.SparseJob, got {type(jobs).__name__}")
        check_base(jobs.base, self.image_shape)
        given = known(jobs.k)
        if given.ndim != 1 or not is_kind(given, np.integer):
            raise TypeError(f"jobs.k: expected integers [N], got {given.dtype} {list(given.shape)}")
        k = values_of(given)
        if k is not None and (k.min() < 1 or k.max() > self.max_k):
            raise ValueError(
                f"jobs.k: expected 1 to max_k = {self.max_k}, got {k.min()} to {k.max()}"
            )
