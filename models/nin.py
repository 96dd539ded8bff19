"""Network in Network, attacked on CIFAR-10 by Kumano et al. (2020) and Su et al. (2019)."""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import conv, global_mean, max_pool, mean_pool, norm
from models.network import Network
from models.normalization import CIFAR10, Normalization

# Filters and their sizes in each block, without the last convolution.
_BLOCKS = (((192, 5), (160, 1), (96, 1)), ((192, 5), (192, 1), (192, 1)), ((192, 3), (192, 1)))


class NiN(Network):
    """Three blocks of one convolution and two of 1 x 1, ending in max pool, mean pool, global mean.

    The pools are 3 x 3 with stride 2, each with dropout of a half. The features `convI_J` are taken
    after their ReLU. The logits are the global mean of the last convolution, which has K filters.
    Batch normalisation after all other convolutions is our addition, also common in code for
    one-pixel attacks (the paper has none): with it, training works at any learning rate.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      batch_norm: whether to normalise, see above.
      normalize: applied to the images first.
      rngs: stream for the initial weights (He normal) and for dropout.
    Reference: Lin et al., Network In Network (2014), section 4.
    """

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
        channels, blocks, names = image_shape[2], [], []
        for number, block in enumerate((*_BLOCKS[:2], (*_BLOCKS[2], (num_classes, 1))), start=1):
            units = []
            for index, (width, size) in enumerate(block, start=1):
                last = number == len(_BLOCKS) and index == len(block)
                normalized = batch_norm and not last
                units.append(Unit(channels, width, size, normalized, rngs))
                names.append(f"conv{number}_{index}")
                channels = width
            names.append(f"pool{number}")
            blocks.append(nnx.List(units))
        self.block1, self.block2, self.block3 = blocks
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.layers = tuple(names)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x, pools = images, (max_pool, mean_pool)
        for number, block in enumerate((self.block1, self.block2, self.block3), start=1):
            for index, unit in enumerate(block, start=1):
                x = nnx.relu(unit(x))
                yield f"conv{number}_{index}", x
            if number <= len(pools):
                x = pools[number - 1](x, 3, 2, padding=1)
                yield f"pool{number}", x
                x = self.dropout(x)
        yield "pool3", global_mean(x)


class Unit(nnx.Module):
    """A convolution with padding that keeps the size, and optional batch normalisation."""

    def __init__(
        self,
        channels: int,
        width: int,
        size: int,
        batch_norm: bool,
        rngs: nnx.Rngs,
        *,
        stride: int = 1,
    ) -> None:
        self.stride = stride
        bias = not batch_norm  # the normalisation has its own
        self.conv = conv(
            channels, width, size, stride=stride, padding=size // 2, bias=bias, rngs=rngs
        )
        self.norm = norm(width, rngs) if batch_norm else None

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)
