"""VGG16, configuration D, as in torchvision; also with batch normalisation, and for CIFAR."""

from collections.abc import Iterator
from itertools import pairwise

import jax
from flax import nnx

from models.layers import conv, flat_linear, norm, require_side
from models.network import Network, halve
from models.normalization import IMAGENET, Normalization

# Width and number of convolutions of each stage; a maximum after it halves the map.
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
_WIDTHS = [width for width, depth in _STAGES for _ in range(depth)]
_STAGE_OF = [stage for stage, (_, depth) in enumerate(_STAGES) for _ in range(depth)]
_NAMES = [f"conv{i}_{j}" for i, (_, depth) in enumerate(_STAGES, 1) for j in range(1, depth + 1)]
_POOL_AFTER = {f"conv{i}_{depth}": f"pool{i}" for i, (_, depth) in enumerate(_STAGES, 1)}
_SHRINK = 2 ** len(_STAGES)


class VGG16(Network):
    """Five stages of 3 x 3 convolutions, each halved - fully connected 4096 - 4096 - K.

    The features `convI_J` and the inner `fc*` are taken after their ReLU. Fully connected layers
    are counted from `fc6` on, so the logits are `fc8`, with one hidden layer `fc7`. There is no
    adaptive pooling: the size of `fc6` follows from the image. At 224 x 224 pixels (7 x 7 maps)
    torchvision's pooling does nothing.

    Args:
      image_shape: `(H, W, C)`, at least 32 x 32.
      num_classes: `K`.
      batch_norm: whether each convolution is normalised, before its ReLU.
      hidden: widths of the inner fully connected layers, each with dropout 0.5.
      normalize: applied to the images first.
      rngs: streams for the initial weights (He and, fully connected, LeCun normal) and `dropout`.
    Raises:
      ValueError: the images are too small.
    Reference: Simonyan and Zisserman (2014), https://arxiv.org/abs/1409.1556, table 1;
      torchvision, models/vgg.py.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (224, 224, 3),
        num_classes: int = 1000,
        *,
        batch_norm: bool = False,
        hidden: tuple[int, ...] = (4096, 4096),
        normalize: Normalization = IMAGENET,
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, _SHRINK)
        height, width, channels = image_shape
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        self.batch_norm = batch_norm
        self.convs = nnx.List(
            conv(size_in, size_out, 3, padding=1, rngs=rngs)
            for size_in, size_out in pairwise((channels, *_WIDTHS))
        )
        self.norms = nnx.List(
            norm(size, rngs) if batch_norm else nnx.Sequential() for size in _WIDTHS
        )
        sizes = (*hidden, num_classes)
        flat = (height // _SHRINK, width // _SHRINK, _WIDTHS[-1])
        first = flat_linear(flat, sizes[0], rngs=rngs)
        others = (nnx.Linear(*pair, rngs=rngs) for pair in pairwise(sizes))
        self.linears = nnx.List([first, *others])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        maps = (layer for name in _NAMES for layer in (name, _POOL_AFTER.get(name)) if layer)
        self.layers = (*maps, *(f"fc{6 + index}" for index in range(len(sizes))))

    def published_name(self, module: str) -> str:
        kind, _, number = module.partition(".")
        index = int(number)
        if kind == "linears":  # each followed by a ReLU and dropout
            return f"classifier.{3 * index}"
        # Each convolution is followed by its norm, if any, and a ReLU; each stage by a maximum.
        position = (3 if self.batch_norm else 2) * index + _STAGE_OF[index]
        return f"features.{position + (kind == 'norms')}"

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = images
        for name, convolution, normalization in zip(_NAMES, self.convs, self.norms, strict=True):
            x = nnx.relu(normalization(convolution(x)))
            yield name, x
            if name in _POOL_AFTER:
                x = halve(x)
                yield _POOL_AFTER[name], x
        *inner, last = self.linears
        for number, linear in enumerate(inner, start=6):
            x = nnx.relu(linear(x))
            yield f"fc{number}", x
            x = self.dropout(x)
        yield self.layers[-1], last(x)
