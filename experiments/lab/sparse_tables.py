"""Sparse fooling images of one k, as Kumano et al. (2020) show them: a row for each base color, a
column for each class.

Records have `color`, `target`, `repeat`, `plain`, and what `sparse.search` measures.
"""

import math
from collections.abc import Iterator, Sequence

from experiments.lab.gallery import Row, Tile
from experiments.lab.records import Records
from experiments.lab.section import Table, beside_plain, floored, floored_cells, table

HIGH = (0.9, 0.99)  # the paper sets the former in bold
NOT_FOOLED = "not fooled; the class predicted instead, and (confidence in the class to reach)"
_TITLES = {
    "lenet": "LeNet",
    "mlp": "MLP",
    "cnn": "CNN",
    "cnn_nopool": "CNN without pooling",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
}


def title_of(name: str) -> str:
    """A network or a data set as papers write it, where that differs."""
    return _TITLES.get(name, name)


def tables_of(found: Records, class_names: Sequence[str], head: str) -> Iterator[Table]:
    """The highest confidence of each color and class, the mean where there are several searches,
    and how many cells are fooled.

    Args:
      found: of one k.
      class_names: of the network's classes.
      head: with which titles begin, such as "k = 5".
    """
    best = found.best("color", "target")
    repeats = max((len(of) for _, of in found.groups("color", "target")), default=0)
    highest = f"highest confidence (%) of {repeats} searches" if repeats > 1 else "confidence (%)"
    yield confidence_table(f"{head}: {highest}", best, class_names)
    if repeats > 1:
        yield confidence_table(f"{head}: mean confidence (%)", found, class_names)
    rows = {color: counts(of) for color, of in found.groups("color")}
    yield table(f"{head}: cells, by their best image", {**rows, "all": counts(found)})


def confidence_table(title: str, found: Records, class_names: Sequence[str]) -> Table:
    """Mean confidences beside those of the color alone, as `99 (62)`; from 90 % on in bold."""
    targets: list[int] = list(dict.fromkeys(found["target"].tolist()))
    cells = found.pivot("color", "target", ("confidence", "plain"), targets)
    mean, plain = (floored_cells(cells[..., i]) for i in range(2))
    return Table(
        f"{title}, in parentheses that of the color alone",
        [class_names[target] for target in targets],
        list(dict.fromkeys(found["color"].tolist())),
        beside_plain(mean, plain),
        bold=(mean >= 100 * HIGH[0]).tolist(),
    )


def counts(found: Records) -> dict[str, int]:
    """Of the most confident image of each cell, and of what they took."""
    best = found.best("color", "target")
    high = {f"at {floored(x)} %": int((best["confidence"] >= x).sum()) for x in HIGH}
    return {
        "cells": len(best),
        "fooled": int(best["fooled"].sum()),
        **high,
        "at 90 % in 8 bits": int((best["confidence_uint8"] >= HIGH[0]).sum()),
        "searches": len(found),
        "images shown": int(found["num_queries"].sum()),
    }


def gallery_of(best: Records, class_names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Rows of a gallery and heads of its columns; the images of cells have their prediction.

    Args:
      best: one for each cell, with `image`.
      class_names: of the network's classes.
    """
    targets: list[int] = list(dict.fromkeys(best["target"].tolist()))
    long = max(len(class_names[target]) for target in targets) > 2
    rows = []
    for color, of in best.groups("color"):
        shown = dict(zip(of["target"].tolist(), _tiles(of, class_names, long), strict=True))
        rows.append((color, [shown.get(target) for target in targets]))
    return rows, [class_names[target] for target in targets]


def _tiles(of: Records, class_names: Sequence[str], long: bool) -> Iterator[Tile]:
    for image, confidence, prediction, fooled in of.columns(
        "image", "confidence", "prediction", "fooled"
    ):
        name = class_names[prediction] if prediction >= 0 else "NaN"
        shown = "NaN" if math.isnan(confidence) else f"{floored(confidence)} %"
        separator = "\n" if long else ": " if fooled else " "
        yield Tile(image, f"{name}{separator}{shown if fooled else f'({shown})'}", fooled)


def budget(population: int, generations: int) -> str:
    """Of one search, in words."""
    return f"{population} candidates \N{MULTIPLICATION SIGN} {generations} generations"
