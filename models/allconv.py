"""The all convolutional network, a CIFAR-10 victim of the one-pixel attack."""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import global_mean
from models.network import Network
from models.nin import Unit
from models.normalization import CIFAR10, Normalization

# Filters, size, stride.
_CONVS = (
    *((96, 3, 1), (96, 3, 1), (96, 3, 2)),
    *((192, 3, 1), (192, 3, 1), (192, 3, 2)),
    *((192, 3, 1), (192, 1, 1)),
)


class AllConv(Network):
    """All-CNN-C: nine convolutions, two of them with stride 2 where others pool; global mean.

    Dropout: a fifth of the pixels, half of the activations behind each stride. The features
    `conv1` to `conv9` are taken behind their ReLU; the last has K filters, and its global mean are
    the logits. Batch normalisation behind every convolution but the last is our assumption (the
    paper has none): it trains with any rate.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      batch_norm: see above.
      normalize: what is done to the pixels first.
      rngs: stream for the start weights (He normal) and for dropout.
    Reference: Springenberg et al., Striving for Simplicity (2015), tables 1 and 2.
    """

    layers = (*(f"conv{number}" for number in range(1, len(_CONVS) + 2)), "pool")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (32, 32, 3),
        num_classes: int = 10,
        *,
        batch_norm: bool = True,
        normalize: Normalization = CIFAR10,
        rngs: nnx.Rngs,
    ) -> None:
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        channels, units = image_shape[2], []
        for width, size, stride in _CONVS:
            units.append(Unit(channels, width, size, batch_norm, rngs, stride=stride))
            channels = width
        units.append(Unit(channels, num_classes, 1, False, rngs))
        self.units = nnx.List(units)
        self.drop_pixels = nnx.Dropout(0.2, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = self.drop_pixels(images)
        for number, unit in enumerate(self.units, start=1):
            x = nnx.relu(unit(x))
            yield f"conv{number}", x
            if unit.stride > 1:
                x = self.dropout(x)
        yield "pool", global_mean(x)
