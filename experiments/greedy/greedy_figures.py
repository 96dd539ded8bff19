"""Figures of the comparison of searches: confidence against evaluations, and images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.recorded import Outcomes
from experiments.lab.section import floored
from experiments.lab.shown import new_figure, save_figure

_CURVES, _IMAGES = "confidence.png", "images.png"
_COLORS = ("#767676", "#1f6fb4")
_NUM_IMAGES = 10


def pictures(
    networks: Mapping[str, Mapping[str, Outcomes]],
    ks: Sequence[int],
    class_names: Sequence[str],
    out: Path,
) -> list[section.Picture]:
    """Curves of all networks, images of the first, whose classes are named."""
    titles = [f"{name}, {k} pixels" for name, k in zip(networks, ks, strict=True)]
    draw_curves(out / _CURVES, dict(zip(titles, networks.values(), strict=True)))
    first, small = next(iter(networks.items()))
    draw_images(out / _IMAGES, small, class_names)
    return [
        section.Picture(
            _CURVES,
            "Confidence against evaluations: the median over the cells, and the quartiles shaded.",
        ),
        section.Picture(
            _IMAGES,
            f"{first}: the cells in which the second search is farthest ahead, with the "
            "confidence that each reaches.",
        ),
    ]


def draw_curves(path: Path, panels: Mapping[str, Mapping[str, Outcomes]]) -> None:
    """One panel for each set of cells."""
    figure = new_figure(4.2 * len(panels), 3.2)
    axes: Any = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, methods) in zip(axes, panels.items(), strict=True):
        for (name, of), color in zip(methods.items(), _COLORS, strict=True):
            low, middle, high = 100 * np.quantile(of.history, (0.25, 0.5, 0.75), axis=0)
            axis.fill_between(of.evaluations, low, high, color=color, alpha=0.2, lw=0)
            axis.plot(of.evaluations, middle, color=color, label=name)
        axis.set_title(title, fontsize="medium")
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("evaluations")
        axis.grid(alpha=0.3, lw=0.5)
    axes[0].set_ylabel("confidence (%)")
    curves, names = axes[0].get_legend_handles_labels()
    figure.legend(curves, names, loc="outside upper center", ncols=len(names), frameon=False)
    save_figure(figure, path)


def draw_images(path: Path, methods: Mapping[str, Outcomes], class_names: Sequence[str]) -> None:
    """The cells in which the second search is farthest ahead of the first, side by side."""
    theirs, ours = methods.values()
    order = np.argsort(theirs.confidence - ours.confidence, kind="stable")[:_NUM_IMAGES]
    cells = [theirs.places[i][0] for i in order]
    tiles = [
        [
            Tile(of.images[i], f"{floored(float(of.confidence[i]))} %", bool(of.predicted[i]))
            for i in order
        ]
        for of in methods.values()
    ]
    heads = [f"{cell.color.name}, {class_names[cell.label]}" for cell in cells]
    draw_gallery(path, tiles, list(methods), heads)
