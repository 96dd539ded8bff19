"""Paper 001, figures 4, 5 and S2: images that evolve until LeNet is sure that they are digits.

    python -m experiments evolved_mnist paper

An archive holds one champion for each digit. Genes are pixels ("direct"; "direct_grey" with the
original code's crossover, in which genes that the parents share turn grey), or a small network that
grows and paints ("cppn"). An interrupted run goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import models
from experiments.lab import section
from experiments.lab.shown import check_least, command, preset_name, shown_settings
from experiments.lab.victims import check_seed, check_specs, victim_of
from experiments.nguyen2015.figures import draw_champions, draw_course
from experiments.nguyen2015.methods import (
    METHODS,
    Runs,
    check_evolution,
    check_methods,
    every_class,
    evolve,
    rows_of,
)
from experiments.nguyen2015.mnist_tables import alone_table, medians_table, sure_table

_FEWEST_ALONE = 9  # as many populations as classes, the start among them

Found = Mapping[str, Runs]


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: mnist, fashion_mnist or digits.
      network: what is fooled, `NAME` (trained, or out of the cache) or `NAME=FILE`.
      training_seed: of the network, if it is trained.
      methods: out of direct, direct_grey, cppn.
      population: children per generation.
      generations: behind the start.
      marks: generations at which the table looks.
      runs: of each method; they differ in their draws.
      alone: more runs, in which every class evolves by itself; 0 for none.
      alone_generations: of those, behind the start.
      seed: of the draws.
      lanes: runs side by side.
      out: folder of the section and of the sweeps.
    """

    dataset: str = "mnist"
    network: str = "lenet"
    training_seed: int = 0
    methods: tuple[str, ...] = tuple(METHODS)
    population: int = 200
    generations: int = 1000
    marks: tuple[int, ...] = (50, 200, 1000)
    runs: int = 50
    alone: int = 50
    alone_generations: int = 200
    seed: int = 0
    lanes: int = 10
    out: Path = Path("runs/evolved_mnist")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "a minute or two; LeNet on digits",
        Config(
            dataset="digits",
            population=20,
            generations=10,
            marks=(5, 10),
            runs=2,
            alone=1,
            alone_generations=10,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 25 minutes on two cores: ten runs of each method, two with every class by itself",
        Config(runs=10, alone=2, preset="reduced"),
    ),
    "paper": ("the paper's: 50 runs of each method", Config()),
}


def main(config: Config) -> None:
    """Evolves, draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    num_classes = len(dataset.class_names)

    def evolved(labels: np.ndarray, generations: int, first_run: int, folder: Path) -> Found:
        return {
            method: evolve(
                method,
                model,
                dataset.image_shape,
                num_classes,
                labels,
                population=config.population,
                generations=generations,
                first_run=first_run,
                seed=config.seed,
                lanes=config.lanes,
                folder=folder / method,
            )
            for method in config.methods
        }

    archives = every_class(num_classes, config.runs)
    found = evolved(archives, config.generations, 0, config.out)
    tables = [medians_table(config.marks, found), sure_table(config.marks, found)]
    if config.alone:
        classes = every_class(num_classes, config.alone).reshape(-1, 1)
        generations = config.alone_generations
        alone = evolved(classes, generations, config.runs, config.out / "alone")
        tables.append(alone_table(found, alone, generations, num_classes))
    for method, runs in found.items():
        draw_champions(config.out / f"{method}.png", runs, dataset.class_names)
    draw_course(config.out / "course.png", found)
    section.publish(
        section.Section(
            name="evolved_mnist",
            title=f"Evolved fooling images: {config.network.partition('=')[0]} on {config.dataset}",
            source="paper 001, figures 4, 5 and S2, section 3.1",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("evolved_mnist", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=tables,
            pictures=[
                section.Picture("course.png", "How far the champions are from certainty."),
                *(
                    section.Picture(f"{method}.png", f"{text}: the champions of the first runs.")
                    for method, text in zip(found, rows_of(found), strict=True)
                ),
            ],
            notes=_notes(config, found),
            data={"card": card, "final": {m: r.confidence.tolist() for m, r in found.items()}},
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs([config.network], config.dataset, "network")
    check_seed(config.training_seed, "training_seed")
    check_evolution(config)
    check_methods(config.methods)
    check_least(config, {"alone": 0, "alone_generations": _FEWEST_ALONE})
    if config.alone and config.alone_generations > config.generations:
        raise ValueError(
            f"alone_generations: expected at most those of the archives, {config.generations}, "
            f"got {config.alone_generations}"
        )
    if not all(0 <= mark <= config.generations for mark in config.marks) or not config.marks:
        raise ValueError(
            f"marks: expected generations up to {config.generations}, got {config.marks}"
        )


def _notes(config: Config, found: Found) -> list[str]:
    notes = [
        "The paper's text varies one image at a time; as in its code, a generation is "
        f"{config.population} children of pairs of champions, all evaluated at once, and each may "
        "take any cell.",
        "Pixels mutate at a rate of 0.1 by polynomial steps (eta 15); half of the pairs cross by "
        "simulated binary crossover (eta 10), of which the paper says nothing but its code does.",
        "Our LeNet sees pixels in [0, 1]; the paper's subtracted a mean image.",
        "Table and curve are the search's own confidences; the lowest at the end, and the "
        "galleries, are computed anew from the images, which are of 8 bits.",
    ]
    for method, runs in found.items():
        if runs.full.any():
            notes.append(
                f"{method}: {runs.full.sum()} of {runs.full.size} champions' networks are full "
                "and can grow no more."
            )
    if config.alone:
        notes.append(
            "Where every class evolves by itself, a run's children all serve one class; that this "
            'gives the same is said in section 2.2 of the paper ("data not shown").'
        )
    if config.runs < 50:
        notes.append(f"Smaller than in the paper: {config.runs} of 50 runs.")
    return notes
