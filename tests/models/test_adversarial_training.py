"""Adversarial training: an attack inside the compiled epoch, on the network as it is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.tree_util import Partial

import jfool
from models import SGD, Network, Recipe, train
from models.layers import conv, norm
from models.network import flatten
from models.training import run_epoch

SHAPE = (16, 16, 1)
EPSILON, STEP_SIZE, NUM_STEPS = 0.25, 0.08, 7
RECIPE = Recipe(SGD(0.002), num_steps=12, batch_size=10, source="made up")


class Small(Network):
    """conv 4@3x3 - batch normalisation - ReLU - dropout - fully connected 2."""

    layers = ("logits",)

    def __init__(self, dropout_rate: float = 0.0) -> None:
        rngs = nnx.Rngs(0)
        self.image_shape, self.num_classes = SHAPE, 2
        self.conv = conv(1, 4, 3, stride=2, rngs=rngs)
        self.norm = norm(4, rngs)
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)
        self.linear = nnx.Linear(4 * 7 * 7, 2, rngs=rngs)

    def walk(self, images):
        x = self.dropout(nnx.relu(self.norm(self.conv(images))))
        yield "logits", self.linear(flatten(x))


def pgd(epsilon, step_size, key, model, images, labels, step):
    del step
    attack = jfool.PGD(SHAPE, 2, step_size=step_size)
    jobs = jfool.PerturbationJob(images, jnp.full(len(images), epsilon, jnp.float32), labels)
    return jfool.perturb(key, attack, model, jobs, num_steps=NUM_STEPS)


def epoch(model, dataset, batches, perturb, key, optimizer=RECIPE.optimizer):
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    state = optimizer.transformation().init(params)
    images, labels = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    steps = jnp.arange(len(batches), dtype=jnp.int32)
    draws = jax.vmap(jax.random.fold_in, (None, 0))(key, steps), steps
    params, rest, _, losses = run_epoch(
        graphdef,
        optimizer,
        params,
        rest,
        state,
        images,
        labels,
        jnp.asarray(batches),
        perturb,
        draws,
    )
    return losses, params, rest


def epoch_by_hand(model, dataset, batches, key):
    """The same in plain jax, flax and optax, a step at a time."""
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.002, momentum=0.9))
    state = optimizer.init(params)

    def cross_entropy(params, rest, images, labels):
        model = nnx.merge(graphdef, params, rest, copy=True)
        losses = optax.softmax_cross_entropy_with_integer_labels(model(images), labels)
        return losses.mean(), nnx.state(model, nnx.Not(nnx.Param))

    @jax.jit
    def step(params, rest, state, key, images, labels):
        def noise(row):
            key_of_row = jax.random.fold_in(jax.random.fold_in(key, row), 0)
            return jax.random.uniform(key_of_row, SHAPE, minval=-EPSILON, maxval=EPSILON)

        x = jnp.clip(images + jax.vmap(noise)(jnp.arange(len(images))), 0, 1)
        for _ in range(NUM_STEPS):
            gradient, _ = jax.grad(cross_entropy, argnums=2, has_aux=True)(params, rest, x, labels)
            x = x + STEP_SIZE * jnp.sign(gradient)
            x = jnp.clip(jnp.clip(x, images - EPSILON, images + EPSILON), 0, 1)
        of_params = jax.value_and_grad(cross_entropy, has_aux=True)
        (loss, rest), gradient = of_params(params, rest, x, labels)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), rest, state, loss

    losses = []
    for number, batch in enumerate(batches):
        images = jnp.asarray(dataset.train_images[batch] / 255, jnp.float32)
        labels = jnp.asarray(dataset.train_labels[batch])
        key_of_step = jax.random.fold_in(key, number)
        params, rest, state, loss = step(params, rest, state, key_of_step, images, labels)
        losses.append(float(loss))
    return losses, params, rest


@pytest.fixture(autouse=True)
def loose_rules():
    """nnx.BatchNorm multiplies `[B, H, W, C]` by `[C]`. Dropout is the same in all steps of an
    attack, which the checker of keys would refuse."""
    with (
        jax.numpy_rank_promotion("allow"),
        jax.numpy_dtype_promotion("standard"),
        jax.debug_key_reuse(False),
    ):
        yield


@pytest.mark.parametrize("dropout_rate", [0.0, 0.3], ids=["batch_norm", "and_dropout"])
def test_epochs_of_pgd_training_equal_those_written_by_hand(stripes, key, dropout_rate):
    batches = np.stack([np.random.default_rng(i).permutation(50)[:10] for i in range(20)])
    hook = Partial(pgd, EPSILON, STEP_SIZE)
    losses, *state = epoch(Small(dropout_rate), stripes, batches, hook, key)
    expected, *by_hand = epoch_by_hand(Small(dropout_rate), stripes, batches, key)
    # The second loss is that of the weights after the first step.
    np.testing.assert_allclose(losses[:2], expected[:2], rtol=1e-6)
    np.testing.assert_allclose(losses, expected, rtol=0.01)
    for leaf, other in zip(*map(jax.tree.leaves, (state, by_hand)), strict=True):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            np.testing.assert_allclose(leaf, other, atol=1e-3)
        else:  # dropout's key, and how often it has drawn
            assert leaf == other


def test_new_numbers_seeds_and_epochs_share_a_trace(stripes):
    """A hook is traced anew only where the epoch is: for the incomplete one."""
    traced = []

    def brighter(amount, key, model, images, labels, step):
        traced.append(step.shape)
        return images + amount

    for seed, amount in ((0, 0.1), (1, 0.2)):
        train(Small(), stripes, RECIPE, seed, perturb=Partial(brighter, amount))
    assert traced == [(), ()]


def test_a_hook_that_changes_nothing_changes_no_weight(stripes):
    models = [Small(0.3), Small(0.3)]

    def nothing(key, model, images, labels, step):
        model(images)  # what it writes to the model is dropped
        return images

    for model, hook in zip(models, (None, nothing), strict=True):
        train(model, stripes, RECIPE, 0, perturb=hook)
    for leaf, other in zip(*(jax.tree.leaves(nnx.state(model)) for model in models), strict=True):
        assert (leaf == other).all()


def test_every_step_has_its_number_and_a_key_of_its_own(stripes, monkeypatch):
    seen = []

    def spy(graphdef, optimizer, params, rest, state, images, labels, batches, perturb, draws):
        seen.append((jax.random.key_data(draws[0]), draws[1]))
        return params, rest, state, jnp.zeros(len(batches))

    monkeypatch.setattr("models.training.run_epoch", spy)
    for seed in (0, 1):
        train(Small(), stripes, RECIPE, seed, perturb=Partial(pgd, EPSILON, STEP_SIZE))
    keys, steps = (np.concatenate(leaves) for leaves in zip(*seen, strict=True))
    assert steps.tolist() == [*range(12), *range(12)]
    assert len(np.unique(keys, axis=0)) == 24


def test_the_loss_is_of_the_images_of_the_hook(stripes, key):
    """Images as bright as the step's number, which the mean that normalization records tells."""
    model = Small()

    def as_bright_as_the_step(key, model, images, labels, step):
        return jnp.full_like(images, step)

    batches, unmoved = np.tile(np.arange(10), (3, 1)), SGD(0.0, 0.0, 0.0)
    _, _, rest = epoch(model, stripes, batches, Partial(as_bright_as_the_step), key, unmoved)
    of_ones = model.conv(jnp.ones((1, *SHAPE))).mean((0, 1, 2))
    expected = (0.9 * 0.1 * 1 + 0.1 * 2) * of_ones
    np.testing.assert_allclose(rest["norm"]["mean"][...], expected, rtol=1e-4)


