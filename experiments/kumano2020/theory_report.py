"""What is shown of the theorems: tables, the growth of the gap, a gallery of certificates."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import lab
from experiments.kumano2020.theory_exact import NEVER
from experiments.kumano2020.theory_models import MODELS
from experiments.kumano2020.theory_study import EVOLUTION, Fewest, Study
from jfool import theory

COLORS = {"linear": "#1d4ed8", "hidden": "#c2410c", "kernel": "#15803d"}


def of_model(studies: Sequence[Study], model: str) -> list[Study]:
    return [study for study in studies if study.model == model]


def tables(s: Any, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """Two classes, all classes, and the growth."""
    percent = f"{100 * s.search.until:g} %"
    yield pairs_table(found["pairs"], percent)
    yield classes_table(found["all"], percent)
    yield growth_table(found["curves"], s.growth_ks)


def pairs_table(studies: Sequence[Study], percent: str) -> lab.Table:
    """A row for each class of each pair."""
    columns = ["printed rule", "Theorem 1", "exact", "evolution"]
    columns += ["Algorithm 1", "evolution ", "Algorithm 2", "evolution  "]
    rows, measured = [], []
    for of_class in zip(*(of_model(studies, name) for name in MODELS), strict=True):
        linear = of_class[0]
        names, i = linear.class_names, linear.target
        rows.append(f"{names[i]}, not {names[1 - i]}")
        both = [(study.certificate.k, study.evolved[EVOLUTION].k) for study in of_class]
        (theorem, evolved), hidden, kernel = both
        cells = (linear.printed, theorem, linear.exact, evolved, *hidden, *kernel)
        measured.append([pixels(k) for k in cells])
    title = (
        f"Two classes: the fewest pixels that give {percent}; linear model, hidden layer, kernel "
        "machine"
    )
    return lab.Table(title, columns, rows, measured)


def classes_table(studies: Sequence[Study], percent: str) -> lab.Table:
    """A column for each class; rows of which nothing is said are left out."""
    rows, measured = [], []
    for model, name in MODELS.items():
        of = of_model(studies, model)
        lines = {
            "lower bound": [study.lower for study in of],
            "exact": [study.exact for study in of],
            **{kind: [study.evolved[kind].k for study in of] for kind in of[0].evolved},
            "certificate": [study.certificate.k for study in of],
        }
        for what, cells in lines.items():
            if any(k is not None for k in cells):
                rows.append(f"{name}: {what}")
                measured.append([pixels(k) for k in cells])
    count = len(studies[0].class_names)
    title = f"{count} classes: the fewest pixels that give {percent}"
    return lab.Table(title, heads(studies), rows, measured)


def heads(studies: Sequence[Study]) -> list[str]:
    """Names of the classes studied."""
    first = of_model(studies, studies[0].model)
    return [study.class_names[study.target] for study in first]


def growth_table(curves: lab.Records, ks: Sequence[int]) -> lab.Table:
    """The reachable gap at some k, what evolution found, and how fast the bound grows there."""
    rows, measured = [], []
    for label, of in curves.groups("label"):
        bound, found = of["bound"], of["found"][list(ks)]
        rows.append(f"{label}: bound")
        measured.append(bound[list(ks)].tolist())
        if not np.isnan(found).all():
            rows.append(f"{label}: found by evolution")
            measured.append(found.tolist())
        rows.append(f"{label}: exponent from k to 2k")
        measured.append([exponent(bound, k) for k in ks])
    title = "Growth of the gap y_1 - y_2 with k, white pixels on black"
    return lab.Table(title, [f"k = {k}" for k in ks], rows, measured)


def exponent(bound: np.ndarray, k: int) -> float | None:
    """log2 of gap(2k) / gap(k): 1 where it grows as k, 2 where it grows as k^2."""
    if 2 * k >= len(bound):
        return None
    return float(np.log2(bound[2 * k] / bound[k])) if bound[k] > 0 else float("nan")


def pixels(number: int | None) -> lab.Cell:
    """-1 as "none"."""
    return "none" if number == NEVER else number


def pictures(s: Any, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The growth of the gap, and images."""
    draw_growth(out / "growth.png", found["curves"], s.search.until)
    names = found["pairs"][0].class_names
    yield lab.Picture(
        "growth.png",
        f"The gap that k white pixels on black reach for {names[1]} against {names[0]}: bounds of "
        "the theorems, and what evolution found. The paper's orders of growth are k for the linear "
        "model, D_h k for the hidden layer, k^2 for the kernel machine.",
    )
    rows = []
    for model, name in MODELS.items():
        of = of_model(found["all"], model)
        rows.append((f"{name}, certificate", [tile(study.certificate) for study in of]))
        if EVOLUTION in of[0].evolved:
            rows.append((f"{name}, evolution", [tile(study.evolved[EVOLUTION]) for study in of]))
    orange = "no number of pixels that was tried gives the class the confidence sought"
    lab.draw_gallery(out / "certificates.png", rows, heads(found["all"]), orange=orange)
    yield lab.Picture(
        "certificates.png",
        "Images that the theorems construct, and those that evolution found, with their number of "
        "altered pixels and measured confidence. Without the pixels the black ones have a "
        "confidence of 1 / K.",
    )


def tile(best: Fewest) -> lab.Tile:
    """Captioned with its number of pixels and its confidence."""
    number = "none" if best.k == NEVER else f"k = {best.k}"
    caption = f"{number}\n{lab.floored(best.confidence)} %"
    return lab.Tile(best.image, caption, fooled=best.k != NEVER)


def draw_growth(path: Path, curves: lab.Records, confidence: float) -> None:
    """Gap against k, both logarithmic: certificates as lines, what was found as dots; beside the
    first curve k is drawn, beside the last k^2."""
    figure = lab.new_figure(6.4, 4.4)
    axes = figure.subplots()
    most = curves["k"].max()
    parts = [(model, label, of) for (model, label), of in curves.groups("model", "label")]
    for i, (model, label, of) in enumerate(parts):
        style = ("-", "--", ":", "-.")[[other for other, _, _ in parts[:i]].count(model) % 4]
        k, bound, found = (of[name][1:] for name in ("k", "bound", "found"))
        axes.plot(k, bound, style, color=COLORS[model], label=label, linewidth=1.6)
        axes.plot(k, found, "o", color=COLORS[model], markersize=5, markerfacecolor="white")
    axes.plot([], [], "o", color="#1a1a1a", markerfacecolor="white", label="found by evolution")
    gap = float(theory.log_odds_of(confidence))
    axes.axhline(gap, color="#767676", linewidth=0.8)
    gray = {"color": "#767676", "fontsize": 8}
    text = f"{100 * confidence:g} % confidence"
    axes.text(0.95 * most, gap * 0.92, text, ha="right", va="top", **gray)
    for (_, _, of), power in ((parts[0], 1), (parts[-1], 2)):
        k = np.array([1.0, 24.0])
        line = 0.6 * of["bound"][1] * k**power
        axes.plot(k, line, color="#b4b4b4", linewidth=0.8)
        axes.text(25.0, line[1], f"$k^{power}$", va="center", **gray)
    bound = curves["bound"]
    least = bound[bound > 0].min(initial=np.inf)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="altered pixels k, white on black",
        ylabel="gap of the logits $y_1 - y_2$",
        xlim=(0.9, most),
        ylim=(least / 2 if np.isfinite(least) else 0.5, None),
    )
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    lab.save_figure(figure, path)
