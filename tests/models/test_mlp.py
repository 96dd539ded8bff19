"""The fully connected network."""

import jax
import numpy as np
import pytest
from flax import nnx

from models import MLP
from tests.models import oracle


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(4, 28, 28, 1)).astype(np.float32)


def test_every_layer_equals_the_numpy_restatement(images):
    model = MLP(rngs=nnx.Rngs(0))
    model.eval()
    fc1 = np.maximum(oracle.dense(images, model.fc1), 0)
    fc2 = np.maximum(oracle.dense(fc1, model.fc2), 0)
    layers = {"fc1": fc1, "fc2": fc2, "fc3": oracle.dense(fc2, model.fc3)}
    assert tuple(layers) == model.layers
    features = jax.jit(lambda images: {name: model.features(images, name) for name in layers})
    for name, activation in features(images).items():
        np.testing.assert_allclose(activation, layers[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model(images), model.features(images, "fc3"))


def test_it_has_669_706_parameters():
    by_hand = (784 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10
    leaves = jax.tree.leaves(nnx.state(MLP(rngs=nnx.Rngs(0)), nnx.Param))
    assert sum(leaf.size for leaf in leaves) == by_hand == 669_706


def test_dropout_acts_in_training_mode_only(images):
    model = MLP(rngs=nnx.Rngs(0))
    assert not np.array_equal(model(images), model(images))
    model.eval()
    np.testing.assert_array_equal(model(images), model(images))


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    model = MLP(rngs=nnx.Rngs(0), dropout_rate=0.2)
    dropped = np.asarray(model.dropout(np.ones((200, 512), np.float32)))
    np.testing.assert_allclose((dropped == 0).mean(), 0.2, atol=0.01)
    np.testing.assert_allclose(dropped[dropped > 0], 1.25)
