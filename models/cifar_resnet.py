"""The ResNets for CIFAR-10 of He et al. (2015), with 20 to 110 layers."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from models.layers import conv, global_mean, norm
from models.network import Network
from models.normalization import IMAGENET, Normalization

DEPTHS = (20, 32, 44, 56, 110)
_WIDTHS = (16, 32, 64)


class CifarResNet(Network):
    """conv 16@3x3 - three stages of n blocks of 16, 32, 64 filters - global mean - K.

    Where a stage halves the image, the shortcut takes every second pixel and appends zero channels
    (option A), so it has no weights. The feature `layerI.J` is block J of stage I after its ReLU.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      depth: 6 n + 2, one of `DEPTHS`.
      normalize: applied to the images first; the published weights use ImageNet's constants.
      rngs: stream for the initial weights (He normal; fully connected: LeCun normal).
    Raises:
      ValueError: unknown depth.
    Reference: He et al., Deep Residual Learning (2015), section 4.2; published weights:
      https://github.com/akamaster/pytorch_resnet_cifar10.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (32, 32, 3),
        num_classes: int = 10,
        *,
        depth: int = 20,
        normalize: Normalization = IMAGENET,
        rngs: nnx.Rngs,
    ) -> None:
        if depth not in DEPTHS:
            raise ValueError(f"depth: expected one of {list(DEPTHS)}, got {depth}")
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        num_blocks = (depth - 2) // 6
        self.conv1 = conv(image_shape[2], 16, 3, padding=1, bias=False, rngs=rngs)
        self.bn1 = norm(16, rngs)
        channels, stages = 16, []
        for width in _WIDTHS:
            strides = [2 if width > channels else 1] + [1] * (num_blocks - 1)
            blocks = []
            for stride in strides:
                blocks.append(Block(channels, width, stride, rngs))
                channels = width
            stages.append(nnx.List(blocks))
        self.layer1, self.layer2, self.layer3 = stages
        self.linear = nnx.Linear(channels, num_classes, rngs=rngs)
        names = [f"layer{i}.{j}" for i in (1, 2, 3) for j in range(num_blocks)]
        self.layers = ("conv1", *names, "pool", "linear")

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.bn1(self.conv1(images)))
        yield "conv1", x
        for i, stage in enumerate((self.layer1, self.layer2, self.layer3), start=1):
            for j, block in enumerate(stage):
                x = block(x)
                yield f"layer{i}.{j}", x
        x = global_mean(x)
        yield "pool", x
        yield "linear", self.linear(x)


class Block(nnx.Module):
    """Two 3 x 3 convolutions and a shortcut without weights."""

    def __init__(self, channels: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        self.stride, self.new_channels = stride, width - channels
        self.conv1 = conv(channels, width, 3, stride=stride, padding=1, bias=False, rngs=rngs)
        self.bn1 = norm(width, rngs)
        self.conv2 = conv(width, width, 3, padding=1, bias=False, rngs=rngs)
        self.bn2 = norm(width, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.bn1(self.conv1(x)))
        return nnx.relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    def shortcut(self, x: jax.Array) -> jax.Array:
        """Every `stride`-th pixel, with the new channels split before and after the old ones."""
        before = self.new_channels // 2
        zeros = (before, self.new_channels - before)
        return jnp.pad(x[:, :: self.stride, :: self.stride], ((0, 0), (0, 0), (0, 0), zeros))
