"""LeNet as in Caffe, the MNIST network of Nguyen et al. (2015) and of Rozsa et al. (2016).

It is not the network of LeCun et al. (1998): no non-linearity follows the convolutions except max
pooling, and the only ReLU follows `ip1`.
"""

from collections.abc import Iterator

import jax
from flax import nnx

from models.convolution import convolve
from models.layers import require_side
from models.network import Network, flatten, halve

# Caffe's "xavier": uniform in ±sqrt(3 / fan_in).
_XAVIER = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
_SMALLEST_SIDE = 16


class LeNet(Network):
    """conv 20@5x5 - pool - conv 50@5x5 - pool - fully connected 500 - ReLU - fully connected K.

    Pixels are scaled as in Caffe: `(255 x - 255 mean) / 256`. BVLC's tutorial network subtracts no
    mean; Nguyen et al. (2015) subtract MNIST's mean image. The feature `ip1` is taken after its
    ReLU.

    Args:
      image_shape: `(H, W, C)`, at least 16 x 16.
      num_classes: `K`.
      mean: `[H, W, C]` image in [0, 1] to subtract, or None. It is saved with the weights.
      rngs: stream for the initial weights (uniform in ±sqrt(3 / fan_in); biases are zero).
    Reference: BVLC/caffe, examples/mnist/lenet_train_test.prototxt; https://arxiv.org/abs/1412.1897.
    """

    layers = ("conv1", "pool1", "conv2", "pool2", "ip1", "ip2")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        mean: jax.Array | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, _SMALLEST_SIDE)
        height, width, channels = image_shape
        if mean is not None and mean.shape != image_shape:
            raise ValueError(f"mean: expected shape {image_shape}, got {mean.shape}")
        self.image_shape, self.num_classes = image_shape, num_classes
        # A statistic of the data: saved with the weights, never trained.
        self.mean = None if mean is None else nnx.BatchStat(mean)
        self.conv1 = _conv(channels, 20, rngs)
        self.conv2 = _conv(20, 50, rngs)
        self.ip1 = _linear(50 * _side(height) * _side(width), 500, rngs)
        self.ip2 = _linear(500, num_classes, rngs)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = images if self.mean is None else images - self.mean[None].astype(images.dtype)
        x = self.conv1(x * (255 / 256))
        yield "conv1", x
        x = halve(x)
        yield "pool1", x
        x = self.conv2(x)
        yield "conv2", x
        x = halve(x)
        yield "pool2", x
        x = nnx.relu(self.ip1(flatten(x)))
        yield "ip1", x
        yield "ip2", self.ip2(x)


def _conv(channels_in: int, channels_out: int, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(
        channels_in,
        channels_out,
        kernel_size=(5, 5),
        padding="VALID",
        kernel_init=_XAVIER,
        conv_general_dilated=convolve,
        rngs=rngs,
    )


def _linear(size_in: int, size_out: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(size_in, size_out, kernel_init=_XAVIER, rngs=rngs)


def _side(pixels: int) -> int:
    """Height or width of `pool2`."""
    return ((pixels - 4) // 2 - 4) // 2
