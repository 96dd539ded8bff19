"""Paper 000, figure 6: 5-SFIs for every class of ImageNet, and why dogs and cats resist them.

    python -m experiments imagenet paper --network resnet50=resnet50.safetensors

One search per class (500 candidates, 500 generations) on torchvision's ResNet50. The paper finds
that almost all fail, those for the classes 151 to 287, dogs and cats, most of all: whatever raises
one of these classes raises its many neighbours too, and the softmax shares it out among them.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from experiments.kumano2020.confidences import (
    DOGS_AND_CATS,
    Confidences,
    draw_best,
    draw_confidences,
    table,
)
from experiments.lab import section
from experiments.lab.colors import Color, parse_colors
from experiments.lab.imagenet import (
    NUM_CLASSES,
    check_k,
    check_network,
    imagenet_names,
    imagenet_victim,
)
from experiments.lab.progress import sweep_progress
from experiments.lab.search import Cell, Search, places_of, plain_confidences, sweep_places
from experiments.lab.shown import check_least, command, preset_name, shown_settings

_CURVE, _BEST = "confidences.png", "best.png"


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      every: every which class is sought, from class 0 on.
      color: of the image; the paper names none for this figure.
      k: the most pixels that are altered.
      population: candidates of a generation.
      generations: of each search.
      side: of the images in pixels; by default the network's own.
      seed: of the searches, and of random weights.
      lanes: searches side by side.
      chunk: images per call of the network; by default as many as `population`.
      out: folder of the section, and of the sweep, which goes on when started again.
    """

    network: str = "resnet50"
    class_names: Path | None = None
    every: int = 1
    color: str = "grey"
    k: int = 5
    population: int = 500
    generations: int = 500
    side: int | None = None
    seed: int = 0
    lanes: int = 4
    chunk: int | None = None
    out: Path = Path("runs/imagenet")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            every=100,
            population=8,
            generations=3,
            side=32,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 40 minutes on two cores: every 20th class, 30 x 99 instead of 500 x 500",
        Config(
            network="mobilenet_v2_tf",
            every=20,
            population=30,
            generations=99,
            lanes=1,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: 1 000 classes, 500 x 500", Config()),
}


def main(config: Config) -> None:
    """Searches, draws, and publishes the section."""
    check(config)
    names = imagenet_names(config.class_names)
    victim = imagenet_victim(config.network, config.side, config.seed)
    (color,) = parse_colors([config.color], 3, "ImageNet")
    shape, labels = victim.model.image_shape, range(0, NUM_CLASSES, config.every)
    places = places_of([config.k], [Cell(color, label) for label in labels], 1, NUM_CLASSES)
    with sweep_progress("classes") as on_progress:
        found = sweep_places(
            _search(config),
            victim.model,
            shape,
            NUM_CLASSES,
            places,
            folder=config.out / "sweep",
            on_progress=on_progress,
        )
    (plain,) = plain_confidences(victim.model, [color], shape)
    confidences = Confidences.of(found, plain)
    draw_confidences(config.out / _CURVE, confidences)
    draw_best(config.out / _BEST, found, names)
    title = f"{config.k}-SFIs for the classes of ImageNet through {victim.title}"
    section.publish(
        section.Section(
            name="imagenet",
            title=title,
            source="paper 000, figure 6",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("imagenet", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[table(confidences)],
            pictures=[
                section.Picture(
                    _CURVE,
                    "Confidence reached over the class sought, as in figure 6, and below it on a "
                    "logarithmic axis beside that of the colour alone; dogs and cats are shaded.",
                ),
                section.Picture(_BEST, "The most confident images, with the class sought."),
            ],
            notes=[victim.note, *_notes(config, color)],
            data={
                "labels": confidences.labels,
                "confidence": confidences.found,
                "predicted": confidences.predicted,
                "plain": confidences.plain,
            },
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    least = {"every": 1, "k": 1, "population": 4, "generations": 0, "lanes": 1, "chunk": 1}
    check_least(config, {**least, "seed": 0})
    check_k(config.k, config.network, config.side)
    if config.every > NUM_CLASSES:
        raise ValueError(f"every: expected at most {NUM_CLASSES}, got {config.every}")
    parse_colors([config.color], 3, "ImageNet")


def _search(config: Config) -> Search:
    names = ("k", "population", "generations", "seed", "lanes", "chunk")
    return Search(**{name: getattr(config, name) for name in names})


def _notes(config: Config, color: Color) -> list[str]:
    notes = [
        f"The base colour is {color.name}: the paper names none here; its one other image for "
        "ImageNet, the centipede, is grey.",
        "The paper prints no numbers for this figure; it finds that almost all SFIs fail, those of "
        f"the classes {DOGS_AND_CATS[0]} to {DOGS_AND_CATS[1]} above all.",
    ]
    paper = PRESETS["paper"][1]
    evaluations, of_paper = (c.population * (c.generations + 1) for c in (config, paper))
    if evaluations < of_paper:
        notes.append(
            f"A search evaluates {evaluations:,} images, the paper's {of_paper:,}: its budget "
            "would most likely reach more."
        )
    if config.every > 1:
        notes.append(f"One class in {config.every} is sought, from class 0 on.")
    return notes
