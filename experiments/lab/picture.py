"""The gallery of an experiment: its title, labels and captions."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.lab.found import Found, best_rows
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.outcome import Outcome
from experiments.lab.tables import percent

_MODELS = {"lenet": "LeNet", "mlp": "MLP", "cnn": "CNN", "cnn_nopool": "CNN without pooling"}
_DATASETS = {
    "digits": "digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
}
_PAPER_POPULATION = 500
_PAPER_GENERATIONS = {"mnist": 1000, "fashion_mnist": 1000, "cifar10": 3000}
_TIMES = "\N{MULTIPLICATION SIGN}"
_FAILED = "not fooled; the class predicted instead, and (confidence in the class sought)"
_RETRIED = "(log): searched again for the log-confidence."


def draw(outcome: Outcome, path: Path) -> None:
    """Writes the gallery: the best image of each cell, those searched again in rows apart."""
    settings, card = outcome.settings, outcome.card
    rows = _gallery_rows(outcome, outcome.found)
    labels = list(outcome.bases)
    if outcome.retried is not None:
        retried = _gallery_rows(outcome, outcome.retried)
        kept = [i for i, row in enumerate(retried) if any(row)]
        rows += [retried[i] for i in kept]
        labels += [f"{outcome.bases[i]}\n(log)" for i in kept]
    notes = [f"test accuracy {100 * card['accuracy']:.1f} %", budget(settings)]
    if settings["repeats"] > 1:
        notes.append(f"best of {settings['repeats']}")
    if settings["objective"] != "confidence":
        notes.append(f"objective {settings['objective']}")
    draw_gallery(
        path,
        rows,
        labels,
        [outcome.class_names[label] for label in outcome.labels],
        title=f"{_model_name(settings['model'])} on {_DATASETS[settings['dataset']]}: "
        f"at most {settings['k']} pixel{'s' if settings['k'] > 1 else ''} altered",
        subtitle=", ".join(notes),
        footnote="" if outcome.retried is None else _RETRIED,
        orange=_FAILED,
    )


def _model_name(name: str) -> str:
    """As the papers write it, where that differs."""
    return _MODELS.get(name, name)


def budget(settings: Mapping[str, Any]) -> str:
    """Population x generations, and the paper's where it allows more."""
    population, generations = settings["population"], settings["generations"]
    dataset = settings["dataset"]
    where = "" if dataset in _PAPER_GENERATIONS else " on MNIST"
    paper = _PAPER_GENERATIONS.get(dataset, _PAPER_GENERATIONS["mnist"])
    text = f"{population} candidates {_TIMES} {generations} generations"
    if population < _PAPER_POPULATION or generations < paper:
        text += f" (reduced; the paper{where}: {_PAPER_POPULATION} {_TIMES} {paper})"
    return text


def _gallery_rows(outcome: Outcome, found: Found) -> list[list[Tile | None]]:
    """The best image of each cell."""
    place = {(row.base, row.label, row.repeat): i for i, row in enumerate(found.rows)}
    best = best_rows(found.rows)
    long = max(len(outcome.class_names[label]) for label in outcome.labels) > 2

    def tile(base: str, label: int) -> Tile | None:
        row = best.get((base, label))
        if row is None:
            return None
        fooled = row.prediction == row.label
        name = outcome.class_names[row.prediction] if row.prediction >= 0 else "NaN"
        shown = "NaN" if math.isnan(row.confidence) else f"{percent(row.confidence)} %"
        shown = shown if fooled else f"({shown})"
        separator = "\n" if long else ": " if fooled else " "
        image = found.images[place[base, label, row.repeat]]
        return Tile(image, f"{name}{separator}{shown}", fooled)

    return [[tile(base, label) for label in outcome.labels] for base in outcome.bases]
