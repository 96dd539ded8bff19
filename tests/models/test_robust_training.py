"""A small network that was trained against an attack resists it, on MNIST. (Madry et al., 2018)"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.tree_util import Partial

import jfool
from models import Adam, Network, Recipe, load_dataset, train
from models.layers import conv
from models.network import flatten

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is unset: no prepared data"
    ),
]

SHAPE = (28, 28, 1)
EPSILON = 0.3
NUM_IMAGES = 500  # of the test split, attacked
STEPS_PER_EPOCH = 468


class Small(Network):
    """conv 16@4x4 - conv 32@4x4, both with stride 2 - fully connected 100 - K; with ReLUs.

    The network that Wong & Kolter (2018) train, and Wong et al. (2020).
    """

    layers = ("conv1", "conv2", "fc1", "fc2")

    def __init__(self, seed: int) -> None:
        rngs = nnx.Rngs(seed)
        self.image_shape, self.num_classes = SHAPE, 10
        self.conv1 = conv(1, 16, 4, stride=2, padding=1, rngs=rngs)
        self.conv2 = conv(16, 32, 4, stride=2, padding=1, rngs=rngs)
        self.fc1 = nnx.Linear(32 * 7 * 7, 100, rngs=rngs)
        self.fc2 = nnx.Linear(100, 10, rngs=rngs)

    def walk(self, images):
        x = nnx.relu(self.conv1(images))
        yield "conv1", x
        x = nnx.relu(self.conv2(x))
        yield "conv2", x
        x = nnx.relu(self.fc1(flatten(x)))
        yield "fc1", x
        yield "fc2", self.fc2(x)


def pgd(epsilon, num_warm_up_steps, key, model, images, labels, step):
    """Three steps of half the radius, which grows linearly at first."""
    epsilon = epsilon * jnp.minimum(1, (step + 1) / num_warm_up_steps)
    attack = jfool.PGD(SHAPE, 10, step_size=epsilon / 2)
    jobs = jfool.PerturbationJob(images, jnp.full(len(images), epsilon), labels)
    return jfool.perturb(key, attack, model, jobs, num_steps=3)


def robust_accuracy(dataset, seed, num_epochs, perturb=None):
    """Under 40 steps of PGD from a random start, the attack of Madry et al."""
    model, num_steps = Small(seed), num_epochs * STEPS_PER_EPOCH
    optimizer = Adam(3e-3, decay=0.05, decay_steps=num_steps)
    train(model, dataset, Recipe(optimizer, num_steps, 128, "made up"), seed, perturb=perturb)
    images = (dataset.test_images[:NUM_IMAGES] / 255).astype(np.float32)
    labels = dataset.test_labels[:NUM_IMAGES]
    jobs = jfool.PerturbationJob(images, np.full(NUM_IMAGES, EPSILON), labels)
    attack, key = jfool.PGD(SHAPE, 10, step_size=0.01), jax.random.key(seed)
    result = jfool.run(key, attack, model, jobs, num_steps=40, keep="last")
    return float(np.mean((result.clean_prediction == labels) & ~result.success))


def test_training_against_pgd_makes_a_network_that_resists_it(full_compiler, standard_promotion):
    """Without such training the attack breaks it entirely. One of three seeds may fall short."""
    mnist = load_dataset("mnist")
    assert robust_accuracy(mnist, 0, num_epochs=1) < 0.05
    against_pgd = Partial(pgd, EPSILON, STEPS_PER_EPOCH)
    robust = [robust_accuracy(mnist, seed, 3, against_pgd) for seed in range(3)]
    assert np.sum(np.array(robust) >= 0.75) >= 2, robust
