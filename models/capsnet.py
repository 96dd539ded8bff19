"""The capsule network of Sabour et al. (2017), following the authors' code."""

from collections.abc import Iterator
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from models.layers import conv, require_side
from models.network import Network, flatten

_CAPSULE = 8  # lengths of the vectors of primary and of digit capsules
_DIGIT = 16
_ROUTING_STEPS = 3
_PRESENT, _ABSENT = 0.9, 0.1  # margins of the loss
_EPS = 1e-8


class CapsNet(Network):
    """conv 256@9x9 - ReLU - 32 maps of 8-D capsules 9x9/2 - K capsules of 16-D, routed 3 times.

    The logits are the lengths of the K capsules, and the confidence is their softmax, as in Kumano
    et al. (2020). For ten classes it is 19.8 % at the margins 0.1 and 0.9, and below e / (e + 9) =
    23.2 % for all lengths below 1, so no image can reach a threshold of 90 %.

    The features `primary` and `digit` are capsule vectors, `[B, N, 8]` and `[B, K, 16]`.

    Args:
      image_shape: `(H, W, C)`, at least 17 x 17.
      num_classes: `K`.
      filters: number of filters of the first convolution.
      maps: number of maps of primary capsules.
      hidden: widths of the decoder, which only training uses.
      rngs: stream for the initial weights (truncated normal).
    Reference: Sabour et al., Dynamic Routing Between Capsules (2017), and the authors' code. In
      the code, primary capsules are divided by the number of maps before bias and squash, and
      digit capsules have a bias before every squash.
    """

    layers = ("conv1", "primary", "digit", "lengths")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        num_classes: int = 10,
        *,
        filters: int = 256,
        maps: int = 32,
        hidden: tuple[int, int] = (512, 1024),
        rngs: nnx.Rngs,
    ) -> None:
        require_side(image_shape, 17)
        height, width, channels = image_shape
        self.image_shape, self.num_classes, self.maps = image_shape, num_classes, maps
        constant = nnx.initializers.constant(0.1)
        self.conv1 = conv(
            channels, filters, 9, kernel_init=_normal(0.05), bias_init=constant, rngs=rngs
        )
        self.primary = conv(
            filters,
            maps * _CAPSULE,
            9,
            stride=2,
            kernel_init=_normal(0.1),
            bias_init=constant,
            rngs=rngs,
        )
        num_capsules = ((height - 16 + 1) // 2) * ((width - 16 + 1) // 2) * maps
        votes = (num_capsules, _CAPSULE, num_classes, _DIGIT)
        self.votes = nnx.Param(_normal(0.1)(rngs.params(), votes))
        self.bias = nnx.Param(jnp.full((num_classes, _DIGIT), 0.1, jnp.float32))
        sizes = (num_classes * _DIGIT, *hidden, height * width * channels)
        self.decoder = nnx.List(
            nnx.Linear(size_in, size_out, rngs=rngs) for size_in, size_out in pairwise(sizes)
        )

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = nnx.relu(self.conv1(images))
        yield "conv1", x
        # One routing step from zero logits weighs every map by 1 / maps, but not the bias.
        x = self.primary(x / self.maps)
        u = squash(x.reshape(len(x), -1, _CAPSULE).astype(jnp.float32))
        yield "primary", u
        v = self.route(u)
        yield "digit", v
        yield "lengths", _length(v)

    def route(self, u: jax.Array) -> jax.Array:
        """Dynamic routing (procedure 1), `[B, N, 8] -> [B, K, 16]`, in float32.

        The votes `u W`, `[B, N, K, 16]`, are not stored: their weighted sum is the product of
        weighted capsules and `W`, and their agreement with an output is computed from the output
        times `W`. Gradients pass through all steps.
        """
        matrix = self.votes[...].transpose(2, 0, 1, 3)  # [K, N, 8, 16]
        bias = self.bias[...][:, None]  # [K, 1, 16]
        v = squash(jnp.einsum("bni,knid->kbd", u, matrix) / self.num_classes + bias)
        logits = jnp.zeros((self.num_classes, *u.shape[:2]))
        for _ in range(_ROUTING_STEPS - 1):
            logits = logits + (jnp.einsum("kbd,knid->kbni", v, matrix) * u[None]).sum(axis=-1)
            coupling = jax.nn.softmax(logits, axis=0)
            v = squash(jnp.einsum("kbni,knid->kbd", coupling[..., None] * u[None], matrix) + bias)
        return v.transpose(1, 0, 2)

    def reconstruct(self, v: jax.Array, labels: jax.Array) -> jax.Array:
        """Decodes the capsules of the given classes, `[B, K, 16] -> [B, H * W * C]` in [0, 1]."""
        masked = v * jax.nn.one_hot(labels, self.num_classes)[..., None]
        x = flatten(masked)
        for layer in self.decoder[:-1]:
            x = nnx.relu(layer(x))
        return nnx.sigmoid(self.decoder[-1](x))

    def loss(self, images: jax.Array, labels: jax.Array) -> jax.Array:
        """Margin loss, averaged over classes, plus 0.0005 x the squared error of reconstruction.

        As in the authors' code, the margin loss is halved: weight 0.5 for the true class, 0.25 for
        the others.
        """
        v = self.features(images, "digit")
        lengths, present = _length(v), jax.nn.one_hot(labels, self.num_classes)
        too_short = jnp.square(nnx.relu(_PRESENT - lengths))
        too_long = jnp.square(nnx.relu(lengths - _ABSENT))
        margin = 0.5 * present * too_short + 0.25 * (1 - present) * too_long
        error = jnp.square(self.reconstruct(v, labels) - flatten(images)).sum(axis=-1)
        return margin.mean() + 0.0005 * error.mean()


def squash(s: jax.Array) -> jax.Array:
    """Equation 1 along the last axis: short vectors shrink to zero, long ones to length 1.

    `|s|^2 / (1 + |s|^2) s / |s|`, differentiable at zero.
    """
    squared = jnp.square(s).sum(axis=-1, keepdims=True)
    return s * squared / (1 + squared) * jax.lax.rsqrt(squared + _EPS)


def _length(v: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.square(v).sum(axis=-1) + _EPS)


def _normal(stddev: float) -> nnx.Initializer:
    return nnx.initializers.truncated_normal(stddev)
