"""The network that an experiment attacks: trained here, or with weights that the user brings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from experiments.lab.progress import say


def victim(
    name: str,
    dataset: models.Dataset,
    seed: int = 0,
    weights: Path | None = None,
    num_epochs: int | None = None,
) -> tuple[models.Network, dict[str, Any]]:
    """A network in evaluation mode, and what is known of it.

    Args:
      name: one of `models.ARCHITECTURES`.
      dataset: what it is trained on, or for weights of one's own: tested on.
      seed: of the training.
      weights: a file to load instead of training; see `models.load`.
      num_epochs: train no further than that; see `models.trained`.
    Raises:
      FileNotFoundError, ValueError: no such file, or one that does not fit.
    """
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
    say(
        f"{name} classifies {card['accuracy']:.2%} of the {len(dataset.test_images)} test images "
        f"of {dataset.name}{early}"
    )
    return model, card


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


def check_seed(seed: int, setting: str = "seed") -> None:
    """Refuses what is no seed.

    Raises:
      ValueError: naming the setting.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"{setting}: expected a whole number in [0, 2**32), got {seed}")


def check_num_epochs(num_epochs: int | None) -> None:
    """Refuses less than one.

    Raises:
      ValueError: naming the setting.
    """
    if num_epochs is not None and num_epochs < 1:
        raise ValueError(f"num_epochs: expected at least 1, got {num_epochs}")


def check_victim(name: str, dataset: str, weights: Path | None, setting: str = "model") -> None:
    """Refuses what cannot work, before anything is read or trained.

    Args:
      name, dataset, weights: as for `victim`.
      setting: what the user calls the network.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    for named, value, known in (
        ("dataset", dataset, models.DATASETS),
        (setting, name, models.ARCHITECTURES),
    ):
        if value not in known:
            raise ValueError(f"{named}: expected one of {', '.join(known)}, got {value!r}")
    if weights is None:
        models.recipe_for(name, dataset, setting)
    elif not weights.is_file():
        file = "weights: expected a file" if setting == "model" else f"{setting}: expected a file"
        raise FileNotFoundError(f"{file}, got none at {weights}")


def victim_of(
    spec: str, dataset: models.Dataset, seed: int = 0, num_epochs: int | None = None
) -> tuple[models.Network, dict[str, Any]]:
    """A network from one text, as experiments with several networks take them.

    Args:
      spec: `NAME` to train it, or to take it from the cache; `NAME=FILE` to load its weights.
      dataset, seed, num_epochs: as for `victim`.
    """
    name, weights = split_spec(spec)
    return victim(name, dataset, seed, weights, num_epochs)


def check_specs(specs: Sequence[str], dataset: str, setting: str = "networks") -> None:
    """Refuses networks that cannot be had, before anything is read or trained.

    Args:
      specs: `NAME` or `NAME=FILE`.
      dataset: as for `victim`.
      setting: what the user calls them.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    if not specs:
        raise ValueError(f"{setting}: expected at least one, got none")
    names = [split_spec(spec)[0] for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"{setting}: expected different ones, got {' '.join(names)}")
    for spec in specs:
        name, weights = split_spec(spec)
        check_victim(name, dataset, weights, setting)


def split_spec(spec: str) -> tuple[str, Path | None]:
    """`NAME` or `NAME=FILE`.

    Raises:
      ValueError: there is nothing behind the equals sign.
    """
    name, equals, file = spec.partition("=")
    if equals and not file:
        raise ValueError(f"network: expected NAME or NAME=FILE, got {spec!r}")
    return name, Path(file) if file else None


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
    def title(self) -> str:
        """As titles call it."""
        return f"{self.name}, UNTRAINED" if "untrained" in self.card else self.name

    @property
    def note(self) -> str:
        """What it classifies, of how many test images (those at hand may not be all), and where
        its weights come from."""
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


def load_victim(spec: str, dataset: models.Dataset, seed: int = 0) -> Victim:
    """A network from one text: `NAME`, trained here or before, or `NAME=FILE`, with its weights."""
    name, weights = split_spec(spec)
    model, card = victim(name, dataset, seed, weights)
    return Victim(name, model, card, dataset.image_shape, len(dataset.class_names))


def name_of(spec: str) -> str:
    """Of `NAME` or `NAME=FILE`."""
    return split_spec(spec)[0]


def check_network(spec: str, dataset: str, setting: str) -> None:
    """Refuses a network that cannot be had, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    name, weights = split_spec(spec)
    check_victim(name, dataset, weights, setting)
