"""Trained networks: trained once, then read from a file."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from flax import nnx

from models import weights
from models.cache import cache_folder, check_writable
from models.cards import card_path, read_card
from models.datasets import Dataset
from models.names import is_word
from models.network import Network
from models.paths import given_path
from models.recipes import Recipe, recipe_for
from models.training import OnEpoch, train
from models.training_checkpoint import TrainingCheckpoint
from models.zoo import Constructor, check_seed, create, is_count


def trained(
    name: str,
    dataset: Dataset,
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
    num_epochs: int | None = None,
    *,
    recipe: Recipe | None = None,
    path: str | Path | None = None,
    make: Constructor | None = None,
) -> tuple[Network, dict[str, Any]]:
    """A trained network: from its file if it was trained in the same way before, else trained now.

    An interrupted training resumes after its last finished epoch.

    Args:
      name: one of `ARCHITECTURES`; with `make`, a name that identifies the network.
      dataset: what to train on.
      seed: of the initial weights, of dropout and of the order of the images.
      on_epoch: see `train`; not called for epochs of earlier calls.
      num_epochs: train at most this many epochs of the recipe; a later call resumes, and epochs
        that are finished already stay.
      recipe: by default that of `recipe_for`.
      path: of the weights, ending in `.safetensors`; by default in the cache folder.
      make: constructor of a network that is not in `ARCHITECTURES`.
    Returns:
      The network in evaluation mode, and its card: `model`, `dataset`, `dataset_sha256`,
      `num_train_images`, `num_test_images`, `recipe`, `source`, `seed`, `accuracy` (on the test
      images), `versions`, and, if the recipe has more epochs, the number of finished `epochs`.
    Raises:
      ValueError: unknown name, `num_epochs` below 1, damaged files, or a folder that is not
        writable.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            "dataset: expected a models.Dataset, such as models.load_dataset('digits'), "
            f"got {dataset!r:.60}"
        )
    if num_epochs is not None and not is_count(num_epochs):
        raise ValueError(f"num_epochs: expected at least 1 or None, got {num_epochs!r:.60}")
    if recipe is not None and not isinstance(recipe, Recipe):
        raise TypeError(f"recipe: expected a models.Recipe or None, got {recipe!r:.60}")
    for function, called in ((on_epoch, "on_epoch"), (make, "make")):
        if function is not None and not callable(function):
            raise TypeError(f"{called}: expected a function or None, got {function!r:.60}")
    check_seed(seed)
    recipe = recipe_for(name, dataset.name) if recipe is None else recipe
    folder_setting = "JFOOL_CACHE" if path is None else "path"
    path = weights_path(name, dataset.name, seed) if path is None else given_path(path)
    weights.check_savable(path)
    origin = {
        "model": name,
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256(),
        "num_train_images": len(dataset.train_images),
        "num_test_images": len(dataset.test_images),
        "recipe": recipe.settings(),
        "seed": seed,
    }

    def start() -> Network:
        shape, num_classes = dataset.image_shape, len(dataset.class_names)
        if make is None:
            return create(name, shape, num_classes, seed)
        return make(shape, num_classes, rngs=nnx.Rngs(seed))

    try:
        card = _card_if_finished(path, origin)
        if card is not None:
            return _restored(start(), path), card
    except ValueError as error:
        raise ValueError(f"{error!s:.270}; delete it to train again") from error

    check_writable(path.parent, folder_setting)
    checkpoint = TrainingCheckpoint(path.with_suffix(".checkpoint.safetensors"), origin)
    total = len(recipe.epoch_lengths(len(dataset.train_images)))
    done = max(checkpoint.num_epochs(), total if num_epochs is None else min(num_epochs, total))
    model = start()
    accuracy = train(model, dataset, recipe, seed, on_epoch, checkpoint, num_epochs)
    versions = {package: version(package) for package in ("jax", "flax", "optax", "numpy")}
    card = {**origin, "source": recipe.source, "accuracy": accuracy, "versions": versions}
    if done < total:
        return model, {**card, "epochs": done}
    weights.save(model, path, card)
    checkpoint.delete()
    # Training advanced the random streams of dropout; a network from the file has new ones.
    return _restored(start(), path), card


def weights_path(name: str, dataset_name: str, seed: int) -> Path:
    """Where `trained` keeps the weights of a network by default."""
    for part, called in ((name, "name"), (dataset_name, "dataset_name")):
        if not is_word(part):
            raise ValueError(f"{called}: expected a name that a file can have, got {part!r:.60}")
    check_seed(seed)
    return cache_folder() / "weights" / dataset_name / f"{name}-seed{seed}.safetensors"


def _card_if_finished(path: Path, origin: dict[str, Any]) -> dict[str, Any] | None:
    """The card of weights of this origin after the whole recipe, or None."""
    if not (path.exists() and card_path(path).exists()):
        return None
    card = read_card(path)
    return card if origin.items() <= card.items() and "epochs" not in card else None


def _restored(model: Network, path: Path) -> Network:
    weights.restore(model, path)
    model.eval()
    return model
