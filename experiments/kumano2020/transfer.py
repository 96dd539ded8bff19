"""Paper 000, table 18: do sparse fooling images of one network fool another?

    python -m experiments transfer paper

5-SFIs for every base colour and class, found through each network, are shown to all of them. One
transfers when it is taken for its class with more than 90 % on both. The paper's most robust
network gives the most that transfer: 45 % of ResNet50's fool VGG16.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float

import models
from experiments.kumano2020.published import COLORS, GREYS
from experiments.kumano2020.transfer_report import PAPER, Shown, counted, draw, tables
from experiments.lab import section
from experiments.lab.found import Found
from experiments.lab.grid_search import check_grid, search_grid, smaller_note
from experiments.lab.judging import probabilities
from experiments.lab.progress import say
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.lab.victims import check_seed, check_specs, split_spec, tested, victim_of


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      networks: NAME=FILE, or NAME to train it or take it from the cache; SFIs are sought through
        each of them.
      destinations: more networks, that are only shown the SFIs.
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      training_seed: of the networks.
      k: the most pixels that are altered.
      colors: base colours.
      population, generations: of each search.
      until: a search ends at this confidence; "None" runs all generations, as the paper does.
      repeats: SFIs for each network, colour and class.
      seed: of the searches.
      lanes: searches side by side.
      out: folder of the section and of the sweeps, which go on when started again.
    """

    networks: tuple[str, ...] = tuple(PAPER)
    destinations: tuple[str, ...] = ()
    dataset: str = "cifar10"
    training_seed: int = 0
    k: int = 5
    colors: tuple[str, ...] = COLORS
    population: int = 500
    generations: int = 3000
    until: float | None = None
    repeats: int = 50
    seed: int = 0
    lanes: int = 10
    out: Path = Path("runs/transfer")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP and a small CNN on scikit-learn's digits",
        Config(
            networks=("mlp", "cnn_nopool"),
            dataset="digits",
            colors=GREYS[:2],
            population=8,
            generations=10,
            repeats=1,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about an hour on two cores: two small CNNs and a ResNet, on black, grey and white",
        Config(
            networks=("cnn", "cnn_nopool", "cifar_resnet20"),
            colors=GREYS,
            population=50,
            generations=100,
            until=0.95,
            repeats=12,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: 3 000 SFIs of 1 500 500 evaluations for each of 3 networks", Config()),
}


def main(config: Config) -> None:
    """Searches, shows, draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    specs = (*config.networks, *config.destinations)
    victims = {split_spec(s)[0]: victim_of(s, dataset, config.training_seed) for s in specs}
    sources = [split_spec(spec)[0] for spec in config.networks]
    shown = {}
    for source in sources:
        say(f"SFIs through {source}")
        folder = config.out / "searches" / source
        found = search_grid(config, [config.k], victims[source][0], dataset, folder)
        shown[source] = Shown(found, judged(found, {name: v[0] for name, v in victims.items()}))
    counts = counted(shown, list(victims))
    section.publish(
        section.Section(
            name="transfer",
            title=f"Transfer of {config.k}-SFIs between networks on {config.dataset}",
            source="paper 000, section 5.8, table 18",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("transfer", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=tables(counts, config.k),
            pictures=draw(counts, shown, dataset.class_names, config.out),
            notes=notes(config, {name: card for name, (_, card) in victims.items()}),
            data={
                "counts": counts,
                "searches": {source: len(shown[source].found.rows) for source in sources},
                "num_queries": {
                    source: sum(row.num_queries for row in shown[source].found.rows)
                    for source in sources
                },
            },
        ),
        config.out,
    )


def judged(found: Found, networks: dict[str, Any]) -> dict[str, Float[np.ndarray, " R"]]:
    """How confident each network is of the SFIs' own classes."""
    labels = np.array([row.label for row in found.rows])
    each = np.arange(len(labels))
    return {
        name: probabilities(network, found.images)[each, labels]
        for name, network in networks.items()
    }


def notes(config: Config, cards: dict[str, dict[str, Any]]) -> list[str]:
    """What differs from the paper, and what it leaves open."""
    texts = [
        f"{', '.join(tested(name, card) for name, card in cards.items())}.",
        smaller_note(dataclasses.replace(config, until=None), Config()),
        "Colours that are taken for a class as they are count too, with some pixels altered.",
        "An SFI counts for a destination when it is as confident of the same class; ratios are cut "
        "off behind two digits, as in the paper.",
    ]
    if less := [color for color in COLORS if color not in config.colors]:
        texts.append(f"Without images on {', '.join(less)}.")
    if missing := [name for name in PAPER if name not in cards]:
        texts.append(f"The paper's {', '.join(missing)} are not among the networks of this run.")
    if config.until is not None:
        texts.append(
            f"A search ends at {100 * config.until:g} % confidence, where the paper's run on: "
            "fewer may transfer."
        )
    return [text for text in texts if text is not None]


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    specs = (*config.networks, *config.destinations)
    if not config.networks or len(specs) < 2:
        raise ValueError(f"networks: expected at least two, got {' '.join(specs) or 'none'}")
    check_specs(specs, config.dataset)
    check_seed(config.training_seed, "training_seed")
    check_grid(config, [config.k], "k")
