"""Searches for every k, base colour and class, several times over: what tables 2 to 15 rest on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import models
from experiments.lab.colors import Color, parse_colors
from experiments.lab.found import Found
from experiments.lab.progress import sweep_progress
from experiments.lab.search import Cell, Search, places_of, sweep_places
from experiments.lab.shown import check_least, check_pixels, smaller
from experiments.lab.victims import check_seed

_BUDGET = {
    "repeats": "searches per cell",
    "population": "candidates",
    "generations": "generations",
}


class Grid(Protocol):
    """The settings that such experiments share."""

    @property
    def dataset(self) -> str: ...
    @property
    def colors(self) -> tuple[str, ...]: ...
    @property
    def population(self) -> int: ...
    @property
    def generations(self) -> int: ...
    @property
    def until(self) -> float | None: ...
    @property
    def repeats(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def lanes(self) -> int: ...


def search_grid(
    config: Grid, ks: Sequence[int], model: Any, dataset: models.Dataset, folder: Path
) -> Found:
    """A row for each k, colour, class and repeat; what lies in the folder is not searched again."""
    num_classes = len(dataset.class_names)
    cells = [Cell(color, label) for color in colors_of(config) for label in range(num_classes)]
    places = places_of(ks, cells, config.repeats, num_classes)
    search = Search(
        k=max(ks),
        population=config.population,
        generations=config.generations,
        until=config.until,
        repeats=config.repeats,
        seed=config.seed,
        lanes=min(config.lanes, len(places)),
    )
    with sweep_progress("searches") as on_progress:
        return sweep_places(
            search,
            model,
            dataset.image_shape,
            num_classes,
            places,
            folder=folder,
            on_progress=on_progress,
        )


def colors_of(config: Grid) -> list[Color]:
    """Colours that images of the data set can have.

    Raises:
      ValueError: see `parse_colors`.
    """
    return parse_colors(config.colors, models.image_shape(config.dataset)[2], config.dataset)


def check_grid(config: Grid, ks: Sequence[int], setting: str = "ks") -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Args:
      config: the other settings.
      ks: numbers of pixels.
      setting: what the user calls them.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    if not ks or min(ks) < 1 or list(ks) != sorted(set(ks)):
        expected = "ascending numbers" if setting == "ks" else "a number"
        got = tuple(ks) if setting == "ks" else ks[0]
        raise ValueError(f"{setting}: expected {expected} of at least 1, got {got}")
    check_pixels(setting, max(ks), config.dataset)
    check_least(config, {"population": 4, "generations": 0, "repeats": 1, "lanes": 1})
    check_seed(config.seed)
    if config.until is not None and not 0 < config.until <= 1:
        raise ValueError(f"until: expected a confidence in (0, 1] or None, got {config.until}")
    colors_of(config)


def smaller_note(config: Grid, paper: Grid) -> str | None:
    """How the searches are smaller than the paper's, in a sentence; None where they are not."""
    less = smaller(config, paper, _BUDGET)
    if config.until is not None:
        alike = ": 99 may stand for its 100" if 0.99 <= config.until < 1 else ""
        less.append(
            f"a search ends at {100 * config.until:g} % confidence, where the paper's run on{alike}"
        )
    return f"Smaller than in the paper: {', '.join(less)}." if less else None
