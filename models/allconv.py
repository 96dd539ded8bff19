"""The all convolutional network, attacked on CIFAR-10 by Su et al. (2019)."""

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
    """All-CNN-C: nine convolutions, two with stride 2 in place of pooling, then the global mean.

    Dropout removes a fifth of the pixels, and half of the activations after each stride 2. The
    features `conv1` to `conv9` are taken after their ReLU. The logits are the global mean of the
    last convolution, which has K filters. Batch normalisation after all other convolutions is our
    addition (the paper has none): with it, training works at any learning rate.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      batch_norm: whether to normalise, see above.
      normalize: applied to the images first.
      rngs: stream for the initial weights (He normal) and for dropout.
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
