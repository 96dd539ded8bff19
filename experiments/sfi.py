"""Sparse fooling images for any model, data set, colours and classes, as in paper 000.

Tables 2-15 of Kumano et al. (2020): for each base colour (rows) and class (columns), the
best and the mean confidence of `repeats` searches, beside that of the colour alone.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jfool
import models
from experiments.lab import publish, record
from experiments.lab.colors import parse_colors
from experiments.lab.found import Found, best_rows
from experiments.lab.outcome import Outcome
from experiments.lab.progress import progress, say
from experiments.lab.search import OBJECTIVES, Cell, Search, plain_confidences, search_cells
from experiments.lab.victims import check_victim, victim
from jfool.encodings.boundary import BOUNDARIES

RETRY_BELOW = 0.01  # cells whose best confidence is less are what `retry_log_confidence` retries
_NOT_COMPARED = ("out", "overwrite", "lanes")  # what does not change the results


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      model: of the networks; trained now, or taken from the cache.
      training_seed: of the network.
      weights: a file with weights for the network, instead of training it.
      k: the most pixels that are altered.
      colors: base colours: black, grey, white, red, green, blue, a grey level, or r,g,b in [0, 1].
      classes: to be reached; all by default.
      repeats: searches for each colour and class.
      population: candidates of a generation.
      generations: the most of a search (the paper: 1000, on CIFAR-10 3000).
      until: a search ends at this confidence; "None" runs all generations, as the paper does.
      stop_at_success: repeat a cell no more once a search of it has ended by `until`.
      objective: confidence, log_confidence or margin.
      boundary: what becomes of pixels that leave the image: clip, wrap, reflect or resample.
      retry_log_confidence: where the best confidence is below 1 %, search again, with the same
        draws, for the log of the confidence; reported apart. It differs where confidence is 0.
      seed: of the searches.
      lanes: searches side by side; when one ends, the next takes its place. The results do not
        depend on it, unless `chunk` exceeds `population`.
      chunk: images per call of the model, by default as many as `population`; more suit a GPU.
      out: folder for results.json, images.npz and gallery.png.
      overwrite: replace results of other settings in that folder.
    """

    dataset: str = "digits"
    model: str = "lenet"
    training_seed: int = 0
    weights: Path | None = None
    k: int = 5
    colors: tuple[str, ...] = ("black", "grey", "white")
    classes: tuple[int, ...] | None = None
    repeats: int = 1
    population: int = 500
    generations: int = 1000
    until: float | None = 0.995
    stop_at_success: bool = False
    objective: str = "confidence"
    boundary: str = "clip"
    retry_log_confidence: bool = False
    seed: int = 0
    lanes: int = 10
    chunk: int | None = None
    out: Path = Path("runs/sfi")
    overwrite: bool = False


def main(config: Config) -> None:
    """Runs the experiment; the last line on standard output is JSON."""
    check(config)
    settings = record.json_safe(dataclasses.asdict(config))
    compared = {name: value for name, value in settings.items() if name not in _NOT_COMPARED}
    same = {"experiment": "sfi", "compared": compared}
    record.claim_folder(config.out, same, overwrite=config.overwrite)
    run(config, same)


def run(config: Config, heading: dict[str, Any]) -> None:
    """Trains, searches, reports; `heading` opens results.json."""
    started = time.monotonic()
    say(f"reading {config.dataset}")
    dataset = models.load_dataset(config.dataset)
    height, width, channels = dataset.image_shape
    colors = parse_colors(config.colors, channels, config.dataset)
    labels = labels_of(config.classes, len(dataset.class_names))
    if config.k > height * width:
        raise ValueError(f"k: expected at most the {height * width} pixels, got {config.k}")

    read = time.monotonic()
    model, card = victim(config.model, dataset, config.training_seed, config.weights)
    trained = time.monotonic()

    search = search_of(config)
    cells = [Cell(color, label) for color in colors for label in labels]
    context = (model, dataset.image_shape, len(dataset.class_names))
    with progress("searches", len(cells) * config.repeats) as advance:
        found = search_cells(search, *context, cells, advance)
    retried = None
    if config.retry_log_confidence and (hopeless := _hopeless(found, cells)):
        search = dataclasses.replace(search, objective="log_confidence")
        with progress("retries", len(hopeless) * config.repeats) as advance:
            retried = search_cells(search, *context, hopeless, advance)
    searched = time.monotonic()

    outcome = Outcome(
        settings=record.json_safe(dataclasses.asdict(config)),
        card=card,
        class_names=dataset.class_names,
        bases=[color.name for color in colors],
        labels=labels,
        found=found,
        retried=retried,
        plain=plain_confidences(model, colors, dataset.image_shape)[:, labels],
        seconds={
            "data": read - started,
            "training": trained - read,
            "search": searched - trained,
        },
    )
    publish.publish(outcome, config.out, heading)


def search_of(config: Config) -> Search:
    """The search's part of the settings."""
    names = [field.name for field in dataclasses.fields(Search)]
    return Search(**{name: getattr(config, name) for name in names})


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    check_victim(config.model, config.dataset, config.weights)
    _one_of("objective", config.objective, OBJECTIVES)
    _one_of("boundary", config.boundary, BOUNDARIES)
    least = {"k": 1, "repeats": 1, "lanes": 1, "population": 4, "generations": 0, "chunk": 1}
    for name, smallest in {**least, "seed": 0, "training_seed": 0}.items():
        value = getattr(config, name)
        if value is not None and not smallest <= value < 2**31:
            raise ValueError(f"{name}: expected a number of at least {smallest}, got {value}")
    if config.until is not None:
        try:
            jfool.confident(config.until)
        except ValueError:
            raise ValueError(
                f"until: expected a confidence in (0, 1] or None, got {config.until}"
            ) from None
    elif config.stop_at_success:
        raise ValueError("stop_at_success: expected a confidence as --until, got None")
    if config.retry_log_confidence and config.objective != "confidence":
        raise ValueError(
            "retry_log_confidence: expected --objective confidence, which it retries, "
            f"got {config.objective}"
        )
    parse_colors(config.colors, 3, config.dataset)
    if config.classes is not None:
        labels_of(config.classes, 2**31)


def labels_of(classes: Sequence[int] | None, num_classes: int) -> list[int]:
    """The classes asked for; None: all.

    Raises:
      ValueError: none, one twice, or one that there is not.
    """
    labels = list(range(num_classes)) if classes is None else list(classes)
    if not labels:
        raise ValueError("classes: expected at least one, got none")
    if len(set(labels)) < len(labels):
        raise ValueError(f"classes: expected different ones, got {' '.join(map(str, labels))}")
    if wrong := [label for label in labels if not 0 <= label < num_classes]:
        raise ValueError(
            f"classes: expected numbers from 0 to {num_classes - 1}, got {wrong[0]}"
            if num_classes < 2**31
            else f"classes: expected numbers of at least 0, got {wrong[0]}"
        )
    return labels


def _hopeless(found: Found, cells: list[Cell]) -> list[Cell]:
    """Cells whose best confidence is below `RETRY_BELOW`, or NaN."""
    best = best_rows(found.rows)
    return [c for c in cells if not best[c.color.name, c.label].confidence >= RETRY_BELOW]


def _one_of(name: str, value: str, known: Any) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
