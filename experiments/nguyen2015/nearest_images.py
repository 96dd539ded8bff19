"""Paper 001, figure 15: evolved images beside the training images nearest to them.

    python -m experiments nearest_images paper

Nearest of the class that the network takes them for: in the pixels, and in a layer of the network.
The distances are set beside those of natural test images to their nearest training images: an
evolved image that resembles its class is no farther from it than they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float

import models
from experiments.lab import section
from experiments.lab.shown import check_layer, command, preset_name, shown_settings
from experiments.lab.victims import check_seed, check_specs, victim_of
from experiments.nguyen2015.methods import (
    TEXTS,
    Runs,
    check_evolution,
    check_methods,
    every_class,
    evolve,
    rows_of,
)
from experiments.nguyen2015.nearest import Nearest, nearest_of_class
from experiments.nguyen2015.nearest_figure import as_floats, draw_nearest
from jfool.features import show_features

_USUAL = 0.99  # of the test images lie no farther
PIXELS = "pixels"


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: mnist, fashion_mnist or digits.
      network: what is fooled, `NAME` (trained, or out of the cache) or `NAME=FILE`.
      training_seed: of the network, if it is trained.
      methods: out of direct, direct_grey, cppn.
      layer: of the network; by default the second to last.
      population: children per generation.
      generations: behind the start.
      runs: of each method.
      seed: of the draws.
      lanes: runs side by side.
      show_natural: draw the training images, which belong to the data set, below.
      out: folder of the section and of the sweeps.
    """

    dataset: str = "mnist"
    network: str = "lenet"
    training_seed: int = 0
    methods: tuple[str, ...] = ("direct", "cppn")
    layer: str | None = None
    population: int = 200
    generations: int = 200
    runs: int = 10
    seed: int = 0
    lanes: int = 10
    show_natural: bool = True
    out: Path = Path("runs/nearest_images")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; LeNet on digits",
        Config(dataset="digits", population=20, generations=10, runs=2, preset="smoke"),
    ),
    "paper": ("minutes: 200 generations, as the paper's on MNIST, in ten runs of its 50", Config()),
}


@dataclass(frozen=True, eq=False)
class Spaces:
    """What is near, by space: the pixels, or a layer.

    Attributes:
      evolved: by method, of the champions `[R * cells]`.
      test: of the test images.
    """

    evolved: Mapping[str, Mapping[str, Nearest]]
    test: Mapping[str, Nearest]


def main(config: Config) -> None:
    """Evolves, looks for neighbours, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    layer = model.layers[-2] if config.layer is None else config.layer
    found = {
        method: evolve(
            method,
            model,
            dataset.image_shape,
            len(dataset.class_names),
            every_class(len(dataset.class_names), config.runs),
            population=config.population,
            generations=config.generations,
            seed=config.seed,
            lanes=config.lanes,
            folder=config.out / method,
        )
        for method in config.methods
    }
    spaces = neighbours(model, dataset, found, layer)
    for method, runs in found.items():
        path, near = config.out / f"{method}.png", spaces.evolved[method]
        draw_nearest(path, dataset, runs, near, layer, show_natural=config.show_natural)
    section.publish(
        section.Section(
            name="nearest_images",
            title=f"Training images nearest to evolved ones: {card['model']} on {config.dataset}",
            source="paper 001, figure 15, on MNIST",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("nearest_images", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[table(spaces)],
            pictures=[
                section.Picture(
                    f"{method}.png",
                    f"{text}: of each class the champion nearest to its class in {layer}, and "
                    + ("" if config.show_natural else "its distances to ")
                    + "the training images of the class nearest to it.",
                )
                for method, text in zip(found, rows_of(found), strict=True)
            ],
            notes=[
                "The paper pairs images for ImageNet, chosen by eye; here all champions are "
                "compared, with MNIST's training images at hand, by Euclidean distance.",
                f"{layer} has {_flat_features(model, dataset.test_images[:1], layer).shape[1]} "
                "numbers.",
            ],
            data={
                "card": card,
                "distances": {
                    method: {space: of.distance.tolist() for space, of in by_space.items()}
                    for method, by_space in spaces.evolved.items()
                },
            },
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs([config.network], config.dataset, "network")
    check_evolution(config)
    check_methods(config.methods)
    check_seed(config.training_seed, "training_seed")
    check_layer(config.layer, config.network, config.dataset)


def neighbours(
    model: Any, dataset: models.Dataset, found: Mapping[str, Runs], layer: str
) -> Spaces:
    """Of champions and of test images, the nearest training images of their class."""
    spaces = {
        PIXELS: lambda images: as_floats(images).reshape(len(images), -1),
        layer: lambda images: _flat_features(model, images, layer),
    }
    evolved: dict[str, dict[str, Nearest]] = {method: {} for method in found}
    test = {}
    for space, points_of in spaces.items():
        training = points_of(dataset.train_images), dataset.train_labels
        test[space] = nearest_of_class(
            points_of(dataset.test_images), dataset.test_labels, *training
        )
        for method, runs in found.items():
            labels = np.tile(np.arange(runs.images.shape[1]), len(runs.images))
            images = runs.images.reshape(-1, *dataset.image_shape)
            evolved[method][space] = nearest_of_class(points_of(images), labels, *training)
    return Spaces(evolved, test)


def table(spaces: Spaces) -> section.Table:
    """How far champions are from their class, and test images from theirs."""
    rows, measured = [], []
    for method, by_space in spaces.evolved.items():
        for space, champions in by_space.items():
            test = spaces.test[space].distance
            usual = float(np.quantile(test, _USUAL))
            rows.append(f"{TEXTS[method]}, {space}")
            measured.append(
                [
                    float(np.median(champions.distance)),
                    float(champions.distance.min()),
                    float(np.median(test)),
                    usual,
                    section.floored(float((champions.distance <= usual).mean())),
                ]
            )
    return section.Table(
        title="Distance to the nearest training image of the class",
        columns=[
            "champions, median",
            "least",
            "test images, median",
            f"{100 * _USUAL:.0f} % of them",
            "champions within that (%)",
        ],
        rows=rows,
        measured=measured,
    )


def _flat_features(model: Any, images: Any, layer: str) -> Float[np.ndarray, "n D"]:
    return show_features(model, as_floats(images), layer).astype(np.float64)
