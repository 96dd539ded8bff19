"""Networks with named layers that are small enough to be searched in no time."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import models


class TinyNetwork(models.Network):
    """Random features of the pixels, and random sums of these.

    Sums of products in a fixed order, so that no bit depends on the batch.
    """

    layers = ("features", "logits")

    def __init__(self, image_shape, num_classes, num_features=6, seed=0):
        self.image_shape, self.num_classes = image_shape, num_classes
        random = np.random.default_rng(seed)
        sizes = int(np.prod(image_shape)), num_features, num_classes
        self.inner = nnx.Param(jnp.asarray(random.normal(size=sizes[:2]), jnp.float32))
        self.outer = nnx.Param(jnp.asarray(random.normal(size=sizes[1:]), jnp.float32))

    def walk(self, images):
        x = nnx.relu(_product(images.reshape(len(images), -1), self.inner[...]))
        yield "features", x
        yield "logits", _product(x, self.outer[...])


def _product(x: jax.Array, weights: jax.Array) -> jax.Array:
    return (x[:, :, None].astype(weights.dtype) * weights[None]).sum(1)


def in_place_of_digits(monkeypatch, name: str, shape, num_classes) -> TinyNetwork:
    """A small network and black images of its shape, instead of digits and a trained one."""
    network = TinyNetwork(shape, num_classes)
    network.eval()
    images = np.zeros((num_classes, *shape), np.uint8)
    labels = np.arange(num_classes, dtype=np.int32)
    class_names = ("low", "middle", "high")[:num_classes]
    dataset = models.Dataset("digits", images, labels, images, labels, class_names)
    card = {"model": name, "dataset": "digits", "accuracy": 0.5, "num_test_images": num_classes}
    monkeypatch.setattr(models, "load_dataset", lambda name: dataset)
    monkeypatch.setattr(models, "trained", lambda *args, **kwargs: (network, card))
    return network
