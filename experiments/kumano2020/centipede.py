r"""Paper 000, figure 1: the grey image with ten altered pixels that ResNet50 takes for a centipede.

    python -m experiments centipede paper --network resnet50=resnet50.safetensors

One search of 1 000 candidates over 30 000 generations; the paper reaches 91 % on torchvision's
ResNet50. It goes on from its last checkpoint when the same command starts again. What it costs on
accelerators one need not own:

    python -m experiments plan --model resnet50 --k 10 --population 1000 --generations 30000 \
        --jobs 1 --lanes 1 --split 8 --topology v5e:2x4
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tyro

import jfool
import models
from experiments.lab import section
from experiments.lab.colors import parse_colors
from experiments.lab.course import draw_course, following, read_course
from experiments.lab.fooled_network import logits_of
from experiments.lab.found import Found, Row
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.imagenet import (
    NUM_CLASSES,
    check_k,
    check_network,
    imagenet_names,
    imagenet_victim,
)
from experiments.lab.search import Cell, Search, found_of, jobs_of, plain_confidences
from experiments.lab.shown import check_least, command, preset_name, shown_settings
from jfool.criteria import prediction
from jfool.softmax import softmax

CENTIPEDE = 79
PAPER = 91  # percent
_IMAGE, _CURVE = "centipede.png", "course.png"
_ENLARGED = 3


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      label: the class sought.
      color: of the image.
      k: the most pixels that are altered.
      population: candidates of a generation.
      generations: of the search.
      precision: float32 or bfloat16, of the network's computation.
      side: of the images in pixels; by default the network's own.
      seed: of the search, and of random weights.
      chunk: images per call of the network and device.
      split: devices that share the population.
      checkpoint_seconds: between two checkpoints, and two points of the curve.
      out: folder of the section, and of the sweep, which goes on when started again.
    """

    network: str = "resnet50"
    class_names: Path | None = None
    label: int = CENTIPEDE
    color: str = "grey"
    k: int = 10
    population: int = 1000
    generations: int = 30_000
    precision: str = "float32"
    side: int | None = None
    seed: int = 0
    chunk: int = 250
    split: int = 1
    checkpoint_seconds: float = 60.0
    out: Path = Path("runs/centipede")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            population=8,
            generations=6,
            side=32,
            checkpoint_seconds=0.0,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 30 minutes on two cores: MobileNetV2, 100 x 999 instead of 1000 x 30 000",
        Config(
            network="mobilenet_v2_tf", population=100, generations=999, chunk=50, preset="reduced"
        ),
    ),
    "paper": ("the paper's: ResNet50, 1000 x 30 000", Config()),
}


