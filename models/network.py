"""What all victim networks share: one ordered walk through their layers.

A network writes its forward pass once, as a generator of `(layer name, activation)`. Its logits are
the last activation; an inner feature is the walk stopped early, so nothing behind it is computed.

Shapes: `B` images of `H` x `W` pixels with `C` channels, `K` classes.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx


class Network(nnx.Module):
    """A classifier `images [B, H, W, C] in [0, 1] -> logits [B, K]` with named inner layers.

    Attributes:
      image_shape: `(H, W, C)` of one image.
      layers: names of the activations, in the order of the forward pass; the last are the logits.
    """

    image_shape: tuple[int, int, int]
    layers: tuple[str, ...]

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields every name of `layers` with its activation, in order."""
        raise NotImplementedError

    def __call__(self, images: jax.Array) -> jax.Array:
        """Classifies.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
        Returns:
          Logits `[B, K]`, float32.
        Raises:
          TypeError: the images are not floating point.
          ValueError: the images have another shape than `image_shape`.
        """
        return self.features(images, self.layers[-1])

    def features(self, images: jax.Array, layer: str) -> jax.Array:
        """The activation of one named layer.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
          layer: a name out of `layers`.
        Returns:
          `[B, ...]` float32.
        Raises:
          TypeError: the images are not floating point.
          ValueError: `layer` is unknown, or the images have another shape than `image_shape`.
        """
        if layer not in self.layers:
            known = ", ".join(self.layers)
            raise ValueError(f"layer: expected one of {known}, got {layer!r}")
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise TypeError(f"images: expected floating point in [0, 1], got {images.dtype}")
        if images.ndim != 4 or images.shape[1:] != self.image_shape:
            height, width, channels = self.image_shape
            raise ValueError(
                f"images: expected shape [B, {height}, {width}, {channels}], "
                f"got {list(images.shape)}"
            )
        walk = self.walk(images.astype(jnp.float32))
        return next(activation for name, activation in walk if name == layer)


def halve(x: jax.Array) -> jax.Array:
    """2 x 2 maximum, stride 2; an odd last row or column is dropped. `[B, H, W, C]`.

    A window reduction, not a maximum over a reshaped axis: XLA's CPU compiler computes it in one
    pass with the convolution and the ReLU before it.
    """
    return nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))


def flatten(x: jax.Array) -> jax.Array:
    """`[B, ...] -> [B, N]`, row-major."""
    return x.reshape(x.shape[0], -1)
