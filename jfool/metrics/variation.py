"""How rough an image is."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.arguments import check_floats, check_in_box
from jfool.numbers import known


def total_variation(images: Float[Array, "*batch H W C"]) -> Float[Array, "*batch"]:
    """Anisotropic total variation, per number of the image, in gray levels. (Rudin, Osher & Fatemi,
    1992)

      255 / (H W C) (sum |x[i + 1, j, c] - x[i, j, c]| + sum |x[i, j + 1, c] - x[i, j, c]|)

    Normal noise of one gray level on a flat image has 4 / sqrt(pi), about 2.26; less in small
    images, whose edges have fewer neighbors.

    Args:
      images: in [0, 1].
    Raises:
      TypeError, ValueError: they are no such images.
    Reference: Nonlinear total variation based noise removal algorithms, Physica D 60.
    Example:
      >>> checkered = jnp.array([[0.0, 1.0], [1.0, 0.0]])[..., None]
      >>> float(total_variation(checkered))
      255.0
    """
    images = known(images)
    if images.ndim < 3 or 0 in images.shape:
        raise ValueError(f"images: expected floats [..., H, W, C], got {list(images.shape)}")
    check_floats("images", images)
    check_in_box("images", images)
    images = jnp.asarray(images, jnp.float32)
    down, across = (jnp.abs(jnp.diff(images, axis=axis)).sum((-3, -2, -1)) for axis in (-3, -2))
    height, width, channels = images.shape[-3:]
    return 255 / (height * width * channels) * (down + across)
