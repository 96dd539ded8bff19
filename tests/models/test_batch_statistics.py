"""Running statistics are moved by training alone, and by every step of it."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models import SGD, Network, Recipe, accuracy, train


class Normalised(Network):
    layers = ("logits",)

    def __init__(self) -> None:
        self.image_shape, self.num_classes = (16, 16, 1), 2
        self.norm = nnx.BatchNorm(256, momentum=0.9, rngs=nnx.Rngs(0))
        self.linear = nnx.Linear(256, 2, rngs=nnx.Rngs(0))

    def walk(self, images):
        yield "logits", self.linear(self.norm(images.reshape(len(images), -1)))


@pytest.fixture(autouse=True)
def loose_ranks():
    """nnx.BatchNorm multiplies `[B, C]` by `[C]`."""
    import jax

    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def test_training_moves_the_running_mean_once_per_step(stripes):
    """With all 50 images in each batch the batch's mean is known, whatever the order."""
    model = Normalised()
    train(model, stripes, Recipe(SGD(), 3, 50, "made up"), seed=0)
    mean = (stripes.train_images / 255).mean(axis=0).ravel()
    np.testing.assert_allclose(model.norm.mean[...], (1 - 0.9**3) * mean, rtol=1e-4)


def test_accuracy_uses_the_running_statistics_and_leaves_them(stripes):
    model = Normalised()
    model.norm.mean[...] = jnp.linspace(-3.0, 3.0, 256)
    before = np.asarray(model.norm.mean[...]).copy()
    got = accuracy(model, stripes.test_images, stripes.test_labels, batch_size=10)
    np.testing.assert_array_equal(model.norm.mean[...], before)

    kernel, bias = (np.asarray(x[...]) for x in (model.linear.kernel, model.linear.bias))
    x = (stripes.test_images / 255).reshape(23, -1) - before
    shares = (x / np.sqrt(1 + 1e-5)) @ kernel + bias
    assert got == (shares.argmax(axis=1) == stripes.test_labels).mean()
