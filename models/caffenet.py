"""CaffeNet, the ImageNet network of Nguyen et al. (2015).

The AlexNet of 2012, its two towers as groups, with each pool before its response normalisation.
"""

from collections.abc import Iterator
from typing import Any

import jax
from flax import nnx

from models.layers import conv, flat_linear, local_response_norm, max_pool, require_side
from models.network import Network
from models.normalization import BYTES, Normalization

_SMALLEST_SIDE = 55
# Subtracts ImageNet's mean colour; pixels are on the scale of bytes.
_MEAN_COLOR = Normalization((123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3)


class CaffeNet(Network):
    """conv 96@11/4 - pool - norm - 256@5 - pool - norm - 384@3 - 384@3 - 256@3 - pool - fc 6, 7, 8.

    A ReLU follows each convolution and each inner fully connected layer; their features are taken
    after it. `conv2`, `conv4` and `conv5` have two groups. Pools are 3 x 3 maxima with stride 2
    that keep incomplete windows at the edge. As in the published network, the pixels are bytes
    minus their mean, in the order blue, green, red.

    Args:
      image_shape: `(H, W, 3)` of red, green and blue, at least 55 x 55.
      num_classes: `K`.
      mean: `[H, W, 3]` image in [0, 1] to subtract, red first; it is saved with the weights. None
        subtracts ImageNet's mean colour instead (red 123, green 117, blue 104, in bytes).
      rngs: streams for the initial weights (normal, standard deviation 0.01, for `fc6` and `fc7`
        0.005; biases 1 for `conv2`, `conv4`, `conv5`, `fc6` and `fc7`, else 0) and `dropout` (0.5
        after `fc6` and `fc7`).
    Raises:
      ValueError: the images are too small or not RGB, or `mean` has another shape.
    Reference: BVLC/caffe, models/bvlc_reference_caffenet/train_val.prototxt; Krizhevsky et al.
      (2012); https://arxiv.org/abs/1412.1897.
    """

    layers = (
        *("conv1", "pool1", "norm1", "conv2", "pool2", "norm2", "conv3", "conv4", "conv5", "pool5"),
        *("fc6", "fc7", "fc8"),
    )

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (227, 227, 3),
        num_classes: int = 1000,
        *,
        mean: jax.Array | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, _SMALLEST_SIDE)
        height, width, channels = image_shape
        if channels != 3:
            raise ValueError(f"image_shape: expected 3 channels, got {channels}")
        if mean is not None and mean.shape != image_shape:
            raise ValueError(f"mean: expected shape {image_shape}, got {mean.shape}")
        self.image_shape, self.num_classes = image_shape, num_classes
        # A statistic of the data: saved with the weights, never trained.
        self.mean = None if mean is None else nnx.BatchStat(mean)
        plain = _start(0.01, 0.0, rngs)
        lifted = _start(0.01, 1.0, rngs)
        wide = _start(0.005, 1.0, rngs)
        self.conv1 = conv(channels, 96, 11, stride=4, **plain)
        self.conv2 = conv(96, 256, 5, padding=2, groups=2, **lifted)
        self.conv3 = conv(256, 384, 3, padding=1, **plain)
        self.conv4 = conv(384, 384, 3, padding=1, groups=2, **lifted)
        self.conv5 = conv(384, 256, 3, padding=1, groups=2, **lifted)
        self.fc6 = flat_linear((_side(height), _side(width), 256), 4096, **wide)
        self.fc7 = nnx.Linear(4096, 4096, **wide)
        self.fc8 = nnx.Linear(4096, num_classes, **plain)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def normalize(self, images: jax.Array) -> jax.Array:
        """`[B, H, W, 3]` in [0, 1], red first, to bytes minus their mean, blue first."""
        if self.mean is None:
            return _MEAN_COLOR(images)[..., ::-1]
        return BYTES(images - self.mean[None])[..., ::-1]

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.conv1(images))
        yield "conv1", x
        x = _pool(x)
        yield "pool1", x
        x = _norm(x)
        yield "norm1", x
        x = nnx.relu(self.conv2(x))
        yield "conv2", x
        x = _pool(x)
        yield "pool2", x
        x = _norm(x)
        yield "norm2", x
        x = nnx.relu(self.conv3(x))
        yield "conv3", x
        x = nnx.relu(self.conv4(x))
        yield "conv4", x
        x = nnx.relu(self.conv5(x))
        yield "conv5", x
        x = _pool(x)
        yield "pool5", x
        x = nnx.relu(self.fc6(x))
        yield "fc6", x
        x = nnx.relu(self.fc7(self.dropout(x)))
        yield "fc7", x
        yield "fc8", self.fc8(self.dropout(x))


def _start(deviation: float, bias: float, rngs: nnx.Rngs) -> dict[str, Any]:
    """Caffe's initial weights of a layer."""
    return {
        "kernel_init": nnx.initializers.normal(deviation),
        "bias_init": nnx.initializers.constant(bias),
        "rngs": rngs,
    }


def _pool(x: jax.Array) -> jax.Array:
    return max_pool(x, 3, 2, ceil=True)


def _norm(x: jax.Array) -> jax.Array:
    return local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=1.0)


def _side(pixels: int) -> int:
    """Height or width of `pool5`; each pool halves it, rounded down."""
    return ((pixels - 11) // 4 + 1) // 8
