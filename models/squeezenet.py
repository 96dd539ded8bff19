"""SqueezeNet 1.1 for ImageNet, as in torchvision."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from models.layers import conv, global_mean, max_pool, require_side
from models.network import Network
from models.normalization import IMAGENET, Normalization

_SMALLEST_SIDE = 17
# Channels after squeezing, and of each of the two expanded maps; fire2 to fire9.
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POSITIONS = (3, 4, 6, 7, 9, 10, 11, 12)
_POOLED = (3, 5)


class SqueezeNet(Network):
    """conv 64@3/2 - pool - fire 2, 3 - pool - fire 4, 5 - pool - fire 6 to 9 - conv K@1 - mean.

    Fire modules squeeze by 1 x 1 and expand by 1 x 1 and 3 x 3 side by side. A ReLU follows every
    convolution, also `conv10`, so no logit is negative; features are taken after it. Pools are
    3 x 3 maxima with stride 2 that keep incomplete windows at the edge. The logits are `pool10`.

    Args:
      image_shape: `(H, W, C)`, at least 17 x 17.
      num_classes: `K`.
      normalize: applied to the images first.
      rngs: streams for the initial weights (He normal) and `dropout` (0.5 before `conv10`).
    Raises:
      ValueError: the images are too small.
    Reference: Iandola et al. (2016), https://arxiv.org/abs/1602.07360; torchvision,
      models/squeezenet.py.
    """

    layers = (
        *("conv1", "pool1", "fire2", "fire3", "pool3", "fire4", "fire5", "pool5"),
        *("fire6", "fire7", "fire8", "fire9", "conv10", "pool10"),
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
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        self.conv1 = conv(image_shape[2], 64, 3, stride=2, rngs=rngs)
        self.fires, channels = nnx.List(), 64
        for squeezed, expanded in _FIRES:
            self.fires.append(Fire(channels, squeezed, expanded, rngs))
            channels = 2 * expanded
        self.conv10 = conv(channels, num_classes, 1, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def published_name(self, module: str) -> str:
        if not module.startswith("fires."):
            return {"conv1": "features.0", "conv10": "classifier.1"}[module]
        _, number, part = module.split(".")
        return f"features.{_POSITIONS[int(number)]}.{part}"

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.conv1(images))
        yield "conv1", x
        x = max_pool(x, 3, 2, ceil=True)
        yield "pool1", x
        for number, fire in enumerate(self.fires, start=2):
            x = fire(x)
            yield f"fire{number}", x
            if number in _POOLED:
                x = max_pool(x, 3, 2, ceil=True)
                yield f"pool{number}", x
        x = nnx.relu(self.conv10(self.dropout(x)))
        yield "conv10", x
        yield "pool10", global_mean(x)


class Fire(nnx.Module):
    """1 x 1 down to few channels, then 1 x 1 and 3 x 3 side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int, rngs: nnx.Rngs) -> None:
        self.squeeze = conv(channels, squeezed, 1, rngs=rngs)
        self.expand1x1 = conv(squeezed, expanded, 1, rngs=rngs)
        self.expand3x3 = conv(squeezed, expanded, 3, padding=1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.squeeze(x))
        return nnx.relu(jnp.concatenate([self.expand1x1(x), self.expand3x3(x)], axis=-1))
