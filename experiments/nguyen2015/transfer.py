"""Paper 001, table S1: do images that evolved through one network fool its twin?

    python -m experiments evolved_transfer paper

A and B are one architecture, trained alike from other start weights, on images in another order.
Images that evolved through each are shown to both. In the paper 46 % are given the same label by
both, 27 % with at least 99 %, and nine in ten of the matches score higher on their own network.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import models
from experiments.lab import section
from experiments.lab.judging import probabilities
from experiments.lab.shown import command, preset_name, shown_settings, smaller
from experiments.lab.victims import check_seed, check_victim, victim
from experiments.nguyen2015.methods import (
    TEXTS,
    Runs,
    check_evolution,
    check_methods,
    every_class,
    evolve,
)
from experiments.nguyen2015.transfer_report import (
    Shown,
    draw_transferring,
    pooled,
    sure_table,
    table_s1,
)

_TWINS = ("A", "B")
_BUDGET = {"runs": "runs", "population": "children", "generations": "generations"}


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: mnist, fashion_mnist or digits.
      network: trained, or out of the cache.
      training_seeds: of A and of B.
      methods: out of direct, direct_grey, cppn.
      population: children per generation.
      generations: behind the start.
      runs: through each network, of each method.
      seed: of the draws.
      lanes: runs side by side.
      out: folder of the section and of the sweeps, which go on when started again.
    """

    dataset: str = "mnist"
    network: str = "lenet"
    training_seeds: tuple[int, int] = (0, 1)
    methods: tuple[str, ...] = ("direct", "cppn")
    population: int = 200
    generations: int = 200
    runs: int = 30
    seed: int = 0
    lanes: int = 10
    out: Path = Path("runs/evolved_transfer")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds, behind two short trainings; LeNet on digits",
        Config(dataset="digits", population=20, generations=10, runs=2, preset="smoke"),
    ),
    "reduced": (
        "about 12 minutes on two cores: eight runs through each of two LeNets, of each method",
        Config(runs=8, preset="reduced"),
    ),
    "paper": ("the paper's: 300 images through each of two LeNets", Config()),
}


def main(config: Config) -> None:
    """Evolves, shows, draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    networks, cards = zip(
        *(victim(config.network, dataset, seed) for seed in config.training_seeds), strict=True
    )
    kinds: dict[str, tuple[Shown, Shown]] = {}
    for method in config.methods:
        a, b = (evolved(config, method, networks[i], dataset, i) for i in range(2))
        kinds[TEXTS[method]] = (shown_to(a, *networks), shown_to(b, *networks[::-1]))
    if len(kinds) > 1:
        of_a, of_b = (pooled([pair[i] for pair in kinds.values()]) for i in range(2))
        everything = {**kinds, "all of them": (of_a, of_b)}
    else:
        everything = kinds
    with_paper = TEXTS["cppn"] if config.dataset == "mnist" else None
    drawn = [
        (text, draw_transferring(config.out / f"{method}.png", *pair, dataset.class_names))
        for method, (text, pair) in zip(config.methods, kinds.items(), strict=True)
    ]
    section.publish(
        section.Section(
            name="evolved_transfer",
            title=f"Transfer of evolved images between two trainings of {config.network} on "
            f"{config.dataset}",
            source="paper 001, section 3.5, supplement A, table S1, figure S1",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("evolved_transfer", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[
                *(
                    table_s1(text, *pair, beside_paper=text == with_paper)
                    for text, pair in everything.items()
                ),
                sure_table(everything, dataset.class_names),
            ],
            pictures=[
                section.Picture(picture.file, f"{text}: {picture.caption}")
                for text, picture in drawn
                if picture is not None
            ],
            notes=notes(config, kinds, [card["accuracy"] for card in cards]),
            data={
                "cards": dict(zip(_TWINS, cards, strict=True)),
                "rates": {
                    text: {name: shown.rates() for name, shown in zip(_TWINS, pair, strict=True)}
                    for text, pair in everything.items()
                },
            },
        ),
        config.out,
    )


def evolved(
    config: Config, method: str, model: models.Network, dataset: models.Dataset, number: int
) -> Runs:
    """Runs through network A (0) or B (1), of different draws."""
    return evolve(
        method,
        model,
        dataset.image_shape,
        len(dataset.class_names),
        every_class(len(dataset.class_names), config.runs),
        population=config.population,
        generations=config.generations,
        first_run=number * config.runs,
        seed=config.seed,
        lanes=config.lanes,
        folder=config.out / "runs" / f"{_TWINS[number]}_{method}",
    )


def shown_to(runs: Runs, own: Any, other: Any) -> Shown:
    """The last champions, on the network that they evolved through and on the other."""
    images = runs.images.reshape(-1, *runs.images.shape[2:])
    return Shown(images, probabilities(own, images), probabilities(other, images))


def notes(
    config: Config, kinds: dict[str, tuple[Shown, Shown]], accuracies: list[float]
) -> list[str]:
    """What differs from the paper, and what it leaves open."""
    texts = [
        "Test accuracy: "
        + ", ".join(f"{n} {100 * a:.2f} %" for n, a in zip(_TWINS, accuracies, strict=True))
        + ". They differ in start weights and in the order of the images.",
        "The paper shows CPPN images alone; a label is what a network predicts, be it the class "
        "that was sought or not. The paper's text speaks of 99.99 % where its table has 99 %.",
        "All images are of 8 bits as they evolve, so rounding changes nothing.",
    ]
    tied = {text: sum(int(shown.tied.sum()) for shown in pair) for text, pair in kinds.items()}
    if any(tied.values()):
        counts = ", ".join(f"{count} ({text})" for text, count in tied.items() if count)
        texts.append(
            f"Matches with the same confidence on both, in float32, do not score higher: {counts}."
        )
    silent = [text for text, pair in kinds.items() if not pooled(pair).sure.any()]
    if silent:
        texts.append(f"Of no image of these are both networks 99 % sure: {', '.join(silent)}.")
    if less := smaller(config, Config(), _BUDGET):
        texts.append(f"Smaller than in the paper: {', '.join(less)}.")
    return texts


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    check_victim(config.network, config.dataset, None, "network")
    check_evolution(config)
    check_methods(config.methods)
    for seed in config.training_seeds:
        check_seed(seed, "training_seeds")
    if len(set(config.training_seeds)) < 2:
        first, second = config.training_seeds
        raise ValueError(f"training_seeds: expected two different ones, got {first} and {second}")
