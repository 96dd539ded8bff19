"""Settings of the experiment `greedy`."""

from dataclasses import dataclass
from pathlib import Path

import tyro

import models
from experiments.greedy.greedy_methods import greedy
from experiments.lab.colors import parse_colors
from experiments.lab.imagenet import (
    NUM_CLASSES,
    check_k,
    check_network,
    imagenet_names,
)
from experiments.lab.search import OBJECTIVES
from experiments.lab.shown import check_least, check_pixels
from experiments.lab.victims import check_seed, check_specs


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE, or NAME to train it or take it from the cache.
      dataset: cifar10, or another one that the network fits.
      training_seed: of the network.
      colors: base colours.
      k: the most pixels that are altered.
      objectives, mutants: of the variants of differential evolution; the paper's is confidence
        and rand.
      population: its candidates.
      budget: the most images that a search shows to the network.
      threshold: the confidence that counts as success.
      until: a search ends at this confidence; "None" spends all of the budget.
      pilot: cells on which the variants of differential evolution meet.
      pilot_budget: images of each search there.
      imagenet: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      imagenet_classes: drawn at random; the centipede comes on top.
      imagenet_k, imagenet_population, imagenet_budget: as above.
      side: of ImageNet's images in pixels; by default the network's own.
      seed: of the choice of cells and classes, of the searches, and of random weights.
      lanes: searches side by side.
      chunk, imagenet_chunk: images per call of the network.
      out: folder of the section, and of the sweeps, which go on when started again.
    """

    network: str = "cifar_resnet20"
    dataset: str = "cifar10"
    training_seed: int = 0
    colors: tuple[str, ...] = ("black", "grey", "white", "red", "green", "blue")
    k: int = 5
    objectives: tuple[str, ...] = tuple(OBJECTIVES)
    mutants: tuple[str, ...] = ("rand", "best")
    population: int = 500
    budget: int = 50_000
    threshold: float = 0.9
    until: float | None = None
    pilot: int = 12
    pilot_budget: int = 50_000
    imagenet: str = "mobilenet_v2_tf"
    class_names: Path | None = None
    imagenet_classes: int = 20
    imagenet_k: int = 10
    imagenet_population: int = 100
    imagenet_budget: int = 10_000
    side: int | None = None
    seed: int = 0
    lanes: int = 10
    chunk: int = 500
    imagenet_chunk: int = 50
    out: Path = Path("runs/greedy")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP on scikit-learn's digits, an untrained SqueezeNet on small images",
        Config(
            network="mlp",
            dataset="digits",
            colors=("black", "white"),
            objectives=("confidence",),
            population=20,
            budget=400,
            pilot=3,
            pilot_budget=200,
            imagenet="squeezenet1_1",
            imagenet_classes=1,
            imagenet_population=24,
            imagenet_budget=96,
            side=32,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about two hours on two cores: a shorter pilot; 6 000 images for each class of SqueezeNet, "
        "on which a trial of GreedyPixels alone had come further than on MobileNetV2",
        Config(
            until=0.995,
            pilot_budget=15_000,
            imagenet="squeezenet1_1",
            imagenet_population=50,
            imagenet_budget=6_000,
            imagenet_chunk=2,  # on a CPU, where larger batches leave the caches
            preset="reduced",
        ),
    ),
    "paper": ("50 000 images for each search, 10 000 on ImageNet", Config()),
}


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs([config.network], config.dataset, "network")
    check_network(config.imagenet, config.side, "imagenet")
    check_seed(config.seed)
    check_seed(config.training_seed, "training_seed")
    proposals = greedy().per_step
    ones = ("k", "pilot", "lanes", "chunk", "imagenet_k", "imagenet_chunk")
    least = {
        **dict.fromkeys(ones, 1),
        **dict.fromkeys(("population", "imagenet_population"), 4),
        **dict.fromkeys(("budget", "pilot_budget"), max(config.population, proposals)),
        "imagenet_budget": max(config.imagenet_population, proposals),
        "imagenet_classes": 0,
    }
    check_least(config, least)
    for name, known in (("objectives", tuple(OBJECTIVES)), ("mutants", ("rand", "best"))):
        if not (given := getattr(config, name)) or set(given) - set(known):
            raise ValueError(f"{name}: expected some of {', '.join(known)}, got {given}")
    if config.imagenet_classes >= NUM_CLASSES:
        raise ValueError(
            f"imagenet_classes: expected at most {NUM_CLASSES - 1} beside the centipede, "
            f"got {config.imagenet_classes}"
        )
    for name in ("threshold", "until"):
        value = getattr(config, name)
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name}: expected a confidence in (0, 1], got {value}")
    if config.until is not None and config.until < config.threshold:
        raise ValueError(
            f"until: expected at least threshold = {config.threshold}, got {config.until}"
        )
    check_pixels("k", config.k, config.dataset)
    check_k(config.imagenet_k, config.imagenet, config.side, "imagenet_k")
    parse_colors(config.colors, models.image_shape(config.dataset)[2], config.dataset)
    imagenet_names(config.class_names)
