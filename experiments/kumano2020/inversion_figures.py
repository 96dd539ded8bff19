"""Figures of feature inversion: the price of sparsity, and pairs of images with like features.

Both take records with `color`, `base`, `l1_weight`, `natural` (a number), `target`, `image`,
`confidence`, `cosine` and `altered`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from experiments.lab.figures import new_figure, save_figure
from experiments.lab.gallery import Row, Tile, draw_gallery
from experiments.lab.records import Records
from experiments.lab.section import floored

_MOST = 10  # images side by side


def draw_curve(path: Path, inversions: Records, natural: float, num_pixels: int) -> None:
    """Median cosine, with quartiles, against the median share of altered pixels, by lambda.

    Args:
      path: of the picture; replaced whole.
      inversions: of all colors and lambdas.
      natural: cosine of two natural images of a class.
      num_pixels: of an image.
    """
    figure = new_figure(6.4, 4)
    axes = figure.add_subplot()
    for number, (color, of_color) in enumerate(inversions.groups("color")):
        groups = dict(of_color.groups("l1_weight"))
        share = [100 * np.median(of["altered"]) / num_pixels for of in groups.values()]
        quartiles = np.array([np.percentile(of["cosine"], (25, 50, 75)) for of in groups.values()])
        low, middle, high = quartiles.T
        shade = "0.6" if color == "white" else np.resize(of_color["base"][0], 3)
        spread = (middle - low, high - middle)
        style = {"marker": "o", "capsize": 2, "color": shade, "label": f"{color} base"}
        axes.errorbar(share, middle, spread, **style)
        for x, y, weight in zip(share, middle, groups, strict=True) if not number else ():
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
    save_figure(figure, path)


def draw_pairs(
    path: Path,
    of: Records,
    lambdas: Sequence[float],
    names: Sequence[str],
    natural: Float[np.ndarray, "N H W C"] | None,
) -> None:
    """Inversions on one color at some lambdas, below the natural images if they are given. The last
    row shows the last lambda's altered pixels as far from the base as possible."""
    shown = [of.where(l1_weight=weight).rows(slice(_MOST)) for weight in lambdas]
    heads: list[int] = shown[-1]["target"].tolist()
    rows: list[Row] = []
    if natural is not None:
        rows.append(("natural", [Tile(natural[i], "") for i in shown[-1]["natural"]]))
    for weight, of_lambda in zip(lambdas, shown, strict=True):
        cells = of_lambda.columns("image", "cosine", "confidence", "altered")
        tiles = [Tile(x, f"{c:.2f}, {floored(p)} %\n{n} px", p >= 0.5) for x, c, p, n in cells]
        rows.append((f"lambda\n{weight:g}", tiles))
    base = shown[-1]["base"][:, None, None]
    alpha = shown[-1]["image"] - base
    furthest = np.abs(alpha).max((1, 2, 3), keepdims=True).clip(1e-6)
    rows.append(("stretched", [Tile(x, "") for x in np.clip(base + alpha / furthest, 0, 1)]))
    draw_gallery(
        path,
        rows,
        [names[target] for target in heads],
        subtitle="cosine of the deep features to the natural image's, confidence, altered pixels",
        orange="less than 50 % confidence",
    )
