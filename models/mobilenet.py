"""MobileNetV2, as in torchvision and as in TensorFlow.

TensorFlow pads even maps only at the far edges, scales pixels differently, and publishes weights
with batch normalisation folded into the convolutions.
"""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import conv, global_mean, norm
from models.network import Network
from models.normalization import IMAGENET, Normalization

# Expansion, channels, number of blocks, and stride of the first of them: table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_NUM_BLOCKS = sum(count for _, _, count, _ in _STAGES)
_HEAD = 1280
_PUBLISHED = {
    "stem": "features.0.0",
    "stem_norm": "features.0.1",
    "head": "features.18.0",
    "head_norm": "features.18.1",
    "classifier": "classifier.1",
}
_PARTS = ("expand", "depthwise", "project")


class MobileNetV2(Network):
    """conv 32@3/2 - 17 inverted residual blocks - conv 1280@1 - global mean - K.

    The defaults are torchvision's network. TensorFlow's is `batch_norm=False, padding="SAME",
    normalize=BYTES_TO_ONE`. The features `stem` and `head` are taken after their ReLU6; `blockI`
    is linear; `pool` is the global mean.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      batch_norm: whether each convolution is normalised; otherwise it has a bias.
      padding: of the 3 x 3 convolutions: 1 on all sides, or "SAME".
      normalize: applied to the images first.
      rngs: streams for the initial weights (He normal; fully connected: LeCun normal) and `dropout`
        (0.2 before the classifier).
    Reference: Sandler et al. (2018), https://arxiv.org/abs/1801.04381; torchvision,
      models/mobilenetv2.py.
    """

    layers = ("stem", *(f"block{i}" for i in range(_NUM_BLOCKS)), "head", "pool", "classifier")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (224, 224, 3),
        num_classes: int = 1000,
        *,
        batch_norm: bool = True,
        padding: int | str = 1,
        normalize: Normalization = IMAGENET,
        rngs: nnx.Rngs,
    ) -> None:
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        make = _Maker(batch_norm, padding, rngs)
        channels = 32
        self.stem = make.conv(image_shape[2], channels, 3, stride=2)
        self.stem_norm = make.norm(channels)
        number = 0
        for expansion, size_out, count, first_stride in _STAGES:
            for index in range(count):
                stride = 1 if index else first_stride
                setattr(self, f"block{number}", Block(channels, size_out, stride, expansion, make))
                channels, number = size_out, number + 1
        self.head = make.conv(channels, _HEAD, 1)
        self.head_norm = make.norm(_HEAD)
        self.classifier = nnx.Linear(_HEAD, num_classes, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)

    def published_name(self, module: str) -> str:
        if module in _PUBLISHED:
            return _PUBLISHED[module]
        block, _, part = module.partition(".")
        number, is_norm = int(block.removeprefix("block")), part.endswith("_norm")
        # The first block does not expand.
        place = _PARTS.index(part.removesuffix("_norm")) - (number == 0)
        inner = place + is_norm if part.startswith("project") else f"{place}.{int(is_norm)}"
        return f"features.{number + 1}.conv.{inner}"

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu6(self.stem_norm(self.stem(images)))
        yield "stem", x
        for number in range(_NUM_BLOCKS):
            x = getattr(self, f"block{number}")(x)
            yield f"block{number}", x
        x = nnx.relu6(self.head_norm(self.head(x)))
        yield "head", x
        x = global_mean(x)
        yield "pool", x
        yield "classifier", self.classifier(self.dropout(x))


class _Maker:
    """Makes convolutions and their norms, with or without batch normalisation."""

    def __init__(self, batch_norm: bool, padding: int | str, rngs: nnx.Rngs) -> None:
        self.batch_norm, self.padding, self.rngs = batch_norm, padding, rngs

    def conv(
        self, channels: int, size_out: int, size: int, stride: int = 1, groups: int = 1
    ) -> nnx.Conv:
        return conv(
            channels,
            size_out,
            size,
            stride=stride,
            padding=0 if size == 1 else self.padding,
            groups=groups,
            bias=not self.batch_norm,
            rngs=self.rngs,
        )

    def norm(self, channels: int) -> nnx.Module:
        return norm(channels, self.rngs) if self.batch_norm else nnx.Sequential()


class Block(nnx.Module):
    """1 x 1 up to many channels, 3 x 3 on each of them, 1 x 1 down; a shortcut if shapes agree.

    No ReLU follows the last convolution.
    """

    def __init__(
        self, channels: int, size_out: int, stride: int, expansion: int, make: _Maker
    ) -> None:
        width = channels * expansion
        self.has_shortcut = stride == 1 and channels == size_out
        self.expands = expansion > 1
        if self.expands:
            self.expand = make.conv(channels, width, 1)
            self.expand_norm = make.norm(width)
        self.depthwise = make.conv(width, width, 3, stride=stride, groups=width)
        self.depthwise_norm = make.norm(width)
        self.project = make.conv(width, size_out, 1)
        self.project_norm = make.norm(size_out)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        if self.expands:
            y = nnx.relu6(self.expand_norm(self.expand(y)))
        y = nnx.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.has_shortcut else y
