"""Paper 000, tables 2 to 13: SFIs by differential evolution on CIFAR-10, one network per run.

    python -m experiments de_tables paper --network cifar_vgg16=vgg16.safetensors

For each k, base colour and class the mean confidence of the SFIs found and that of the colour
alone, beside the paper's; figures 4 and 5, and the orderings that the paper reads off its tables.
A run that was interrupted goes on when the same command starts again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float

import models
from experiments.kumano2020 import published
from experiments.kumano2020.de_figures import draw_colors, draw_ks
from experiments.kumano2020.mean_tables import tables
from experiments.lab import section
from experiments.lab.found import Found
from experiments.lab.grid_search import check_grid, colors_of, search_grid, smaller_note
from experiments.lab.search import plain_confidences
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.lab.tables import mean_table
from experiments.lab.victims import check_seed, check_victim, split_spec, tested, victim_of

_FIGURE_4, _FIGURE_5 = "colours.png", "ks.png"
_K_OF_FIGURE_4, _CLASS_OF_FIGURE_5 = 5, 0
_ORIENTATION = "cifar_vgg16"  # beside networks that the paper did not attack


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE, or NAME to train it or take it from the cache. The paper attacks
        cifar_vgg16, nin and cifar_resnet50.
      dataset: cifar10; on another there is nothing of the paper's to compare with.
      training_seed: of the network.
      ks: the most pixels that are altered, ascending.
      colors: base colours.
      population, generations: of each search.
      until: a search ends at this confidence; "None" runs all generations, as the paper does.
      repeats: SFIs for each k, colour and class.
      seed: of the searches.
      lanes: searches side by side.
      out: folder of the section and of the sweep; by default runs/de_tables_NETWORK.
    """

    network: str = "cifar_vgg16"
    dataset: str = "cifar10"
    training_seed: int = 0
    ks: tuple[int, ...] = published.KS
    colors: tuple[str, ...] = published.COLORS
    population: int = 500
    generations: int = 3000
    until: float | None = None
    repeats: int = 50
    seed: int = 0
    lanes: int = 10
    out: Path | None = None
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP on scikit-learn's digits",
        Config(
            network="mlp",
            dataset="digits",
            ks=(1, 5),
            colors=published.GREYS,
            population=8,
            generations=6,
            repeats=2,
            preset="smoke",
        ),
    ),
    "reduced": (
        "every k, colour and class once, 100 candidates over 100 generations",
        Config(population=100, generations=100, until=0.995, repeats=1, preset="reduced"),
    ),
    "paper": ("the paper's: 50 SFIs of 1 500 500 evaluations for each of 240 cells", Config()),
}


def main(config: Config) -> None:
    """Searches, draws, and publishes the section."""
    check(config)
    name, _ = split_spec(config.network)
    section_name = f"de_tables_{name}"
    out = Path("runs") / section_name if config.out is None else config.out
    dataset = models.load_dataset(config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    found = search_grid(config, config.ks, model, dataset, out / "sweep")
    colors = colors_of(config)
    bases = [color.name for color in colors]
    plain = plain_confidences(model, colors, dataset.image_shape)
    means = mean_confidences(found, config.ks, bases, len(dataset.class_names))
    on_cifar = config.dataset == "cifar10"
    names = published.CLASSES if on_cifar else dataset.class_names
    paper = published.CIFAR10.get(name, published.CIFAR10[_ORIENTATION]) if on_cifar else None
    section.publish(
        section.Section(
            name=section_name,
            title=f"SFIs by differential evolution through {name} on {config.dataset}",
            source=source(name),
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("de_tables", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=tables(config.ks, bases, names, means, plain, paper),
            pictures=draw(config.ks, bases, names, found, out),
            notes=notes(config, card),
            data={
                "mean_confidence": dict(zip(map(str, config.ks), means, strict=True)),
                "plain": plain,
                "searches": len(found.rows),
                "predicted": sum(row.prediction == row.label for row in found.rows),
                "num_queries": sum(row.num_queries for row in found.rows),
                "network": card,
            },
        ),
        out,
    )


def mean_confidences(
    found: Found, ks: tuple[int, ...], bases: list[str], num_classes: int
) -> Float[np.ndarray, "S C K"]:
    """By k, base colour and class."""
    rows = ([row for row in found.rows if row.k == k] for k in ks)
    return np.stack([mean_table(of_k, bases, range(num_classes)) for of_k in rows])


def draw(
    ks: tuple[int, ...], bases: list[str], names: tuple[str, ...], found: Found, out: Path
) -> list[section.Picture]:
    """Figures 4 and 5."""
    k = _K_OF_FIGURE_4 if _K_OF_FIGURE_4 in ks else ks[-1]
    draw_colors(out / _FIGURE_4, found, k, bases, names)
    draw_ks(out / _FIGURE_5, found, ks, bases, _CLASS_OF_FIGURE_5)
    return [
        section.Picture(
            _FIGURE_4,
            f"The most confident {k}-SFI of every base colour and class, with its confidence, as "
            "in figure 4.",
        ),
        section.Picture(
            _FIGURE_5,
            f"SFIs for the class {names[_CLASS_OF_FIGURE_5]} on every base colour, as in figure 5.",
        ),
    ]


def source(name: str) -> str:
    """Which tables and figures of the paper belong to a network."""
    if name not in published.CIFAR10:
        return "paper 000, figures 4, 5 and the kind of tables 2 to 13, on a network of our own"
    numbers = list(published.CIFAR10[name].tables.values())
    return f"paper 000, tables {numbers[0]} to {numbers[-1]}, figures 4, 5"


def notes(config: Config, card: dict[str, Any]) -> list[str]:
    """What differs from the paper, and what it leaves open."""
    name, weights = split_spec(config.network)
    origin = f"weights of {weights.name}" if weights else f"trained here, seed {card.get('seed')}"
    left_out = [str(k) for k in published.KS if k not in config.ks]
    texts = [
        f"{tested(f'{name} ({origin})', card)}.",
        smaller_note(config, Config()),
        f"The paper also has SFIs with k = {', '.join(left_out)}." if left_out else None,
        "The paper leaves open what becomes of positions that leave the image: they are clipped.",
    ]
    if config.dataset == "cifar10":
        if name not in published.CIFAR10:
            title = published.CIFAR10[_ORIENTATION].title
            texts.append(
                f"The paper did not attack {name}: its figures for {title} stand beside ours for "
                "orientation only."
            )
        texts.append(
            "? marks a figure of the paper whose digits are lost in the copy at hand; its means "
            "are over the others."
        )
    return [text for text in texts if text is not None]


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    name, weights = split_spec(config.network)
    check_victim(name, config.dataset, weights, "network")
    check_seed(config.training_seed, "training_seed")
    check_grid(config, config.ks)
