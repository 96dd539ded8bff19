"""The network that an experiment attacks: trained here, or with weights that the user brings."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from experiments.lab.naming import naming
from experiments.lab.progress import say
from models.names import one_of
from models.paths import home, shown

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Victim:
    """A network that is attacked.

    Attributes:
      name: of the architecture.
      model: in evaluation mode.
      card: what is known of it: accuracy, number of test images, recipe or file of weights;
        or `untrained`, where its weights are random.
      image_shape: (H, W, C) of what it is shown.
      num_classes: K.
    """

    name: str
    model: Any
    card: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    num_classes: int

    @property
    def accuracy(self) -> float:
        return self.card["accuracy"]

    @property
    def note(self) -> str:
        """What it classifies, if that was tested, and where its weights come from."""
        if "untrained" in self.card:
            return (
                f"{self.name} is UNTRAINED: no weights were given ({self.name}=FILE), so they "
                "were drawn at random, and nothing here says anything about what it sees."
            )
        if "accuracy" not in self.card:
            weights, digest = self.card["weights"], self.card["sha256"]
            return f"{self.name} has the weights of {weights} (SHA-256 {digest})."
        origin = f"trained here, seed {self.card.get('seed')}"
        if "weights" in self.card:
            origin = f"weights of {self.card['weights']}"
        return f"{tested(f'{self.name} ({origin})', self.card)}."


def load_victim(
    spec: str, dataset: models.Dataset, seed: int = 0, num_epochs: int | None = None
) -> Victim:
    """A network from one text: `NAME`, trained here or before, or `NAME=FILE`, with its weights.

    Args:
      spec: the text; NAME is one of `models.ARCHITECTURES`.
      dataset: what it is trained on, or with weights from a file: tested on.
      seed: of the training.
      num_epochs: train no further than that; see `models.trained`.
    Raises:
      FileNotFoundError, ValueError: no such file, or one that does not fit.
    """
    name, weights = split_spec(spec)
    if weights is None:
        model, card = models.trained(name, dataset, seed, say_epoch, num_epochs)
    else:
        model = models.load(name, weights, dataset.image_shape, len(dataset.class_names))
        card = {
            "model": name,
            "dataset": dataset.name,
            "num_test_images": len(dataset.test_images),
            "weights": weights.name,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "accuracy": models.accuracy(model, dataset.test_images, dataset.test_labels),
        }
    early = f", after epoch {card['epochs']} of its training" if "epochs" in card else ""
    say(f"{tested(name, card)} of {dataset.name}{early}")
    return Victim(name, model, card, dataset.image_shape, len(dataset.class_names))


def tested(name: str, card: Mapping[str, Any]) -> str:
    """What a network classifies, of how many test images: those at hand may not be all."""
    percent, total = 100 * card["accuracy"], card["num_test_images"]
    return f"{name} classifies {percent:.1f} % of {total} test images"


def how(card: Mapping[str, Any]) -> str:
    """How a network came to its weights, in a few words."""
    if "weights" in card:
        return f"weights of {card['weights']}"
    recipe = card["recipe"]
    optimizer = recipe["optimizer"]
    stopped = f", ended after epoch {card['epochs']}" if "epochs" in card else ""
    return (
        f"{optimizer['name']} {optimizer['learning_rate']:g}, {recipe['num_steps']} steps "
        f"of {recipe['batch_size']}{stopped}"
    )


def say_epoch(epoch: int, loss: float, accuracy: float) -> None:
    """One line per epoch of a training."""
    say(f"epoch {epoch}: loss {loss:.4f}, test accuracy {accuracy:.2%}")


_ADVICE = "give weights, NAME=FILE, or another data set"


def check_network(spec: str, dataset: str, setting: str = "network", advice: str = _ADVICE) -> None:
    """Refuses a network that cannot be had, before anything is read or trained.

    Args:
      spec: `NAME`, which needs a recipe for the data set, or `NAME=FILE`.
      dataset: one of `models.DATASETS`.
      setting: what the user calls the network.
      advice: what to do where there is no recipe.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    name, weights = split_spec(spec, setting)
    if name not in models.ARCHITECTURES:
        raise ValueError(
            f"{setting}: expected {one_of(models.ARCHITECTURES, name)}, got {name!r:.60}"
        )
    if weights is None:
        models.recipe_for(name, dataset, setting, advice)
    elif not os.path.isfile(weights):
        raise FileNotFoundError(
            f"{setting}: expected a file, got none at {shown(weights)} (check the path)"
        )


def check_weights(
    spec: str, image_shape: Shape | None, num_classes: int | None, setting: str = "network"
) -> None:
    """Reads the weights of `NAME=FILE`, and refuses those that do not fit.

    Args:
      image_shape: (H, W, C) of what the network is to be shown; None: as it was made for.
      num_classes: K; None: as it was made for.
      setting: what the user calls the network.

    Raises:
      ValueError, FileNotFoundError, ImportError: naming the setting.
    """
    name, weights = split_spec(spec, setting)
    if weights is not None:
        with naming(dict.fromkeys(("name", "model", "path", "image_shape"), setting), setting):
            models.load(name, weights, image_shape, num_classes)


def split_spec(spec: str, setting: str = "network") -> tuple[str, Path | None]:
    """`NAME` or `NAME=FILE`.

    Raises:
      ValueError: there is nothing before or after the equals sign.
    """
    name, equals, file = spec.partition("=")
    if not name or (equals and not file):
        raise ValueError(
            f"{setting}: expected NAME or NAME=FILE, got {spec!r:.60} (as in lenet=w.safetensors)"
        )
    return name, home(file) if file else None


def name_of(spec: str) -> str:
    """Of `NAME` or `NAME=FILE`."""
    return split_spec(spec)[0]
