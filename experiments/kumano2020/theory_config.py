"""Settings of the theory's experiment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.kumano2020.theory_models import MODELS
from experiments.lab.shown import check_least
from experiments.lab.victims import check_seed


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      preset: which settings these are.
      dataset: mnist, fashion_mnist or digits.
      pairs: of classes, "3-8", for the models of two classes; the growth is that of the second
        class of the first pair.
      searched: the models of all classes that are searched by evolution too.
      classes: into which these are to be fooled; all by default.
      confidence: M.
      hidden: units of the hidden layer.
      widths: units of further networks, for the growth.
      num_steps: of Adam at 1e-3, for the linear model and the hidden layer.
      kernel_steps: of plain gradient descent, for the kernel machine.
      kernel_rate: its learning rate.
      batch_size: of the trainings.
      ks, kernel_ks: numbers of pixels that evolution tries; the kernel machine needs more.
      growth_ks: those of the growth.
      population: candidates of a generation.
      generations: the most of a search.
      lanes: searches side by side.
      exact_seconds: after which an integer program gives up.
      seed: of trainings and searches.
      out: folder of the section, and of the searches.
    """

    preset: Annotated[str, tyro.conf.Suppress] = "paper"
    dataset: str = "mnist"
    pairs: tuple[str, ...] = ("3-8", "0-1", "4-9", "1-7", "5-6")
    searched: tuple[str, ...] = ("linear", "hidden", "kernel")
    classes: tuple[int, ...] | None = None
    confidence: float = 0.9
    hidden: int = 64
    widths: tuple[int, ...] = (16, 256)
    num_steps: int = 5000
    kernel_steps: int = 1000
    kernel_rate: float = 1e-3
    batch_size: int = 128
    ks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
    kernel_ks: tuple[int, ...] = (16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96)
    growth_ks: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    population: int = 500
    generations: int = 1000
    lanes: int = 10
    exact_seconds: float = 60.0
    seed: int = 0
    out: Path = Path("runs/theory")


_REDUCED = Config(
    preset="reduced",
    pairs=("3-8", "0-1", "4-9"),
    searched=("linear", "hidden"),
    kernel_steps=300,
    ks=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12),
    kernel_ks=(16, 24, 32, 48),
    population=200,
    generations=2000,
)
_SMOKE = Config(
    preset="smoke",
    dataset="digits",
    pairs=("3-8",),
    searched=("linear",),
    classes=(0, 1),
    hidden=8,
    widths=(4,),
    num_steps=1000,
    kernel_steps=50,
    batch_size=32,
    ks=(1, 2),
    kernel_ks=(2,),
    growth_ks=(1, 2),
    exact_seconds=2.0,
    population=8,
    generations=3,
)
PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": ("digits, seconds", _SMOKE),
    "reduced": ("MNIST, three pairs, small populations: ten minutes", _REDUCED),
    "paper": ("MNIST, populations and generations of the paper: hours", Config()),
}


def check(config: Config) -> list[tuple[int, int]]:
    """Refuses settings that cannot work, before anything is read or trained.

    Returns:
      The pairs, as numbers.
    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    grey = ("digits", "mnist", "fashion_mnist")
    if config.dataset not in grey:
        raise ValueError(f"dataset: expected one of {', '.join(grey)}, got {config.dataset!r}")
    if unknown := [name for name in config.searched if name not in MODELS]:
        raise ValueError(f"searched: expected {', '.join(MODELS)}, got {unknown[0]!r}")
    if config.classes is not None and not (
        config.classes and set(config.classes) <= set(range(10))
    ):
        raise ValueError(f"classes: expected numbers from 0 to 9, got {config.classes}")
    if not 0 < config.confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), got {config.confidence}")
    for setting in ("ks", "kernel_ks", "growth_ks"):
        ks = getattr(config, setting)
        if not ks or len(set(ks)) < len(ks) or not 1 <= min(ks) <= max(ks) <= 784:
            raise ValueError(f"{setting}: expected different numbers from 1 to 784, got {ks}")
    ones = ("hidden", "num_steps", "kernel_steps", "batch_size", "generations", "lanes")
    check_least(config, {**dict.fromkeys(ones, 1), "population": 4})
    if min(config.widths, default=1) < 1:
        raise ValueError(f"widths: expected numbers of at least 1, got {config.widths}")
    for setting in ("kernel_rate", "exact_seconds"):
        if not 0 < (value := getattr(config, setting)) < float("inf"):
            raise ValueError(f"{setting}: expected a number above 0, got {value}")
    check_seed(config.seed)
    if not config.pairs or len(set(config.pairs)) < len(config.pairs):
        raise ValueError(f"pairs: expected one or more different ones, got {config.pairs}")
    return [_pair(text) for text in config.pairs]


def _pair(text: str) -> tuple[int, int]:
    first, _, second = text.partition("-")
    digits = "0123456789"
    if len(first) != 1 or len(second) != 1 or first == second or not {first, second} <= {*digits}:
        raise ValueError(f"pairs: expected two different classes such as 3-8, got {text!r}")
    return int(first), int(second)
