"""The convolutional networks of the sparse fooling images paper, with and without max pooling."""

from collections.abc import Iterator

import jax
from flax import nnx

from models.convolution import convolve
from models.network import Network, flatten, halve


class CNN(Network):
    """3 x [conv 3x3, zero padding 1 - ReLU (- max pool 2/2)] - fully connected 128 - ReLU - K.

    The paper asks what max pooling does to sparse fooling images, so both variants are the same
    otherwise. Its figure with the sizes is unreadable: 32, 64 and 128 filters and 128 hidden units
    are assumptions. Pixels enter as they are, in [0, 1]. The features `conv*` and `fc1` are taken
    behind their ReLU.

    Args:
      image_shape: `(H, W, C)`, at least 8 x 8 with pooling.
      num_classes: `K`.
      pool: whether a 2 x 2 maximum with stride 2 follows each convolution.
      widths: filters of the three convolutions.
      hidden: width of the inner fully connected layer.
      rngs: stream for the start weights (LeCun normal; biases are zero).
    Reference: Sparse fooling images (paper 000), section on models.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        pool: bool = True,
        widths: tuple[int, int, int] = (32, 64, 128),
        hidden: int = 128,
        rngs: nnx.Rngs,
    ) -> None:
        height, width, channels = image_shape
        shrink = 2 ** len(widths) if pool else 1
        if min(height, width) < shrink:
            raise ValueError(
                f"image_shape: expected at least {shrink} x {shrink} pixels, got {height} x {width}"
            )
        self.image_shape = image_shape
        self.pool = pool
        self.layers = _layers(len(widths), pool)
        self.convs = nnx.List(
            nnx.Conv(size_in, size_out, (3, 3), padding=1, conv_general_dilated=convolve, rngs=rngs)
            for size_in, size_out in zip((channels, *widths), widths, strict=False)
        )
        flat = (height // shrink) * (width // shrink) * widths[-1]
        self.fc1 = nnx.Linear(flat, hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, num_classes, rngs=rngs)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = images
        for number, conv in enumerate(self.convs, start=1):
            x = nnx.relu(conv(x))
            yield f"conv{number}", x
            if self.pool:
                x = halve(x)
                yield f"pool{number}", x
        x = nnx.relu(self.fc1(flatten(x)))
        yield "fc1", x
        yield "fc2", self.fc2(x)


def _layers(num_convs: int, pool: bool) -> tuple[str, ...]:
    kinds = ("conv", "pool") if pool else ("conv",)
    convs = (f"{kind}{number}" for number in range(1, num_convs + 1) for kind in kinds)
    return (*convs, "fc1", "fc2")
