"""Paper 000, tables 14 and 15: which architecture 5-SFIs fool most easily, on (Fashion-)MNIST.

    python -m experiments architectures paper --dataset mnist

MLP, a CNN with and one without max pooling, and CapsNet; for every base colour and class the
highest confidence of ten searches. A cell counts as fooled where it reaches the mean confidence of
natural images. Networks may be run one by one into the same folder: the section shows all that are
there. What was interrupted goes on when the same command starts again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

import models
from experiments.kumano2020.architecture_tables import NETWORKS, notes, tables
from experiments.kumano2020.de_figures import draw_colors
from experiments.kumano2020.published import GREYS, PAPER_K, TABLE_OF
from experiments.lab import section
from experiments.lab.fooled_network import (
    Outcome,
    natural_confidences,
    read_outcomes,
    strongest,
)
from experiments.lab.grid_search import check_grid, colors_of, search_grid
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.lab.victims import check_seed, check_specs, split_spec, victim_of

_GALLERY = "{}.png"


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: mnist or fashion_mnist; on another there is nothing of the paper's to compare with.
      networks: NAME=FILE, or NAME to train it or take it from the cache.
      training_seeds: one for all networks, or one for each.
      k: the most pixels that are altered.
      colors: base colours.
      population, generations: of each search.
      until: a search ends at this confidence, which CapsNet cannot reach; "None" runs all
        generations, as the paper does.
      repeats: searches for each base colour and class.
      seed: of the searches.
      lanes: searches side by side.
      out: folder of the section, and of a folder for each network; by default
        runs/architectures_DATASET.
    """

    dataset: str = "mnist"
    networks: tuple[str, ...] = NETWORKS
    training_seeds: tuple[int, ...] = (0,)
    k: int = 5
    colors: tuple[str, ...] = GREYS
    population: int = 500
    generations: int = 1000
    until: float | None = None
    repeats: int = 10
    seed: int = 0
    lanes: int = 10
    out: Path | None = None
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP and a CNN on scikit-learn's digits",
        Config(
            dataset="digits",
            networks=("mlp", "cnn"),
            population=8,
            generations=6,
            repeats=2,
            preset="smoke",
        ),
    ),
    "reduced": (
        "20 200 evaluations a search, three searches a cell; CapsNet is slow: run it on its own, "
        "with --networks capsnet --repeats 1",
        Config(population=200, generations=100, until=0.995, repeats=3, preset="reduced"),
    ),
    "paper": ("the paper's: ten searches of 500 500 evaluations a cell", Config()),
}


def main(config: Config) -> None:
    """Attacks the networks, and publishes the section of all that were attacked so far."""
    check(config)
    name = f"architectures_{config.dataset}"
    out = Path("runs") / name if config.out is None else config.out
    check_alike(config, read_outcomes(out, config.dataset))  # before the work
    dataset = models.load_dataset(config.dataset)
    for spec, seed in zip(config.networks, seeds_of(config), strict=True):
        attack(config, spec, seed, dataset, out)
    outcomes = in_order(read_outcomes(out, config.dataset))
    number = TABLE_OF.get(config.dataset) if config.k == PAPER_K else None
    section.publish(
        section.Section(
            name=name,
            title=f"Which architecture {config.k}-SFIs fool most easily: {config.dataset}",
            source=f"paper 000, table {number}" if number else "paper 000, as tables 14 and 15",
            preset=smallest_preset(outcomes),
            command="\n".join(dict.fromkeys(outcome.command for outcome in outcomes.values())),
            settings={network: outcome.settings for network, outcome in outcomes.items()},
            tables=tables(config.dataset, dataset.class_names, outcomes),
            pictures=[
                section.Picture(
                    _GALLERY.format(network),
                    f"{network}: the most confident image of every base colour and class.",
                )
                for network in outcomes
                if (out / _GALLERY.format(network)).exists()
            ],
            notes=notes(config.dataset, outcomes, Config()),
            data={"outcomes": {network: vars(outcome) for network, outcome in outcomes.items()}},
        ),
        out,
    )


def attack(config: Config, spec: str, seed: int, dataset: models.Dataset, out: Path) -> None:
    """Searches for all cells of one network; leaves its outcome and its gallery."""
    network, _ = split_spec(spec)
    model, card = victim_of(spec, dataset, seed)
    found = search_grid(config, [config.k], model, dataset, out / network / "sweep")
    bases = [color.name for color in colors_of(config)]
    natural, true = natural_confidences(model, dataset)
    draw_colors(out / _GALLERY.format(network), found, config.k, bases, dataset.class_names)
    Outcome(
        name=network,
        dataset=config.dataset,
        command=command("architectures", config, PRESETS[config.preset][1]),
        settings={
            **shown_settings(config),
            "networks": [network],
            "training_seeds": [seed],
            "preset": preset_name(config, PRESETS["paper"][1]),
        },
        card=card,
        natural_confidence=natural,
        true_confidence=true,
        bases=bases,
        **strongest(found, model, bases, len(dataset.class_names)),
    ).write(out / network)


def check_alike(config: Config, outcomes: Mapping[str, Outcome]) -> None:
    """Refuses to compare networks that were asked for different images.

    Raises:
      ValueError: the folder has an outcome with another k, or on other colours.
    """
    asked = config.k, [color.name for color in colors_of(config)]
    again = {split_spec(spec)[0] for spec in config.networks}
    for name, outcome in outcomes.items():
        have = outcome.settings["k"], list(outcome.bases)
        if name not in again and have != asked:
            raise ValueError(
                f"out: expected outcomes with k = {asked[0]} on {', '.join(asked[1])}, got one of "
                f"{name} with k = {have[0]} on {', '.join(have[1])}"
            )


def in_order(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """As the paper lists them, others behind."""
    names = [name for name in NETWORKS if name in outcomes]
    return {name: outcomes[name] for name in [*names, *(set(outcomes) - set(names))]}


def smallest_preset(outcomes: Mapping[str, Outcome]) -> str:
    """ "paper" only where all networks were attacked so."""
    presets = [outcome.settings["preset"] for outcome in outcomes.values()]
    return next((preset for preset in presets if preset != "paper"), "paper")


def seeds_of(config: Config) -> tuple[int, ...]:
    """A training seed for each network."""
    seeds = config.training_seeds
    return seeds * len(config.networks) if len(seeds) == 1 else seeds


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs(config.networks, config.dataset)
    if len(seeds_of(config)) != len(config.networks):
        raise ValueError(
            f"training_seeds: expected one, or {len(config.networks)} for the networks, got "
            f"{len(config.training_seeds)}"
        )
    for seed in config.training_seeds:
        check_seed(seed, "training_seeds")
    check_grid(config, [config.k], "k")
