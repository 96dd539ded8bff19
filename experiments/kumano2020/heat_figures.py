"""Figure 10 of paper 000: heat maps of altered pixels, and the numbers behind them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.kumano2020.pixel_maps import Altered, overlap
from experiments.lab import section
from experiments.lab.shown import new_figure, save_figure

Maps = Float[np.ndarray, "K H W"]


def shared_pixels(first: Maps, second: Maps, names: Sequence[str]) -> section.Table:
    """How the pixels of DE and of inversion coincide."""
    found = [overlap(one, other) for one, other in zip(first, second, strict=True)]
    return section.Table(
        title="Pixels that DE alters and inversion too",
        columns=["shared (%)", "by chance (%)", "correlation of the maps"],
        rows=names,
        measured=[
            [section.floored(o.shared), section.floored(o.chance), _number(o.correlation)]
            for o in found
        ],
    )


def draw(path: Path, maps: Mapping[str, Maps], names: Sequence[str]) -> None:
    """Figure 10: methods in rows, classes in columns."""
    figure = new_figure(1.1 * len(names), 1.55 * len(maps) + 0.1)
    axes: Any = figure.subplots(len(maps), len(names), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize="small")
    for row, (method, of_method) in zip(axes, maps.items(), strict=True):
        row[0].set_ylabel(method)
        for axis, one in zip(row, of_method, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_box_aspect(one.shape[0] / one.shape[1])
            if np.isnan(one).any():
                axis.set_facecolor("lightgrey")
                axis.set_xlabel("no SFI", fontsize="small")
                continue
            most = float(one.max())
            axis.imshow(one, cmap="hot", vmin=0, vmax=most or 1.0, interpolation="nearest")
            axis.set_xlabel(f"{100 * most:.0f} %", fontsize="small")
    save_figure(figure, path)


def pixel_counts(method: str, altered: Altered, maps: Maps, names: Sequence[str]) -> section.Table:
    """Of each class, how many images there are, and how their pixels gather."""
    positions = altered.positions().sum((1, 2))
    measured = []
    for label, one in enumerate(maps):
        of_class = positions[altered.labels == label]
        if not len(of_class):
            measured.append([0, None, None, None])
            continue
        touched, most = float((one > 0).mean()), float(one.max())
        measured.append(
            [len(of_class), float(of_class.mean()), 100 * touched, section.floored(most)]
        )
    return section.Table(
        title=f"SFIs by {method}",
        columns=[
            "SFIs",
            "altered pixels of one",
            "pixels altered by any (%)",
            "SFIs that share the commonest pixel (%)",
        ],
        rows=names,
        measured=measured,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
