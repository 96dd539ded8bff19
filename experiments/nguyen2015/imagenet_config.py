"""The settings of evolution for the classes of ImageNet, and which of them cannot work."""

from dataclasses import dataclass
from pathlib import Path

import tyro

import models
from experiments.lab.imagenet import NUM_CLASSES, check_network
from experiments.lab.shown import check_least
from experiments.lab.victims import check_seed, split_spec
from experiments.nguyen2015.methods import TEXTS

METHODS: tuple[str, ...] = ("direct", "cppn")
_PAPER_RUNS = 5


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      every: every which class has a cell, from class 0 on.
      whole: side of the images in pixels, of which the network sees ten crops; None: it sees images
        of its own size, once.
      side: of what the network sees, in pixels; by default its own.
      populations: children per generation, direct and CPPN.
      generations: behind the start, direct and CPPN.
      marks: generations at which the table looks.
      runs: of each encoding; they differ in their draws.
      relatives: classes of figure 9, lizards and toy dogs.
      shown: images in a row of the galleries.
      ablated: champions whose parts are taken away.
      tiles: that an image is cut into for that, along each side.
      hold: share of its confidence that an image keeps meanwhile.
      seed: of the draws, and of random weights.
      lanes: runs side by side.
      chunk: images per call of the network, ten crops counting as one.
      out: folder of the section and of the sweeps.
    """

    network: str = "caffenet"
    class_names: Path | None = None
    every: int = 1
    whole: int | None = 256
    side: int | None = None
    populations: tuple[int, int] = (200, 400)
    generations: tuple[int, int] = (20_000, 5_000)
    marks: tuple[int, ...] = (1_000, 5_000, 20_000)
    runs: int = _PAPER_RUNS
    relatives: tuple[int, ...] = (40, 46, 47, 153, 154, 155)
    shown: int = 8
    ablated: int = 8
    tiles: int = 8
    hold: float = 0.9
    seed: int = 0
    lanes: int = 1
    chunk: int = 100
    out: Path = Path("runs/evolved_imagenet")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; ten classes of an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            every=100,
            whole=None,
            side=32,
            populations=(8, 8),
            generations=(6, 6),
            marks=(3, 6),
            runs=2,
            relatives=(0, 100, 200),
            shown=4,
            ablated=2,
            tiles=3,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 25 minutes on two cores: two runs of 16 100 images of each encoding, one crop",
        Config(
            network="squeezenet1_1",
            whole=None,
            populations=(100, 100),
            generations=(160, 160),
            marks=(40, 80, 160),
            runs=2,
            ablated=6,
            tiles=6,
            chunk=50,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: five runs, ten crops, 20 000 x 200 and 5 000 x 400", Config()),
}


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    check_seed(config.seed)
    least = {"every": 1, "runs": 1, "shown": 1, "ablated": 1, "tiles": 1, "lanes": 1, "chunk": 1}
    check_least(config, least)
    sees = config.side or models.ARCHITECTURES[split_spec(config.network)[0]].image_shape[0]
    if config.whole is not None and config.whole < sees:
        raise ValueError(
            f"whole: expected at least the {sees} pixels that the network sees, got {config.whole}"
        )
    if any(population < 2 or population % 2 for population in config.populations):
        raise ValueError(f"populations: expected even numbers, got {config.populations}")
    if any(generations < 1 for generations in config.generations):
        raise ValueError(f"generations: expected numbers of at least 1, got {config.generations}")
    longest = max(config.generations)
    if not config.marks or not all(0 <= mark <= longest for mark in config.marks):
        raise ValueError(f"marks: expected generations up to {longest}, got {config.marks}")
    cells = range(0, NUM_CLASSES, config.every)
    if not config.relatives or not all(label in cells for label in config.relatives):
        raise ValueError(
            f"relatives: expected classes that have a cell (every {config.every}), "
            f"got {config.relatives}"
        )
    if config.ablated > len(cells):
        raise ValueError(f"ablated: expected at most {len(cells)} classes, got {config.ablated}")
    if not 0 <= config.hold <= 1:
        raise ValueError(f"hold: expected a share in [0, 1], got {config.hold}")


def images_shown(config: Config) -> dict[str, int]:
    """To a run, by encoding."""
    return {
        TEXTS[method]: population * (generations + 1)
        for method, population, generations in zip(
            METHODS, config.populations, config.generations, strict=True
        )
    }
