"""Figures of feature inversion: the price of sparsity, and pairs of images with like features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.kumano2020.inverted import Found
from experiments.lab.colors import Color
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.section import floored
from experiments.lab.shown import new_figure, save_figure

_MOST = 10  # images side by side


def draw_curve(
    path: Path,
    colors: Sequence[Color],
    lambdas: Sequence[float],
    found: Found,
    natural: float,
    num_pixels: int,
) -> None:
    """Median cosine, with quartiles, against the median share of altered pixels, by lambda."""
    figure = new_figure(6.4, 4)
    axes = figure.add_subplot()
    for c, color in enumerate(colors):
        share = 100 * np.median(found.altered[c], axis=1) / num_pixels
        low, middle, high = np.percentile(found.cosine[c], (25, 50, 75), axis=1)
        axes.errorbar(
            share,
            middle,
            (middle - low, high - middle),
            marker="o",
            capsize=2,
            color="0.6" if color.name == "white" else color.rgb,
            label=f"{color.name} base",
        )
        if c == 0:
            for x, y, weight in zip(share, middle, lambdas, strict=True):
                at = {"xytext": (0, -8), "textcoords": "offset points", "rotation": 60}
                axes.annotate(f"{weight:g}", (x, y), size=7, ha="right", va="top", **at)
    axes.axhline(natural, color="0.5", linestyle="--", label="two natural images of a class")
    axes.axvline(25, color="0.85", zorder=0)
    axes.set(
        xscale="log",
        xlabel="altered pixels, percent of all (exactly counted)",
        ylabel="cosine of features: median, quartiles",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def draw_pairs(
    path: Path,
    originals: np.ndarray | None,
    base: np.ndarray,
    class_names: Sequence[str],
    lambdas: Sequence[float],
    found: Found,
    color: int,
    shown: Sequence[int],
    rows: Sequence[int],
) -> None:
    """What was found at some lambdas, below the natural images if they are given; the last row
    shows the last lambda's altered pixels as far from the base as they can be."""
    rows = list(rows)[:_MOST]
    tiles, labels = [], []
    if originals is not None:
        tiles.append([Tile(originals[i], "") for i in rows])
        labels.append("natural")
    for w in shown:
        tiles.append([_tile(found, (color, w, i)) for i in rows])
        labels.append(f"lambda\n{lambdas[w]:g}")
    tiles.append([Tile(_stretched(found.images[color, shown[-1], i], base), "") for i in rows])
    labels.append("stretched")
    names = [class_names[int(found.labels[i])] for i in rows]
    draw_gallery(
        path,
        tiles,
        labels,
        names,
        subtitle="cosine of the deep features to the natural image's, confidence, altered pixels",
        orange="less than 50 % confidence",
    )


def _stretched(image: np.ndarray, base: np.ndarray) -> np.ndarray:
    alpha = image - base
    return np.clip(base + alpha / max(np.abs(alpha).max(), 1e-6), 0, 1)


def _tile(found: Found, at: tuple[int, int, int]) -> Tile:
    confidence = found.confidence[at]
    caption = f"{found.cosine[at]:.2f}, {floored(float(confidence))} %\n{found.altered[at]} px"
    return Tile(found.images[at], caption, bool(confidence >= 0.5))
