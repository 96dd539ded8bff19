"""What all victim networks share: one ordered walk through their layers.

A network writes its forward pass once, as a generator of `(layer name, activation)`. Its logits are
the last activation; an inner feature is the walk stopped early, so nothing behind it is computed.

Shapes: `B` images of `H` x `W` pixels with `C` channels, `K` classes.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from models.normalization import IDENTITY


class Network(nnx.Module):
    """A classifier `images [B, H, W, C] in [0, 1] -> logits [B, K]` with named inner layers.

    Attributes:
      image_shape: `(H, W, C)` of one image.
      num_classes: `K`.
      layers: names of the activations, in the order of the forward pass; the last are the logits.
      normalize: what is done to the pixels first, in float32.
      dtype: of the computation; see `models.in_precision`. Weights and logits are float32.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    layers: tuple[str, ...]
    normalize: Callable[[jax.Array], jax.Array] = IDENTITY
    dtype: jax.typing.DTypeLike = jnp.float32

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields every name of `layers` with its activation, in order, for normalised images."""
        raise NotImplementedError

    def loss(self, images: jax.Array, labels: jax.Array) -> jax.Array:
        """What training minimises, the mean over a batch: cross-entropy, unless a paper says else.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
          labels: `[B]` integers.
        """
        logits = self(images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def published_name(self, module: str) -> str:
        """What the network's published PyTorch weights call the inner module of a dotted name."""
        return module

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
        walk = self.walk(self.normalize(images.astype(jnp.float32)).astype(self.dtype))
        found = next(activation for name, activation in walk if name == layer)
        return found.astype(jnp.float32)


def in_precision(model: Network, dtype: jax.typing.DTypeLike) -> Network:
    """The same network, computing in another floating-point type.

    Weights stay float32 and are rounded where they are used; logits and features are float32.

    Args:
      model: left as it is.
      dtype: `jnp.bfloat16` or `jnp.float32`.
    Returns:
      A network with copies of the weights.
    """
    if dtype not in (jnp.bfloat16, jnp.float32, "bfloat16", "float32"):
        raise ValueError(f"dtype: expected bfloat16 or float32, got {dtype}")
    other = nnx.clone(model)
    other.set_attributes(dtype=jnp.dtype(dtype))
    return other


def halve(x: jax.Array) -> jax.Array:
    """2 x 2 maximum, stride 2; an odd last row or column is dropped. `[B, H, W, C]`.

    A window reduction, not a maximum over a reshaped axis: XLA's CPU compiler computes it in one
    pass with the convolution and the ReLU before it.
    """
    return nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))


def flatten(x: jax.Array) -> jax.Array:
    """`[B, ...] -> [B, N]`, row-major."""
    return x.reshape(x.shape[0], -1)
