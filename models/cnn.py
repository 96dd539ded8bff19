"""The convolutional networks of Kumano et al. (2020), with and without max pooling."""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import conv, pytorch_init, require_side
from models.network import Network, flatten, halve
from models.normalization import BYTES, Normalization


class CNN(Network):
    """3 x [conv 3x3, zero padding 1 - ReLU (- max pool 2/2)] - fully connected 128 - ReLU - K.

    The paper studies the effect of max pooling, so the variants differ in nothing else. Its figure
    with the sizes is unreadable. Assumptions: 16, 32 and 64 filters, 128 hidden units, pixels from
    0 to 255, and PyTorch's initial weights. They and the recipe were chosen on an unreported
    training seed so that few pixels fool the network, as in the paper; with pixels in [0, 1] it
    resists. The features `conv*` and `fc1` are taken after their ReLU.

    Args:
      image_shape: `(H, W, C)`, at least 8 x 8 with pooling.
      num_classes: `K`.
      pool: whether a 2 x 2 maximum with stride 2 follows each convolution.
      widths: filters of the three convolutions.
      hidden: width of the inner fully connected layer.
      normalize: applied to the images first.
      rngs: stream for the initial weights and biases (uniform in +-1 / sqrt(fan_in)).
    Reference: Kumano et al. (2020), section on models.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        pool: bool = True,
        widths: tuple[int, int, int] = (16, 32, 64),
        hidden: int = 128,
        normalize: Normalization = BYTES,
        rngs: nnx.Rngs,
    ) -> None:
        shrink = 2 ** len(widths) if pool else 1
        require_side(image_shape, shrink)
        height, width, channels = image_shape
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        self.pool = pool
        self.layers = _layers(len(widths), pool)
        convs = []
        for size_out in widths:
            start = pytorch_init(9 * channels)
            convs.append(
                conv(
                    channels, size_out, 3, padding=1, kernel_init=start, bias_init=start, rngs=rngs
                )
            )
            channels = size_out
        self.convs = nnx.List(convs)
        flat = (height // shrink) * (width // shrink) * channels
        self.fc1 = _linear(flat, hidden, rngs)
        self.fc2 = _linear(hidden, num_classes, rngs)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = images
        for number, layer in enumerate(self.convs, start=1):
            x = nnx.relu(layer(x))
            yield f"conv{number}", x
            if self.pool:
                x = halve(x)
                yield f"pool{number}", x
        x = nnx.relu(self.fc1(flatten(x)))
        yield "fc1", x
        yield "fc2", self.fc2(x)


def _linear(size_in: int, size_out: int, rngs: nnx.Rngs) -> nnx.Linear:
    start = pytorch_init(size_in)
    return nnx.Linear(size_in, size_out, kernel_init=start, bias_init=start, rngs=rngs)


def _layers(num_convs: int, pool: bool) -> tuple[str, ...]:
    kinds = ("conv", "pool") if pool else ("conv",)
    convs = (f"{kind}{number}" for number in range(1, num_convs + 1) for kind in kinds)
    return (*convs, "fc1", "fc2")
