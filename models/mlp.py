"""The fully connected MNIST network of Kumano et al. (2020)."""

import math
from collections.abc import Iterator

import jax
from flax import nnx

from models.network import Network, flatten


class MLP(Network):
    """fully connected 512 - ReLU - dropout, twice, then fully connected K.

    The paper gives three layers with ReLU and dropout, but its figure with the sizes is unreadable.
    Widths of 512 and a dropout rate of 0.2 are assumptions. Pixels stay in [0, 1]. The features
    `fc1` and `fc2` are taken after their ReLU, before dropout.

    Args:
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      widths: sizes of the two inner layers.
      dropout_rate: share of inner activations that training sets to zero.
      rngs: stream for the initial weights (LeCun normal; biases are zero) and for dropout.
    Reference: Kumano et al. (2020), section on models.
    """

    layers = ("fc1", "fc2", "fc3")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        widths: tuple[int, int] = (512, 512),
        dropout_rate: float = 0.2,
        rngs: nnx.Rngs,
    ) -> None:
        self.image_shape, self.num_classes = image_shape, num_classes
        self.fc1 = nnx.Linear(math.prod(image_shape), widths[0], rngs=rngs)
        self.fc2 = nnx.Linear(widths[0], widths[1], rngs=rngs)
        self.fc3 = nnx.Linear(widths[1], num_classes, rngs=rngs)
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.fc1(flatten(images)))
        yield "fc1", x
        x = nnx.relu(self.fc2(self.dropout(x)))
        yield "fc2", x
        yield "fc3", self.fc3(self.dropout(x))
