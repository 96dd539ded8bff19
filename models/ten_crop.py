"""Ten-crop evaluation: a network classifies five crops of an image and their mirror images."""

import operator
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from models.data_checks import is_image_shape
from models.network import Network


class TenCrop(Network):
    """The mean of a network's probabilities over four corners, the centre, and their mirror images.

    Its logits are the logarithms of the mean probabilities, so their softmax is the mean. Each
    image costs ten images of the network.

    Args:
      model: network that classifies the crops, which have its `image_shape`.
      image_shape: `(H, W, C)` of the whole image, at least as large as a crop.
    Raises:
      TypeError, ValueError: no network, or crops that do not fit.
    Reference: Krizhevsky et al. (2012), section 4.1; used on CaffeNet by Nguyen et al.,
      https://arxiv.org/abs/1412.1897.
    """

    layers = ("logits",)

    def __init__(self, model: Network, image_shape: tuple[int, int, int] = (256, 256, 3)) -> None:
        if not isinstance(model, Network):
            raise TypeError(f"model: expected a models.Network, got {model!r:.60}")
        fits = is_image_shape(image_shape) and image_shape[2] == model.image_shape[2]
        if not fits or any(map(operator.gt, model.image_shape, image_shape)):
            raise ValueError(
                f"image_shape: expected at least {model.image_shape} and as many channels, "
                f"got {image_shape!r:.60}"
            )
        self.model = model
        height, width, channels = map(int, image_shape)
        self.image_shape, self.num_classes = (height, width, channels), model.num_classes

    def walk(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        crops = self.crops(images)
        logits = self.model(crops.reshape(-1, *crops.shape[2:]))
        log_probabilities = jax.nn.log_softmax(logits).reshape(*crops.shape[:2], -1)
        mean = jax.nn.logsumexp(log_probabilities, axis=0) - jnp.log(len(crops))
        # XLA's CPU compiler may fuse the exponential with the network and lose the network's NaN.
        broken = jnp.isnan(logits).any(-1).reshape(crops.shape[:2]).any(0)
        yield "logits", jnp.where(broken[:, None], jnp.nan, mean)

    def crops(self, images: jax.Array) -> jax.Array:
        """`[B, H, W, C]` to `[10, B, h, w, C]`: corners, centre, mirror images."""
        height, width, _ = self.model.image_shape
        down, right = self.image_shape[0] - height, self.image_shape[1] - width
        corners = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
        straight = [images[:, y : y + height, x : x + width] for y, x in corners]
        return jnp.stack([*straight, *(crop[:, :, ::-1] for crop in straight)])
