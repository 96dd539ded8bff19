"""ResNets for ImageNet, as in torchvision: the 3 x 3 convolution has the stride."""

from collections.abc import Iterator
from typing import Any

import jax
from flax import nnx

from models.layers import conv, global_mean, max_pool, norm
from models.network import Network
from models.normalization import IMAGENET, Normalization

# Blocks per stage, and whether they are bottlenecks.
_DEPTHS: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
}
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4


class ResNet(Network):
    """conv 64@7x7/2 - max pool 3/2 - four stages of residual blocks - global mean - K.

    The feature `layerI.J` is block J of stage I after its last ReLU; `pool` is the global mean.
    Small images (CIFAR) go through the same stem.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      depth: 18 or 34 (two 3 x 3 convolutions per block), 50 or 101 (bottlenecks).
      normalize: applied to the images first.
      rngs: stream for the initial weights (He normal; fully connected: LeCun normal).
    Raises:
      ValueError: unknown depth.
    Reference: He et al., Deep Residual Learning (2015), table 1; torchvision, models/resnet.py.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (224, 224, 3),
        num_classes: int = 1000,
        *,
        depth: int = 50,
        normalize: Normalization = IMAGENET,
        rngs: nnx.Rngs,
    ) -> None:
        if depth not in _DEPTHS:
            raise ValueError(f"depth: expected one of {list(_DEPTHS)}, got {depth}")
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        blocks, bottleneck = _DEPTHS[depth]
        self.conv1 = conv(image_shape[2], 64, 7, stride=2, padding=3, bias=False, rngs=rngs)
        self.bn1 = norm(64, rngs)
        channels, stages = 64, []
        for stage, (width, num_blocks) in enumerate(zip(_WIDTHS, blocks, strict=True)):
            stages.append(nnx.List())
            for index in range(num_blocks):
                stride = 2 if stage and index == 0 else 1
                make = Bottleneck if bottleneck else BasicBlock
                stages[-1].append(make(channels, width, stride, rngs))
                channels = width * (_EXPANSION if bottleneck else 1)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nnx.Linear(channels, num_classes, rngs=rngs)
        names = [f"layer{i}.{j}" for i, count in enumerate(blocks, 1) for j in range(count)]
        self.layers = ("conv1", "maxpool", *names, "pool", "fc")

    def published_name(self, module: str) -> str:
        return module.replace("downsample.layers.", "downsample.")

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.bn1(self.conv1(images)))
        yield "conv1", x
        x = max_pool(x, 3, 2, padding=1)
        yield "maxpool", x
        for i, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=1):
            for j, block in enumerate(stage):
                x = block(x)
                yield f"layer{i}.{j}", x
        x = global_mean(x)
        yield "pool", x
        yield "fc", self.fc(x)


class BasicBlock(nnx.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        options: dict[str, Any] = {"padding": 1, "bias": False, "rngs": rngs}
        self.conv1 = conv(channels, width, 3, stride=stride, **options)
        self.bn1 = norm(width, rngs)
        self.conv2 = conv(width, width, 3, **options)
        self.bn2 = norm(width, rngs)
        self.downsample = _shortcut(channels, width, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.bn1(self.conv1(x)))
        return nnx.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nnx.Module):
    """1 x 1 down to a quarter of the channels, 3 x 3, 1 x 1 up again, and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        options: dict[str, Any] = {"bias": False, "rngs": rngs}
        self.conv1 = conv(channels, width, 1, **options)
        self.bn1 = norm(width, rngs)
        self.conv2 = conv(width, width, 3, stride=stride, padding=1, **options)
        self.bn2 = norm(width, rngs)
        self.conv3 = conv(width, width * _EXPANSION, 1, **options)
        self.bn3 = norm(width * _EXPANSION, rngs)
        self.downsample = _shortcut(channels, width * _EXPANSION, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.bn1(self.conv1(x)))
        y = nnx.relu(self.bn2(self.conv2(y)))
        return nnx.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _shortcut(channels: int, size_out: int, stride: int, rngs: nnx.Rngs) -> nnx.Sequential:
    """The identity if shapes agree, else a 1 x 1 convolution."""
    if stride == 1 and channels == size_out:
        return nnx.Sequential()
    projection = conv(channels, size_out, 1, stride=stride, bias=False, rngs=rngs)
    return nnx.Sequential(projection, norm(size_out, rngs))
