"""AlexNet as in torchvision: the single-tower network of 2014, without response normalisation.

The two-tower network of 2012, as in Caffe, is `models.caffenet`.
"""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import conv, flat_linear, max_pool, require_side
from models.network import Network
from models.normalization import IMAGENET, Normalization

_SMALLEST_SIDE = 63
_PUBLISHED = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}


class AlexNet(Network):
    """conv 64@11/4 - pool - 192@5 - pool - 384@3 - 256@3 - 256@3 - pool - 4096 - 4096 - K.

    A ReLU follows each convolution and each inner fully connected layer; their features are taken
    after it. Pools are 3 x 3 maxima with stride 2. There is no adaptive pooling: the size of `fc6`
    follows from the image. At 224 x 224 pixels (6 x 6 maps) torchvision's pooling does nothing.

    Args:
      image_shape: `(H, W, C)`, at least 63 x 63.
      num_classes: `K`.
      normalize: applied to the images first.
      rngs: streams for the initial weights (He normal; fully connected: LeCun normal) and `dropout`
        (0.5 before `fc6` and `fc7`).
    Raises:
      ValueError: the images are too small.
    Reference: Krizhevsky, One weird trick (2014), https://arxiv.org/abs/1404.5997; torchvision,
      models/alexnet.py.
    """

    layers = (
        *("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"),
        *("fc6", "fc7", "fc8"),
    )

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (224, 224, 3),
        num_classes: int = 1000,
        *,
        normalize: Normalization = IMAGENET,
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, _SMALLEST_SIDE)
        height, width, channels = image_shape
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        self.conv1 = conv(channels, 64, 11, stride=4, padding=2, rngs=rngs)
        self.conv2 = conv(64, 192, 5, padding=2, rngs=rngs)
        self.conv3 = conv(192, 384, 3, padding=1, rngs=rngs)
        self.conv4 = conv(384, 256, 3, padding=1, rngs=rngs)
        self.conv5 = conv(256, 256, 3, padding=1, rngs=rngs)
        self.fc6 = flat_linear((_side(height), _side(width), 256), 4096, rngs=rngs)
        self.fc7 = nnx.Linear(4096, 4096, rngs=rngs)
        self.fc8 = nnx.Linear(4096, num_classes, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def published_name(self, module: str) -> str:
        return _PUBLISHED[module]

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.conv1(images))
        yield "conv1", x
        x = max_pool(x, 3, 2)
        yield "pool1", x
        x = nnx.relu(self.conv2(x))
        yield "conv2", x
        x = max_pool(x, 3, 2)
        yield "pool2", x
        x = nnx.relu(self.conv3(x))
        yield "conv3", x
        x = nnx.relu(self.conv4(x))
        yield "conv4", x
        x = nnx.relu(self.conv5(x))
        yield "conv5", x
        x = max_pool(x, 3, 2)
        yield "pool5", x
        x = nnx.relu(self.fc6(self.dropout(x)))
        yield "fc6", x
        x = nnx.relu(self.fc7(self.dropout(x)))
        yield "fc7", x
        yield "fc8", self.fc8(x)


def _side(pixels: int) -> int:
    """Height or width of `pool5`."""
    side = (pixels - 7) // 4 + 1
    for _ in range(3):
        side = (side - 1) // 2
    return side
