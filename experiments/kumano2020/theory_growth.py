"""How the reachable logit gap grows with the number of pixels (paper 000, sec. 4.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.lab.gallery import DPI
from models.cache import replacing

COLORS = {"linear": "#1d4ed8", "hidden": "#c2410c", "kernel": "#15803d"}


@dataclass(frozen=True, eq=False)
class Curve:
    """
    model: of `COLORS`.
    label: in the legend.
    bound: `[n + 1]`, the gap of the certificates for k = 0..n.
    found: gap by k, of what differential evolution found; may be empty.
    """

    model: str
    label: str
    bound: np.ndarray
    found: Mapping[int, float]


def exponent(bound: Sequence[float] | np.ndarray, k: int) -> float:
    """log2 of gap(2k) / gap(k): 1 where it grows as k, 2 where it grows as k^2."""
    return float(np.log2(bound[2 * k] / bound[k])) if bound[k] > 0 else float("nan")


def draw_growth(path: Path, curves: Sequence[Curve], gap: float, confidence: float) -> None:
    """Gap against k, both logarithmic: certificates as lines, what was found as dots.

    Args:
      path: of the PNG.
      curves: of one or more models; beside the first k is drawn, beside the last k^2.
      gap: that the confidence needs, drawn as a line.
      confidence: named beside it.
    """
    figure = Figure(figsize=(6.4, 4.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    most = max(len(curve.bound) for curve in curves) - 1
    for i, curve in enumerate(curves):
        earlier = [other.model for other in curves[:i]].count(curve.model)
        style, color = ("-", "--", ":", "-.")[earlier % 4], COLORS[curve.model]
        k = np.arange(1, len(curve.bound))
        axes.plot(k, curve.bound[1:], style, color=color, label=curve.label, linewidth=1.6)
        at, gaps = list(curve.found), list(curve.found.values())
        axes.plot(at, gaps, "o", color=color, markersize=5, markerfacecolor="white")
    axes.plot([], [], "o", color="#1a1a1a", markerfacecolor="white", label="found by evolution")
    axes.axhline(gap, color="#767676", linewidth=0.8)
    said = f"{100 * confidence:g} % confidence"
    axes.text(0.95 * most, gap * 0.92, said, color="#767676", fontsize=8, ha="right", va="top")
    for curve, power in ((curves[0], 1), (curves[-1], 2)):
        k = np.array([1.0, 24.0])
        axes.plot(k, 0.6 * curve.bound[1] * k**power, color="#b4b4b4", linewidth=0.8)
        end = 25.0, 0.6 * curve.bound[1] * k[1] ** power
        axes.text(*end, f"$k^{power}$", color="#767676", fontsize=9, va="center")
    positive = [value for curve in curves for value in curve.bound[1:] if value > 0]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="altered pixels k, white on black",
        ylabel="gap of the logits $y_1 - y_2$",
        xlim=(0.9, most),
        ylim=(min(positive, default=1.0) / 2, None),
    )
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")
