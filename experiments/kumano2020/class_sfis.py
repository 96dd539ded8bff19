"""SFIs for every class of a data set on one base colour, as figures 7 and 10 of paper 000 show."""

from dataclasses import dataclass, replace

import tyro

from experiments.lab.grid_search import check_grid, smaller_note
from experiments.lab.victims import check_seed, check_specs


@dataclass(frozen=True)
class ClassSearch:
    """
    Attributes:
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      network: NAME=FILE, or NAME to train it or take it from the cache.
      training_seed: of the network.
      color: of the images.
      k: the most pixels that are altered.
      population: candidates of a generation.
      generations: of each search, at most.
      until: a search ends at this confidence; "None" runs all generations, as the paper does.
      repeats: SFIs for each class.
      seed: of the searches.
      lanes: searches side by side.
    """

    dataset: str = "cifar10"
    network: str = "cifar_vgg16"
    training_seed: int = 0
    color: str = "black"
    k: int = 5
    population: int = 500
    generations: int = 3000
    until: float | None = None
    repeats: int = 50
    seed: int = 0
    lanes: int = 10
    preset: tyro.conf.Suppress[str] = "paper"

    @property
    def colors(self) -> tuple[str, ...]:
        return (self.color,)


def check_classes(config: ClassSearch) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs([config.network], config.dataset, "network")
    check_grid(config, [config.k], "k")
    check_seed(config.training_seed, "training_seed")


def budget_notes(config: ClassSearch) -> list[str]:
    """How the searches are smaller than the paper's; nothing where they are not."""
    smaller = smaller_note(replace(config, until=None), ClassSearch())
    notes = [] if smaller is None else [smaller]
    if config.until is not None:
        notes.append(f"A search ends at {100 * config.until:g} % confidence; the paper's run on.")
    return notes
