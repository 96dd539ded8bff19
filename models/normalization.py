"""Normalisation of the pixels, as published networks do it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Normalization:
    """`(images - mean) / std`, per channel, for images in [0, 1]; the identity by default."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __call__(self, images: jax.Array) -> jax.Array:
        """`[B, H, W, C]` to the same."""
        mean, std = (
            jnp.array(values, jnp.float32)[None, None, None] for values in (self.mean, self.std)
        )
        return (images - mean) / std


IDENTITY = Normalization()
BYTES = Normalization((0.0,), (1 / 255,))  # pixels as numbers from 0 to 255
# torchvision's constants for ImageNet.
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10 = Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
# TensorFlow's MobileNets: bytes / 128 - 1.
BYTES_TO_ONE = Normalization((128 / 255,) * 3, (128 / 255,) * 3)
