"""The victim networks by name, trained on demand and remembered."""

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from flax import nnx

from models import weights
from models.cache import cache_folder
from models.cnn import CNN
from models.datasets import Dataset
from models.lenet import LeNet
from models.mlp import MLP
from models.network import Network
from models.recipes import RECIPES, Recipe
from models.training import OnEpoch, train


class _Constructor(Protocol):
    def __call__(
        self, image_shape: tuple[int, int, int], num_classes: int, *, rngs: nnx.Rngs
    ) -> Network: ...


ARCHITECTURES: dict[str, _Constructor] = {
    "lenet": LeNet,
    "mlp": MLP,
    "cnn": CNN,
    "cnn_nopool": partial(CNN, pool=False),
}


def create(
    name: str,
    image_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Makes an untrained network, in training mode.

    Args:
      name: one of `ARCHITECTURES`.
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      seed: of the start weights and of dropout.
    Raises:
      ValueError: unknown name, or images too small for the architecture.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"model: expected one of {', '.join(ARCHITECTURES)}, got {name!r}")
    return ARCHITECTURES[name](image_shape, num_classes, rngs=nnx.Rngs(seed))


def recipe_for(name: str, dataset_name: str) -> Recipe:
    """The recipe by which `trained` trains.

    Raises:
      ValueError: there is none for this architecture or this data set.
    """
    if dataset_name not in RECIPES:
        known = ", ".join(RECIPES)
        raise ValueError(f"dataset: expected a recipe for one of {known}, got {dataset_name!r}")
    if name not in RECIPES[dataset_name]:
        known = ", ".join(RECIPES[dataset_name])
        raise ValueError(f"model: expected one of {known}, got {name!r}")
    return RECIPES[dataset_name][name]


def trained(
    name: str, dataset: Dataset, seed: int = 0, on_epoch: OnEpoch | None = None
) -> tuple[Network, dict[str, Any]]:
    """A trained network: from the cache where one was trained alike, otherwise trained now.

    Args:
      name: one of `ARCHITECTURES`.
      dataset: what to train on.
      seed: of the start weights, of dropout and of the order of the images.
      on_epoch: see `train`; never called for a network out of the cache.
    Returns:
      The network in evaluation mode, and its card: `model`, `dataset`, `num_train_images`,
      `num_test_images`, `recipe`, `source`, `seed`, `accuracy` (on the test images), `versions`.
    Raises:
      ValueError: unknown name, or damaged files in the cache.
    """
    recipe = recipe_for(name, dataset.name)
    model = create(name, dataset.image_shape, len(dataset.class_names), seed)
    path = weights_path(name, dataset.name, seed)
    origin = {
        "model": name,
        "dataset": dataset.name,
        "num_train_images": len(dataset.train_images),
        "num_test_images": len(dataset.test_images),
        "recipe": recipe.settings(),
        "seed": seed,
    }
    if weights.card_path(path).exists():
        card = weights.read_card(path)
        if origin.items() <= card.items():
            weights.load(model, path)
            model.eval()
            return model, card

    accuracy = train(model, dataset, recipe, seed, on_epoch)
    versions = {package: version(package) for package in ("jax", "flax", "optax", "numpy")}
    card = {**origin, "source": recipe.source, "accuracy": accuracy, "versions": versions}
    weights.save(model, path, card)
    return model, card


def weights_path(name: str, dataset_name: str, seed: int) -> Path:
    """Where `trained` keeps the weights of a network."""
    return cache_folder() / "weights" / dataset_name / f"{name}-seed{seed}.safetensors"
