"""The settings of gradient ascent, and which of them cannot work."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from experiments.lab.imagenet import check_network
from experiments.lab.shown import check_least
from experiments.lab.victims import check_seed
from experiments.nguyen2015.ascents import FIGURE_13, SETTINGS, Setting

# The classes that the paper's code climbs to.
CLASSES = (
    *(200, 207, 215, 279, 366, 367, 390, 414, 445, 500),
    *(509, 580, 643, 657, 704, 713, 782, 805, 826, 906),
)


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      classes: the classes sought.
      settings: out of fig13, no_noise, s3, s4, s5, s3_long, s4_long, s5_long; the last three, and
        no_noise, are not the paper's.
      galleries: those of the settings of which the images of all classes are drawn; by default
        all.
      starts: draws of noise for each class.
      stop: confidence at which an ascent without a regulariser ends.
      most_steps: of an ascent without a regulariser.
      share: of the paper's steps with regularisers.
      side: of the images in pixels; by default the network's own.
      seed: of the noise, and of random weights.
      lanes: ascents side by side.
      out: folder of the section and of the sweeps.
    """

    network: str = "caffenet"
    class_names: Path | None = None
    classes: tuple[int, ...] = CLASSES
    settings: tuple[str, ...] = tuple(SETTINGS)
    galleries: tuple[str, ...] | None = None
    starts: int = 5
    stop: float = 0.9999
    most_steps: int = 5000
    share: float = 1.0
    side: int | None = None
    seed: int = 0
    lanes: int = 4
    out: Path = Path("runs/ascent")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "a minute; an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            starts=1,
            most_steps=10,
            share=0.01,
            side=32,
            lanes=20,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 20 minutes on two cores for SqueezeNet: one start, a tenth of the regularised steps",
        Config(
            network="squeezenet1_1",
            galleries=(FIGURE_13,),
            starts=1,
            share=0.1,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: CaffeNet, five starts", Config()),
}


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    check_seed(config.seed)
    check_least(config, {"starts": 1, "most_steps": 1, "lanes": 1})
    unknown = set(config.settings) - set(SETTINGS)
    if unknown or len(set(config.settings)) < len(config.settings):
        got = " ".join(config.settings)
        raise ValueError(f"settings: expected some of {', '.join(SETTINGS)}, each once, got {got}")
    if FIGURE_13 not in config.settings:
        got = " ".join(config.settings) or "none"
        raise ValueError(f"settings: expected {FIGURE_13}, beside which others stand, got {got}")
    if set(config.galleries or ()) - set(config.settings):
        expected = ", ".join(config.settings)
        raise ValueError(f"galleries: expected some of {expected}, got {config.galleries}")
    classes = config.classes
    if not classes or len(set(classes)) < len(classes) or not set(classes) <= set(range(1000)):
        raise ValueError(f"classes: expected some from 0 to 999, each once, got {classes}")
    if not 0 < config.stop < 1:
        raise ValueError(f"stop: expected a confidence between 0 and 1, got {config.stop}")
    if not 0 < config.share <= 1:
        raise ValueError(f"share: expected a number above 0 and at most 1, got {config.share}")


def num_steps(config: Config, setting: Setting) -> int:
    """The most that an ascent takes."""
    return max(1, round(config.share * setting.steps)) if setting.steps else config.most_steps
