"""The optimisers against NumPy, and the recipes."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from models import DATASETS, SGD, Adam, CaffeSGD, create, recipe_for
from models.recipes import RECIPES

START = {"kernel": np.array([[1.0, -2.0], [0.5, 3.0]]), "bias": np.array([0.3, -0.7])}


def random_gradients(num_steps):
    random = np.random.default_rng(0)
    return [
        {name: random.normal(size=value.shape) for name, value in START.items()}
        for _ in range(num_steps)
    ]


def optimised(optimizer, gradients):
    def single(tree):
        return {name: jnp.asarray(value, jnp.float32) for name, value in tree.items()}

    transformation = optimizer.transformation()
    params = single(START)
    state = transformation.init(params)
    for gradient in gradients:
        updates, state = transformation.update(single(gradient), state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_caffes_solver_equals_its_restatement():
    """SGDSolver::ComputeUpdateValue: the rate inside the momentum, decay also on biases."""
    gradients = random_gradients(40)
    optimizer = CaffeSGD(learning_rate=0.1, momentum=0.9, weight_decay=0.02, gamma=0.1, power=0.75)
    got = optimised(optimizer, gradients)
    for name, multiplier in (("kernel", 1), ("bias", 2)):
        weight, velocity = START[name].copy(), 0
        for iteration, gradient in enumerate(gradients):
            rate = 0.1 * (1 + 0.1 * iteration) ** -0.75
            regularised = gradient[name] + 0.02 * weight
            velocity = 0.9 * velocity + multiplier * rate * regularised
            weight = weight - velocity
        np.testing.assert_allclose(got[name], weight, rtol=1e-4, atol=1e-5)


def test_caffes_rate_falls_as_its_documents_say():
    """With one constant gradient and no momentum, a step is the rate."""
    optimizer = CaffeSGD(momentum=0.0, weight_decay=0.0)
    transformation = optimizer.transformation()
    params = {"kernel": jnp.zeros(1)}
    state = transformation.init(params)
    for iteration, rate in ((10_000, 0.005946), (50_000, 0.002608), (100_000, 0.001656)):
        later = optax.tree.set(state, count=jnp.asarray(iteration))
        updates, _ = transformation.update({"kernel": jnp.ones(1)}, later, params)
        np.testing.assert_allclose(updates["kernel"], -rate, rtol=1e-3)


def test_sgd_equals_its_restatement():
    gradients = random_gradients(40)
    got = optimised(SGD(learning_rate=0.1, momentum=0.9, weight_decay=0.02), gradients)
    for name in START:
        weight, velocity = START[name].copy(), 0
        for gradient in gradients:
            velocity = 0.9 * velocity + gradient[name] + 0.02 * weight
            weight = weight - 0.1 * velocity
        np.testing.assert_allclose(got[name], weight, rtol=1e-4, atol=1e-5)


def test_the_papers_settings_are_the_defaults():
    lenet = recipe_for("lenet", "mnist")
    assert lenet.optimizer == CaffeSGD(0.01, 0.9, 5e-4, 1e-4, 0.75, 2.0)
    assert (lenet.num_steps, lenet.batch_size) == (10_000, 64)
    assert recipe_for("cnn", "fashion_mnist").optimizer == Adam(1e-3)
    assert recipe_for("nin", "cifar10").optimizer == SGD(0.01, 0.9, 5e-4)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("name", ["lenet", "mlp", "cnn", "cnn_nopool"])
def test_the_small_networks_have_a_recipe_for_every_data_set(name, dataset):
    assert recipe_for(name, dataset)


@pytest.mark.parametrize(
    ("name", "dataset"), [(name, data) for data, recipes in RECIPES.items() for name in recipes]
)
def test_every_recipe_is_for_a_network_by_name_and_can_be_written_down(name, dataset):
    assert dataset in DATASETS
    model = nnx.eval_shape(
        lambda: create(name, (32, 32, 3) if dataset == "cifar10" else (28, 28, 1))
    )
    assert model.num_classes == 10
    settings = recipe_for(name, dataset).settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["optimizer"]["name"] in {"Adam", "SGD", "CaffeSGD"}


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [(9, [4, 4, 1]), (8, [4, 4]), (3, [3])],
)
def test_epochs_add_up_to_the_number_of_steps(num_steps, expected):
    recipe = dataclasses.replace(recipe_for("cnn", "mnist"), num_steps=num_steps, batch_size=10)
    assert recipe.epoch_lengths(49) == expected


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="at least one batch of 128 training images, got 100"):
        recipe_for("mlp", "mnist").epoch_lengths(100)


@pytest.mark.parametrize(
    ("name", "dataset", "sentence"),
    [
        ("resnet", "mnist", "model: expected one of lenet, mlp, .*, got 'resnet'"),
        ("cnn", "svhn", "dataset: expected a recipe for one of mnist, .*, got 'svhn'"),
    ],
)
def test_unknown_names_list_the_known_ones(name, dataset, sentence):
    with pytest.raises(ValueError, match=sentence):
        recipe_for(name, dataset)
