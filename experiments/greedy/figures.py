"""Figures of the comparison of searches: confidence against evaluations, and images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

from experiments import lab
from experiments.greedy.tables import Methods

_COLORS = ("#767676", "#1f6fb4")
_NUM_IMAGES = 10


def draw_curves(path: Path, panels: Mapping[str, Methods]) -> None:
    """One panel for each set of cells, by its title."""
    figure = lab.new_figure(4.2 * len(panels), 3.2)
    axes: Any = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, methods) in zip(axes, panels.items(), strict=True):
        for (name, of), color in zip(methods.items(), _COLORS, strict=True):
            low, middle, high = 100 * np.quantile(of["history"], (0.25, 0.5, 0.75), axis=0)
            evaluations = of["evaluations"][0]
            axis.fill_between(evaluations, low, high, color=color, alpha=0.2, lw=0)
            axis.plot(evaluations, middle, color=color, label=name)
        axis.set_title(title, fontsize="medium")
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("evaluations")
        axis.grid(alpha=0.3, lw=0.5)
    axes[0].set_ylabel("confidence (%)")
    curves, names = axes[0].get_legend_handles_labels()
    figure.legend(curves, names, loc="outside upper center", ncols=len(names), frameon=False)
    lab.save_figure(figure, path)


def draw_images(path: Path, methods: Methods, class_names: Sequence[str]) -> None:
    """The cells in which the second search is farthest ahead of the first, side by side."""
    theirs, ours = methods.values()
    order = np.argsort(theirs["confidence"] - ours["confidence"], kind="stable")[:_NUM_IMAGES]
    cells = theirs.rows(order).columns("color", "target")
    heads = [f"{color}, {class_names[target]}" for color, target in cells]
    rows = [row for of in methods.values() for row in lab.tiles(of.rows(order), "method")]
    lab.draw_gallery(path, rows, heads)
