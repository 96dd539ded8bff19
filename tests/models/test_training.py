"""Training, on a set of two stripes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from models import MLP, SGD, Adam, LeNet, Recipe, accuracy, train
from models.training import run_epoch
from tests.models import oracle

RECIPE = Recipe(SGD(), num_steps=12, batch_size=10, source="made up")


def network(seed=0, dropout_rate=0.2):
    return MLP((16, 16, 1), 2, widths=(8, 6), dropout_rate=dropout_rate, rngs=nnx.Rngs(seed))


def weights(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def epoch(model, dataset, batches, optimizer=RECIPE.optimizer):
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    state = optimizer.transformation().init(params)
    images, labels = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    params, rest, _, losses = run_epoch(
        graphdef, optimizer, params, rest, state, images, labels, jnp.asarray(batches)
    )
    nnx.update(model, params, rest)
    return losses


def numpy_step(dataset, batch, kernels, biases):
    """Gradients of the mean cross-entropy of a network with three dense layers, by hand."""
    inputs = [dataset.train_images[batch].reshape(len(batch), -1) / 255.0]
    for kernel, bias in zip(kernels[:2], biases[:2], strict=True):
        inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0))
    logits = inputs[-1] @ kernels[2] + biases[2]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    labels = dataset.train_labels[batch]
    loss = -np.log(shares[np.arange(len(batch)), labels]).mean()

    error = (shares - np.eye(2)[labels]) / len(batch)
    by_kernel, by_bias = [], []
    for i in (2, 1, 0):
        by_kernel.insert(0, inputs[i].T @ error)
        by_bias.insert(0, error.sum(axis=0))
        error = (error @ kernels[i].T) * (inputs[i] > 0)
    return loss, by_kernel, by_bias


def test_an_epoch_takes_the_steps_of_a_numpy_restatement(stripes):
    model = network(dropout_rate=0.0)
    layers = (model.fc1, model.fc2, model.fc3)
    kernels, biases = (list(x) for x in zip(*map(oracle.parameters, layers), strict=True))
    velocities = [0.0] * 6
    batches = np.random.default_rng(0).permutation(50)[:30].reshape(3, 10)
    losses = []
    for batch in batches:
        loss, by_kernel, by_bias = numpy_step(stripes, batch, kernels, biases)
        losses.append(loss)
        for i, gradient in enumerate([*by_kernel, *by_bias]):
            target, j = (kernels, i) if i < 3 else (biases, i - 3)
            velocities[i] = 0.9 * velocities[i] + gradient + 5e-4 * target[j]
            target[j] = target[j] - 0.01 * velocities[i]

    np.testing.assert_allclose(epoch(model, stripes, batches), losses, rtol=1e-4)
    for layer, kernel, bias in zip(layers, kernels, biases, strict=True):
        np.testing.assert_allclose(layer.kernel[...], kernel, atol=1e-5)
        np.testing.assert_allclose(layer.bias[...], bias, atol=1e-5)


def test_the_adam_step_of_a_convolutional_network_equals_plain_optax(stripes, standard_promotion):
    model, twin = (LeNet((16, 16, 1), 2, rngs=nnx.Rngs(0)) for _ in range(2))
    batch = np.arange(10)
    epoch(model, stripes, batch[None], Adam(0.01))

    images, labels = stripes.train_images[batch] / 255, stripes.train_labels[batch]
    graphdef, params = nnx.split(twin)

    optimizer = optax.adam(0.01)

    def loss(params):
        logits = nnx.merge(graphdef, params)(jnp.asarray(images, jnp.float32))
        return -jax.nn.log_softmax(logits)[jnp.arange(10), labels].mean()

    @jax.jit
    def step(params):
        updates, _ = optimizer.update(jax.grad(loss)(params), optimizer.init(params))
        return optax.apply_updates(params, updates)

    expected = jax.tree.leaves(step(params))
    for got, leaf in zip(weights(model), expected, strict=True):
        # Adam's first step is the sign of the gradient: where that is rounding noise, so is it.
        assert (abs(got - np.asarray(leaf)) > 1e-4).mean() < 0.01


def test_the_same_seed_gives_the_same_weights_and_another_does_not(stripes):
    models = [network() for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        train(model, stripes, RECIPE, seed)
    first, again, other = map(weights, models)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_every_step_draws_new_dropout(stripes):
    model = network()
    losses = epoch(model, stripes, np.tile(np.arange(10), (2, 1)), SGD(0.0, 0.0, 0.0))
    assert losses[0] != losses[1]
    assert model.dropout.rngs.count[...] == 4


def test_an_epoch_shows_every_image_at_most_once(stripes, monkeypatch):
    shown = []

    def spy(graphdef, optimizer, params, rest, state, images, labels, batches, *hook):
        shown.append(np.asarray(batches))
        return params, rest, state, jnp.zeros(len(batches))

    monkeypatch.setattr("models.training.run_epoch", spy)
    train(network(), stripes, RECIPE, 0)
    assert [batches.shape for batches in shown] == [(5, 10), (5, 10), (2, 10)]
    assert sorted(shown[0].ravel()) == list(range(50))
    assert len(set(shown[2].ravel())) == 20
    assert not np.array_equal(shown[0], shown[1])


def test_training_learns_reports_each_epoch_and_ends_in_evaluation_mode(stripes):
    reports = []
    model = network()
    recipe = Recipe(SGD(0.1), num_steps=102, batch_size=10, source="made up")
    final = train(model, stripes, recipe, 0, lambda *report: reports.append(report))
    assert final == 1.0
    assert [epoch for epoch, _, _ in reports] == list(range(1, 22))
    assert reports[-1][1] < reports[0][1] / 5
    assert reports[-1][2] == final
    assert model.dropout.deterministic


def test_a_loss_that_is_not_finite_stops_with_a_sentence(stripes):
    recipe = Recipe(SGD(1e30), num_steps=12, batch_size=10, source="made up")
    with pytest.raises(FloatingPointError, match=r"the loss became .* in epoch 1: .* than 1e\+30"):
        train(network(), stripes, recipe, 0)


def test_another_seed_meets_the_same_trace(stripes):
    train(network(0), stripes, RECIPE, 0)
    before = run_epoch._cache_size()
    train(network(1), stripes, RECIPE, 1)
    assert run_epoch._cache_size() == before


@pytest.mark.parametrize("batch_size", [1, 7, 23, 500])
def test_accuracy_counts_every_image_once_whatever_the_batch_size(stripes, batch_size):
    model = network()
    got = accuracy(model, stripes.test_images, stripes.test_labels, batch_size)
    model.eval()
    logits = model((stripes.test_images / 255).astype(np.float32))
    assert got == (np.asarray(logits).argmax(axis=-1) == stripes.test_labels).mean()


def test_accuracy_is_taken_in_evaluation_mode_and_leaves_the_mode_alone(stripes):
    model = network(dropout_rate=0.9)
    shares = {accuracy(model, stripes.test_images, stripes.test_labels) for _ in range(4)}
    assert len(shares) == 1
    assert not model.dropout.deterministic
    assert model.dropout.rngs.count[...] == 0
