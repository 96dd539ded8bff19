"""The base class of all victim networks: one ordered walk through named layers.

A network defines its forward pass once, as a generator of `(layer name, activation)`. The logits
are the last activation. For an inner feature the walk stops early, so later layers cost nothing.

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
      layers: names of the activations, in the order of the forward pass; the logits come last.
      normalize: applied to the images first, in float32.
      dtype: of the computation, see `models.in_precision`; weights and logits are float32.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    layers: tuple[str, ...]
    normalize: Callable[[jax.Array], jax.Array] = IDENTITY
    dtype: jax.typing.DTypeLike = jnp.float32

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields each name of `layers` with its activation, in order, for normalised images."""
        raise NotImplementedError

    def loss(self, images: jax.Array, labels: jax.Array) -> jax.Array:
        """The loss that training minimises, averaged over a batch: cross-entropy by default.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
          labels: `[B]` integers.
        """
        logits = self(images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def published_name(self, module: str) -> str:
        """The name of an inner module (dotted) in the published PyTorch weights."""
        return module

    def __call__(self, images: jax.Array) -> jax.Array:
        """Classifies images.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
        Returns:
          Logits `[B, K]`, float32.
        Raises:
          TypeError: the images are not floating point.
          ValueError: the shape of the images is not `image_shape`.
        """
        return self.features(images, self.layers[-1])

    def features(self, images: jax.Array, layer: str) -> jax.Array:
        """The activation of one named layer.

        Args:
          images: `[B, H, W, C]` floating point, in [0, 1].
          layer: one of `layers`.
        Returns:
          `[B, ...]` float32.
        Raises:
          TypeError: the images are not floating point.
          ValueError: `layer` is unknown, or the shape of the images is not `image_shape`.
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
    """A copy of a network that computes in another floating-point type.

    Weights stay float32 and are rounded where they are used; logits and features are float32.

    Args:
      model: the network, which does not change.
      dtype: `jnp.bfloat16` or `jnp.float32`.
    Returns:
      A network with copies of the weights.
    Raises:
      TypeError, ValueError: no network, or another type.
    """
    if not isinstance(model, Network):
        raise TypeError(f"model: expected a models.Network, got {model!r:.60}")
    try:
        known = dtype is not None and jnp.dtype(dtype) in (jnp.bfloat16, jnp.float32)
    except (TypeError, ValueError):
        known = False
    if not known:
        raise ValueError(f"dtype: expected bfloat16 or float32, got {dtype!r:.60}")
    other = nnx.clone(model)
    other.set_attributes(dtype=jnp.dtype(dtype))
    return other


def halve(x: jax.Array) -> jax.Array:
    """2 x 2 maximum, stride 2; an odd last row or column is dropped. `[B, H, W, C]`.

    XLA's CPU compiler fuses a window reduction with the convolution and the ReLU before it, but not
    a maximum over a reshaped axis.
    """
    return nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))


def flatten(x: jax.Array) -> jax.Array:
    """`[B, ...] -> [B, N]`, row-major."""
    return x.reshape(x.shape[0], -1)