def test_run_and_sweep_refuse_a_network_in_training_mode_that_perturb_takes(stripes, key, tmp_path):
    model = Small()
    model.train()
    images = jnp.asarray(stripes.test_images[:4] / 255, jnp.float32)
    jobs = jfool.PerturbationJob(images, np.full(4, EPSILON), stripes.test_labels[:4])
    attack = jfool.PGD(SHAPE, 2, step_size=STEP_SIZE)
    message = (
        r"model: expected .* inference mode, got model\.norm in training mode \(call model.eval"
    )
    with pytest.raises(ValueError, match=message) as refused:
        jfool.run(key, attack, model, jobs, num_steps=1, keep="last")
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=message):
        jfool.sweep(key, attack, model, jobs, num_steps=1, folder=tmp_path)
    perturbed = jfool.perturb(key, attack, model, jobs, num_steps=1)
    assert 0 < abs(perturbed - images).max() <= EPSILON + 1e-6


def test_perturbed_images_are_constants_of_the_loss_they_are_made_in(stripes, key):
    """The gradient of a loss on images that are perturbed inside it, or before it."""
    graphdef, params, rest = nnx.split(Small(), nnx.Param, ...)
    images = jnp.asarray(stripes.train_images[:10] / 255, jnp.float32)
    labels = jnp.asarray(stripes.train_labels[:10])

    def perturbed(params):
        model = nnx.merge(graphdef, params, rest, copy=True)
        return pgd(EPSILON, STEP_SIZE, key, model, images, labels, 0)

    def loss(params, images=None):
        images = perturbed(params) if images is None else images
        return nnx.merge(graphdef, params, rest, copy=True).loss(images, labels)

    inside = jax.jit(jax.grad(loss))(params)
    before = jax.jit(lambda params: jax.grad(loss)(params, perturbed(params)))(params)
    for leaf, other in zip(*map(jax.tree.leaves, (inside, before)), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-5, atol=1e-6)
