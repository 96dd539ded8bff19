"""Training a network, one compiled program per epoch.

The data stays on the device as bytes, and an epoch is one `lax.scan` over shuffled batches.
Weights, optimiser state and data are arguments of the compiled program, so another seed, or another
network of the same architecture, reuses the trace.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jax.tree_util import Partial

from models.data_checks import as_images, as_labels, is_whole
from models.datasets import Dataset
from models.network import Network
from models.recipes import SGD, Adam, CaffeSGD, Recipe
from models.training_checkpoint import TrainingCheckpoint

OnEpoch = Callable[[int, float, float], None]
# `perturb(key, model, images [B, H, W, C], labels [B], step []) -> images [B, H, W, C]`
Perturb = Callable[[jax.Array, Network, jax.Array, jax.Array, jax.Array], jax.Array]


def train(
    model: Network,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    on_epoch: OnEpoch | None = None,
    checkpoint: TrainingCheckpoint | None = None,
    num_epochs: int | None = None,
    perturb: Perturb | None = None,
) -> float:
    """Trains a network in place and leaves it in evaluation mode.

    Args:
      model: the network; its `loss` is minimised.
      dataset: training and test images.
      recipe: optimiser, number of steps, batch size.
      seed: of the order of the images. (Initial weights and dropout use the model's own streams.)
      on_epoch: called after each epoch with its number, counted from 1, the mean loss over its
        batches, and the accuracy on the test split.
      checkpoint: where to save the state after each epoch, and to resume from; None saves nothing.
      num_epochs: train at most this many epochs of the recipe; by default all.
      perturb: for adversarial training: called in every step, with a key of its own, the model in
        training mode, the batch and the number of the step, counted from 0. Its images take the
        place of the batch's; what it writes to the model is dropped. A pytree such as
        `jax.tree_util.Partial` may have other numbers without another compilation.
    Returns:
      The accuracy on the test split.
    Raises:
      FloatingPointError: the loss is NaN or infinite.
      TypeError, ValueError: an argument cannot work, such as images that are not the network's,
        fewer training images than one batch, `num_epochs` below 1; or a damaged checkpoint.
    """
    for name, function in (("on_epoch", on_epoch), ("perturb", perturb)):
        if function is not None and not callable(function):
            raise TypeError(f"{name}: expected a function or None, got {function!r:.60}")
    if checkpoint is not None and not isinstance(checkpoint, TrainingCheckpoint):
        expected = "a models.TrainingCheckpoint or None"
        raise TypeError(f"checkpoint: expected {expected}, got {checkpoint!r:.60}")
    _check(model, dataset, recipe, seed, num_epochs)
    model.train()
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer_state = recipe.optimizer.transformation().init(params)
    images, labels = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    key = jax.random.key(seed, impl="threefry2x32")
    perturb_key = jax.random.fold_in(key, 0)  # epochs count from 1
    if jax.tree_util.all_leaves([perturb]):  # a bare function
        perturb = Partial(perturb)

    done = 0
    if checkpoint is not None:
        done, (params, rest, optimizer_state) = checkpoint.load((params, rest, optimizer_state))
        nnx.update(model, params, rest)
    lengths = recipe.epoch_lengths(len(images))[:num_epochs]
    for epoch, num_steps in enumerate(lengths, start=1):
        if epoch <= done:
            continue
        order = jax.random.permutation(jax.random.fold_in(key, epoch), len(images))
        batches = order[: num_steps * recipe.batch_size].reshape(num_steps, recipe.batch_size)
        draws = None
        if perturb is not None:
            steps = jnp.arange(num_steps, dtype=jnp.int32) + sum(lengths[: epoch - 1])
            draws = jax.vmap(jax.random.fold_in, (None, 0))(perturb_key, steps), steps
        params, rest, optimizer_state, losses = run_epoch(
            graphdef,
            recipe.optimizer,
            params,
            rest,
            optimizer_state,
            images,
            labels,
            batches,
            perturb,
            draws,
        )
        loss = float(losses.mean())
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} in epoch {epoch}: expected a finite one, "
                f"try a smaller learning rate than {recipe.optimizer.learning_rate}"
            )
        nnx.update(model, params, rest)
        if checkpoint is not None:
            checkpoint.save(epoch, (params, rest, optimizer_state))
        if on_epoch is not None:
            test_accuracy = accuracy(model, dataset.test_images, dataset.test_labels)
            on_epoch(epoch, loss, test_accuracy)
    model.eval()
    return accuracy(model, dataset.test_images, dataset.test_labels)


def _check(model: Any, dataset: Any, recipe: Any, seed: Any, num_epochs: Any) -> None:
    for name, value, kind in (("dataset", dataset, Dataset), ("recipe", recipe, Recipe)):
        if not isinstance(value, kind):
            raise TypeError(f"{name}: expected a models.{kind.__name__}, got {value!r:.60}")
    _check_module(model)
    if not callable(getattr(model, "loss", None)):
        got = f"{type(model).__name__:.60} without it"
        raise TypeError(
            f"model: expected a network with loss(images, labels), got {got} (derive it from "
            "models.Network)"
        )
    shape = getattr(model, "image_shape", dataset.image_shape)
    if tuple(shape) != dataset.image_shape:
        got = f"{list(dataset.image_shape)} in {dataset.name:.40}"
        raise ValueError(f"dataset: expected images {list(shape)} as the network's, got {got}")
    count = len(dataset.class_names)
    if (most := getattr(model, "num_classes", count)) < count:
        raise ValueError(
            f"dataset: expected at most the {most} classes of the network, got {count} (make it "
            f"with num_classes={count})"
        )
    if not is_whole(seed, 0, 2**32):
        raise ValueError(f"seed: expected a whole number in [0, 2**32), got {seed!r:.60}")
    if num_epochs is not None and not is_whole(num_epochs, 1):
        raise ValueError(f"num_epochs: expected at least 1 or None, got {num_epochs!r:.60}")
    recipe.epoch_lengths(len(dataset.train_images))
    _check_weights(model)


def _check_module(model: Any) -> None:
    if not isinstance(model, nnx.Module):
        expected = "a network such as models.create('mlp')"
        raise TypeError(f"model: expected {expected}, got {model!r:.60}")


def _check_weights(model: nnx.Module) -> None:
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(nnx.state(model))):
        raise ValueError(
            "model: expected a network with weights, got an outline of one (make it with "
            "models.create or models.load)"
        )


def _as_shown(images: Any, shape: tuple[int, ...]) -> jax.Array:
    """What `perturb` returned, if it is images; found while JAX traces it."""
    if not isinstance(images, jax.Array) or images.shape != shape:
        raise ValueError(
            f"perturb: expected it to return images {list(shape)}, got {_told(images)}"
        )
    return images


def _as_logits(logits: Any, batch: int) -> jax.Array:
    """What a module returned, if it is logits; found while JAX traces it."""
    if not isinstance(logits, jax.Array) or logits.ndim != 2 or len(logits) != batch:
        raise ValueError(
            f"model: expected it to return logits [{batch}, K] for {batch} images, got "
            f"{_told(logits)}"
        )
    return logits


def _told(value: Any) -> str:
    is_array = isinstance(value, jax.Array)
    return f"{value.dtype} {list(value.shape)}" if is_array else type(value).__name__


@partial(jax.jit, static_argnames=("graphdef", "optimizer"))
def run_epoch(
    graphdef: nnx.GraphDef,
    optimizer: Adam | SGD | CaffeSGD,
    params: nnx.State,
    rest: nnx.State,
    optimizer_state: optax.OptState,
    images: jax.Array,
    labels: jax.Array,
    batches: jax.Array,
    perturb: Perturb | None = None,
    draws: tuple[jax.Array, jax.Array] | None = None,
) -> tuple[nnx.State, nnx.State, optax.OptState, jax.Array]:
    """Takes one optimiser step per batch.

    Args:
      graphdef: structure of the module, in training mode.
      optimizer: settings of the optimiser.
      params: the trained parameters.
      rest: the module's other state (batch statistics, random streams).
      optimizer_state: of optax.
      images: `[N, H, W, C]` uint8.
      labels: `[N]` integers.
      batches: `[S, batch]` indices into the images, one row per step.
      perturb: a pytree, or None; see `train`.
      draws: its key `[S]` and step number `[S]` in each step; None without it.
    Returns:
      The new `params`, `rest` and `optimizer_state`, and the losses `[S]`.
    """
    transformation = optimizer.transformation()

    def merged(params: nnx.State, rest: nnx.State) -> Network:
        return nnx.merge(graphdef, params, rest, copy=True)  # dropout changes its counter

    def loss_fn(
        params: nnx.State, rest: nnx.State, images: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, nnx.State]:
        model = merged(params, rest)
        return model.loss(images, labels), nnx.state(model, nnx.Not(nnx.Param))

    def step(carry: tuple, x: tuple) -> tuple[tuple, jax.Array]:
        (params, rest, state), (batch, draw) = carry, x
        shown, true = images[batch].astype(jnp.float32) / 255, labels[batch]
        if perturb is not None:
            key, number = draw
            shown = _as_shown(perturb(key, merged(params, rest), shown, true, number), shown.shape)
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, rest), gradients = gradient(params, rest, shown, true)
        updates, state = transformation.update(gradients, state, params)
        return (optax.apply_updates(params, updates), rest, state), loss

    carry, losses = lax.scan(step, (params, rest, optimizer_state), (batches, draws))
    return *carry, losses


def accuracy(
    model: nnx.Module, images: np.ndarray, labels: np.ndarray, batch_size: int = 500
) -> float:
    """Share of correctly classified images, in evaluation mode.

    Args:
      model: callable module; its mode does not change.
      images: `[N, H, W, C]` uint8.
      labels: `[N]` integers.
      batch_size: images per batch of the compiled program; the last batch is padded.
    Raises:
      TypeError, ValueError: naming the argument, what was expected, and what came.
    """
    _check_module(model)
    images = as_images("images", images)
    labels = as_labels("labels", labels, len(images))
    shape = tuple(getattr(model, "image_shape", images.shape[1:]))
    if images.shape[1:] != shape:
        got = list(images.shape)
        raise ValueError(f"images: expected [N, {', '.join(map(str, shape))}], got {got}")
    if not is_whole(batch_size, 1):
        raise ValueError(f"batch_size: expected at least 1, got {batch_size!r:.60}")
    _check_weights(model)
    batch_size = min(batch_size, len(images))
    padding = -len(images) % batch_size
    images = np.pad(images, [(0, padding), (0, 0), (0, 0), (0, 0)])
    labels = np.pad(labels, (0, padding), constant_values=-1)  # no prediction equals -1
    model = nnx.view(model, deterministic=True, use_running_average=True, raise_if_not_found=False)
    batches = images.reshape(-1, batch_size, *images.shape[1:]), labels.reshape(-1, batch_size)
    return int(_num_correct(model, *batches)) / (len(images) - padding)


@jax.jit
def _num_correct(model: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Counts over `[S, batch, H, W, C]` uint8 images with `[S, batch]` labels."""

    def count(batch: tuple[jax.Array, jax.Array]) -> jax.Array:
        logits = _as_logits(model(batch[0].astype(jnp.float32) / 255), len(batch[0]))
        return (logits.argmax(axis=-1) == batch[1]).sum()

    return lax.map(count, (images, labels)).sum()
