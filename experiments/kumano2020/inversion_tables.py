"""Tables of feature inversion."""

from collections.abc import Sequence

import numpy as np

from experiments.kumano2020.inverted import Found
from experiments.lab.section import Table


def over_lambdas(
    colors: Sequence[str], lambdas: Sequence[float], found: Found, num_pixels: int
) -> Table:
    """A row for every colour and lambda."""
    rows, cells = [], []
    for c, color in enumerate(colors):
        for w, weight in enumerate(lambdas):
            rows.append(f"{color}, lambda {weight:g}")
            at = c, w
            cells.append(
                [
                    float(np.median(found.cosine[at])),
                    float(np.median(found.distance[at])),
                    float(100 * np.median(found.altered[at]) / num_pixels),
                    float(100 * np.median(found.clear[at]) / num_pixels),
                    float(100 * np.mean(found.confidence[at] >= 0.99)),
                ]
            )
    columns = ["cosine", "distance", "altered %", "by > 0.3 %", "confidence >= 99 % of images, %"]
    return Table(f"Medians over {found.images.shape[2]} natural images", columns, rows, cells)


def over_classes(
    colors: Sequence[str], lambdas: Sequence[float], found: Found, names: Sequence[str]
) -> list[Table]:
    """A table for every colour, at the lambda that is chosen for it."""
    tables = []
    for c, color in enumerate(colors):
        w = found.chosen(c)
        cells = [
            [float(np.median(values[c, w][found.labels == label])) for label in range(len(names))]
            for values in (found.cosine, 100 * found.confidence, found.altered)
        ]
        rows = ["cosine", "confidence %", "altered pixels"]
        title = f"{color} base, lambda {lambdas[w]:g}: medians of each class"
        tables.append(Table(title, list(names), rows, cells))
    return tables
