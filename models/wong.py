"""The small network of Wong & Kolter (2018), whose robustness is certified by its training."""

from collections.abc import Iterator

import jax
from flax import nnx

from models.layers import conv, flat_linear, require_side
from models.network import Network
from models.normalization import IDENTITY, Normalization

# As the authors' code has it: ImageNet's means, and one deviation for all channels.
CERTIFIED_CIFAR10 = Normalization((0.485, 0.456, 0.406), (0.225,) * 3)
_PUBLISHED = {"conv1": "0", "conv2": "2", "fc1": "5", "fc2": "7"}


class Wong(Network):
    """conv 16@4x4 - ReLU - conv 32@4x4 - ReLU - fully connected 100 - ReLU - fully connected K.

    The convolutions have stride 2 and zero padding 1. The features `conv*` and `fc1` are taken
    after their ReLU. With the published weights no perturbation inside the radius of the training
    does more harm than its certificate says; trained here in the usual way it is not certified.

    Args:
      image_shape: `(H, W, C)`, at least 4 x 4.
      num_classes: `K`.
      normalize: applied to the images first.
      rngs: stream for the initial weights (He normal; biases are zero).
    Reference: Provable defenses against adversarial examples via the convex outer adversarial
    polytope, https://arxiv.org/abs/1711.00851; Scaling provable adversarial defenses,
    https://arxiv.org/abs/1805.12514 ("small").
    """

    layers = tuple(_PUBLISHED)

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        normalize: Normalization = IDENTITY,
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, 4)
        height, width, channels = image_shape
        self.image_shape, self.num_classes, self.normalize = image_shape, num_classes, normalize
        self.conv1 = conv(channels, 16, 4, stride=2, padding=1, rngs=rngs)
        self.conv2 = conv(16, 32, 4, stride=2, padding=1, rngs=rngs)
        self.fc1 = flat_linear((height // 2 // 2, width // 2 // 2, 32), 100, rngs=rngs)
        self.fc2 = nnx.Linear(100, num_classes, rngs=rngs)

    def published_name(self, module: str) -> str:
        return _PUBLISHED.get(module, module)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = images
        for name in ("conv1", "conv2", "fc1"):
            x = nnx.relu(getattr(self, name)(x))
            yield name, x
        yield "fc2", self.fc2(x)
