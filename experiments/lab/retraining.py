"""Networks trained on natural images and on fooling images, which are a class of their own.

The class of the fooling images comes after the `K` natural ones: its label is K.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

import models
from experiments.lab.progress import say
from experiments.lab.records import Records
from experiments.lab.victims import say_epoch


def as_bytes(images: Float[np.ndarray, "N H W C"]) -> UInt8[np.ndarray, "N H W C"]:
    """Images as they would be stored: 256 levels, rounded."""
    return np.rint(np.asarray(images, np.float64) * 255).astype(np.uint8)


def split(found: Records, *, held_out: bool) -> UInt8[np.ndarray, "N H W C"]:
    """The images of records that are held out, or those that are trained on."""
    return as_bytes(found.rows(found["held_out"] == held_out)["image"])


def filled(images: UInt8[np.ndarray, "N H W C"], count: int) -> UInt8[np.ndarray, "M H W C"]:
    """`count` images: each as often as any other, the first ones once more where it does not come
    out even, or the first ones alone where there are more."""
    return images[np.arange(count) % len(images)]


def with_outliers(
    dataset: models.Dataset, sets: Sequence[UInt8[np.ndarray, "N H W C"]], name: str
) -> models.Dataset:
    """The data with one more class, of fooling images.

    Args:
      dataset: natural images; its test split stays as it is.
      sets: of fooling images, all to be trained on; without any, the data stay as they are.
      name: of the new class.
    """
    if not sets:
        return dataset
    outliers = np.concatenate(sets)
    labels = np.full(len(outliers), len(dataset.class_names), np.int32)
    return dataclasses.replace(
        dataset,
        train_images=np.concatenate([dataset.train_images, outliers]),
        train_labels=np.concatenate([dataset.train_labels, labels]),
        class_names=(*dataset.class_names, name),
    )


def recipe_of(network: str, dataset: str, num_steps: int | None) -> models.Recipe:
    """The usual recipe, or with as many steps; see `models.recipe_for`."""
    recipe = models.recipe_for(network, dataset)
    return recipe if num_steps is None else dataclasses.replace(recipe, num_steps=num_steps)


def retrained(
    name: str, dataset: models.Dataset, recipe: models.Recipe, seed: int, path: Path
) -> models.Network:
    """A network trained from scratch on these data; from `path` where one was trained alike."""
    return models.trained(name, dataset, seed, say_epoch, recipe=recipe, path=path)[0]


def train_with(
    path: Path,
    network: str,
    dataset: models.Dataset,
    outliers: Sequence[UInt8[np.ndarray, "N H W C"]],
    *,
    name: str,
    num_steps: int | None,
    seed: int,
) -> models.Network:
    """A network trained on the data and on fooling images, which are a class of their own.

    Args:
      path: where the weights are kept, ending in `.safetensors`.
      network: one of `models.ARCHITECTURES`.
      dataset: natural images.
      outliers: sets of fooling images, all to be trained on; none: the data as they are.
      name: of their class.
      num_steps: of the training; by default the recipe's.
      seed: of the initial weights, dropout and the order of the images.
    """
    say(path.stem)
    data = with_outliers(dataset, outliers, name)
    return retrained(network, data, recipe_of(network, dataset.name, num_steps), seed, path)


@dataclass(frozen=True)
class Measured:
    """Shares in [0, 1]; None where there are no fooling images.

    Attributes:
      natural: of the natural test images that are classified as labelled.
      defense: of the fooling images that are recognised as such.
      combined: of both together.
      flagged: of the natural test images that are taken for fooling images.
    """

    natural: float
    defense: float | None = None
    combined: float | None = None
    flagged: float | None = None


def measure(
    model: models.Network,
    dataset: models.Dataset,
    sets: Sequence[UInt8[np.ndarray, "N H W C"]] = (),
) -> Measured:
    """How a network classifies natural test images, and fooling images that are new to it."""
    images, outlier = dataset.test_images, len(dataset.class_names)
    natural = models.accuracy(model, images, dataset.test_labels)
    if not sets:
        return Measured(natural)
    fooling = np.concatenate(sets)
    defense, flagged = (
        models.accuracy(model, shown, np.full(len(shown), outlier, np.int32))
        for shown in (fooling, images)
    )
    correct = natural * len(images) + defense * len(fooling)
    return Measured(natural, defense, correct / (len(images) + len(fooling)), flagged)
