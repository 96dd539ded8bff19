"""Deep features: the activations of an inner layer.

The model needs `features(images [B, H, W, C], layer) -> [B, ...]`, as the networks in `models`
have. A flattened feature has `D` numbers.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jfool.arguments import check_images
from jfool.base import Fitness, Images, Logits, Model, pytree, static
from jfool.model_checks import check_weights
from jfool.model_outputs import logits_of
from jfool.numbers import brief, check_number, is_real, known

Features = Float[Array, "B D"] | Float[np.ndarray, "B D"]
_IMAGES_AT_ONCE = 256


@pytree
class FeatureMatch:
    """Minus the relative squared distance to `job.features`. (Kumano et al., 2020, eq. 1)

      -||Phi(x) - Phi(x0)||^2 / ||Phi(x0)||^2

    A score, for `evaluate.gradient`, and the objective of `jfool.FeatureInversion`.

    Attributes:
      layer: Phi, a name that the model knows.
    """

    layer: str = static()

    @property
    def targeted(self) -> bool:
        return True

    def show(self, model: Model, images: Images) -> tuple[Features, Logits]:
        # Compiled, the layers that both need are computed once.
        return features_of(model, images, self.layer), logits_of(model, images)

    def __call__(
        self, answer: tuple[Array, Logits], job: Any, genotype: Any
    ) -> tuple[Fitness, Logits]:
        del genotype
        features, logits = answer
        if features.shape != job.features.shape:
            raise ValueError(
                f"jobs.features: expected {features.shape[-1]} numbers, as layer {self.layer!r} of "
                f"the model gives, got {job.features.shape[-1]}"
            )
        return -relative_distance(features, job.features), logits


def features_of(model: Any, images: Images, layer: str) -> Float[Array, "B D"]:
    """The activations of a layer, flattened, in float32.

    Raises:
      TypeError: the model has no `features(images, layer)`.
    """
    if not callable(getattr(model, "features", None)):
        raise TypeError(
            "model: expected one with features(images, layer), as the networks of models have, "
            f"got {type(model).__name__}"
        )
    return model.features(images, layer).reshape(len(images), -1).astype(jnp.float32)


def check_layer(layer: Any) -> None:
    """Raises TypeError unless it may name a layer."""
    if not isinstance(layer, str):
        raise TypeError(f"layer: expected the name of a layer, got {brief(layer)}")


def relative_distance(
    features: Float[Array, "*B D"] | Float[np.ndarray, "*B D"],
    wanted: Float[Array, "*B D"] | Float[np.ndarray, "*B D"],
) -> Float[Array, " *B"]:
    """`||f - w||^2 / ||w||^2`. (Kumano et al., 2020, eq. 1)"""
    features, wanted = jnp.asarray(features), jnp.asarray(wanted)
    return jnp.square(features - wanted).sum(-1) / jnp.square(wanted).sum(-1)


def cosine(features: Features, wanted: Features) -> Float[Array, " B"]:
    """The cosine of two features, 0 if one is all zeros. (Kumano et al., 2020, figures 8 and 9)"""
    features, wanted = jnp.asarray(features), jnp.asarray(wanted)
    norms = jnp.linalg.norm(features, axis=-1) * jnp.linalg.norm(wanted, axis=-1)
    return jnp.where(norms > 0, (features * wanted).sum(-1) / jnp.where(norms > 0, norms, 1), 0)


def show_features(model: Any, images: Any, layer: str) -> Float[np.ndarray, "N D"]:
    """`features_of` for any number of images `[N, H, W, C]` in [0, 1], in batches.

    Raises:
      TypeError: the images are not floats.
      ValueError: they are not `[N, H, W, C]`, or not in [0, 1].
    """
    check_weights(model)
    check_images("images", images)
    check_layer(layer)
    images = np.asarray(images, np.float32)
    parts = [
        np.asarray(_features(model, images[start : start + _IMAGES_AT_ONCE], layer), np.float32)
        for start in range(0, len(images), _IMAGES_AT_ONCE)
    ]
    return np.concatenate(parts)


@functools.partial(jax.jit, static_argnames="layer")
def _features(model: Any, images: Array, layer: str) -> Array:
    with jax.default_matmul_precision("highest"):
        return features_of(model, images, layer)


def num_altered(images: Any, bases: Any, threshold: float = 0.0) -> Int[np.ndarray, " N"]:
    """How many pixels differ from the base by more than `threshold` in any channel.

    Args:
      images: `[N, H, W, C]`.
      bases: `[N, C]`, colors.
      threshold: 0 counts every change; the heat maps of Kumano et al. (2020) use 0.3.
    Returns:
      `[N]` whole numbers.
    Raises:
      TypeError, ValueError: an argument cannot work.
    """
    check_images("images", images)
    check_number("threshold", threshold, "a number of at least 0", least=0)
    images, bases = np.asarray(images, np.float32), known(bases)
    if bases.shape != (len(images), images.shape[-1]) or not is_real(bases):
        raise ValueError(
            f"bases: expected colors {[len(images), images.shape[-1]]}, one for each image, "
            f"got {bases.dtype} {list(bases.shape)}"
        )
    bases = bases.astype(np.float32)
    difference = np.abs(images - bases[:, None, None, :])
    return (difference > np.float32(threshold)).any(-1).sum((1, 2))