def main(config: Config) -> None:
    """Searches, or goes on with it; then draws, and publishes the section."""
    check(config)
    names = imagenet_names(config.class_names)
    victim = imagenet_victim(config.network, config.side, config.seed)
    (color,) = parse_colors([config.color], 3, "ImageNet")
    search = Search(
        k=config.k, population=config.population, generations=config.generations, seed=config.seed
    )
    shape = victim.model.image_shape
    attack = search.attack(shape, NUM_CLASSES)
    place = Cell(color, config.label), config.k, 0
    folder = config.out / "sweep"
    with following(folder, config.generations, config.checkpoint_seconds) as on_progress:
        results = jfool.sweep(
            search.key,
            attack,
            models.in_precision(victim.model, jnp.dtype(config.precision)),
            jobs_of([place], 3),
            num_steps=config.generations,
            folder=folder,
            lanes=1,
            chunk=config.chunk,
            split=config.split,
            checkpoint_seconds=config.checkpoint_seconds,
            on_progress=on_progress,
        )
    found = found_of(results, attack, {0: place}, search.objective)
    row = in_float32(found, victim.model)
    course = read_course(folder).then(row.num_steps, row.confidence)
    plain = plain_confidences(victim.model, [color], shape)[0, config.label]
    draw_image(config.out / _IMAGE, row, found.images[0], names)
    draw_course(config.out / _CURVE, course, PAPER if of_paper(config) else None)
    section.publish(
        section.Section(
            name="centipede",
            title=f"A {config.k}-SFI for {names[config.label]} through {victim.title}",
            source="paper 000, " + ("figure 1" if of_paper(config) else "as figure 1"),
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("centipede", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[table(config, row, float(plain), names)],
            pictures=[
                section.Picture(_IMAGE, "The image; its altered pixels are single ones."),
                section.Picture(_CURVE, "Confidence of the best candidate, at the checkpoints."),
            ],
            notes=[victim.note, *_notes(config)],
            data={"generations": course.generations, "confidences": course.confidences},
        ),
        config.out,
    )


def of_paper(config: Config) -> bool:
    """Whether it is the image that the paper shows: a centipede of ten pixels on grey."""
    paper = Config()
    return all(getattr(config, n) == getattr(paper, n) for n in ("label", "k", "color"))


def table(config: Config, row: Row, plain: float, names: tuple[str, ...]) -> section.Table:
    """What was reached, beside the paper if it has the same."""
    paper = Config()
    sought = names[row.label]
    predicted = names[row.prediction] if row.prediction >= 0 else "NaN"
    return section.Table(
        title="The search",
        columns=[
            "confidence (%)",
            "after 8-bit rounding (%)",
            "colour alone (%)",
            "prediction",
            "generations",
            "evaluations",
        ],
        rows=[sought],
        measured=[
            [
                *map(_percent, (row.confidence, row.confidence_uint8, plain)),
                predicted,
                row.num_steps,
                row.num_queries,
            ]
        ],
        paper=[[PAPER, None, None, sought, paper.generations, _evaluations(paper)]]
        if of_paper(config)
        else None,
    )


def _percent(fraction: float) -> float | int | None:
    """Rounded down as the paper prints it, but not to 0 or few: those are what is to be seen."""
    return 100 * fraction if fraction < 0.1 else section.floored(fraction)


def in_float32(found: Found, model: models.Network) -> Row:
    """The row of the one image, judged anew by a network that computes in float32."""
    (row,), (image,) = found.rows, found.images
    logits = logits_of(model, np.stack([image, np.rint(image * 255) / 255]))
    plain, rounded = np.asarray(softmax(jnp.asarray(logits)))[:, row.label].tolist()
    predicted, predicted_uint8 = (int(prediction(jnp.asarray(of_image))) for of_image in logits)
    return dataclasses.replace(
        row,
        confidence=plain,
        prediction=predicted,
        success=predicted == row.label,
        confidence_uint8=rounded,
        success_uint8=predicted_uint8 == row.label,
    )


def draw_image(path: Path, row: Row, image: np.ndarray, names: tuple[str, ...]) -> None:
    """The image, large enough for single pixels to be seen."""
    enlarged = image.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    tile = Tile(enlarged, f"{100 * row.confidence:.2f} %", row.prediction == row.label)
    draw_gallery(path, [[tile]], [""], [names[row.label]])


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    least = {"k": 1, "population": 4, "generations": 0, "chunk": 1, "split": 1, "seed": 0}
    check_least(config, {**least, "label": 0})
    check_k(config.k, config.network, config.side)
    if config.label >= NUM_CLASSES:
        raise ValueError(f"label: expected a class from 0 to 999, got {config.label}")
    if config.precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision: expected float32 or bfloat16, got {config.precision!r}")
    parse_colors([config.color], 3, "ImageNet")


def _evaluations(config: Config) -> int:
    return config.population * (config.generations + 1)


def _notes(config: Config) -> list[str]:
    paper = PRESETS["paper"][1]
    notes = [
        "Positions are floored and clipped to the image, which the paper leaves open.",
        "The curve holds the confidence of the search itself at each checkpoint; the table's is "
        "computed anew in float32.",
    ]
    share = _evaluations(config) / _evaluations(paper)
    if share < 1:
        notes.append(
            f"The search evaluates {_evaluations(config):,} images, {100 * share:.2g} % of the "
            f"paper's {_evaluations(paper):,}."
        )
    return notes
