"""What is shown of the theorems: tables, the growth of the gap, images, and what follows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import lab
from experiments.kumano2020.theory_exact import NEVER
from experiments.kumano2020.theory_models import MODELS
from experiments.kumano2020.theory_study import (
    CERTIFICATE,
    EVOLUTION,
    EXACT,
    LOWER,
    PLAIN,
    PRINTED,
)
from jfool import theory

ORDER = (LOWER, EXACT, EVOLUTION, PLAIN, CERTIFICATE)
PAIR_COLUMNS = {
    ("linear", PRINTED): "printed rule",
    ("linear", CERTIFICATE): "Theorem 1",
    ("linear", EXACT): "exact",
    ("linear", EVOLUTION): "evolution",
    ("hidden", CERTIFICATE): "Algorithm 1",
    ("hidden", EVOLUTION): "evolution ",
    ("kernel", CERTIFICATE): "Algorithm 2",
    ("kernel", EVOLUTION): "evolution  ",
}
BOUNDS = (
    "Beyond two classes the bounds are ours: y_c - y_j >= ln(M / (1 - M)) for every j is "
    "necessary, with ln((K - 1) M / (1 - M)) sufficient, and the latter necessary for their mean, "
    "which gives the lower bound; the greedy choice on ln(p / (1 - p)) gives the upper one, with a "
    "certificate. "
    "For two classes all are the paper's. 'Exact' solves integer programs (HiGHS) with a cut for "
    "every violated distribution over the other classes, until an image has the confidence, or the "
    "lower bound meets the certificate."
)
ERRATA = (
    "Erratum of Theorem 1: the paper chooses between the white and the black base by the sign of "
    "sum(delta_w); that gives reachable images, but not always the best, so its 'only if' fails. "
    "The exact bound, used here, is the larger of both. For delta_w = (4, -1, -1, -1), pixels in "
    "[0, 1] and k = 1 the printed rule gives 2, a white pixel on black 4.",
    "Erratum of Theorem 3 and Algorithm 2: the printed index of a pair in feature space, "
    "D + i + j - 2, is right for D <= 3 only (for D = 4, pairs 1-4 and 2-3 collide). Here the form "
    "Q = sum_n s_n x_n x_n^T is used, which needs no index.",
    "Algorithms 1 and 2 are printed with the condition |I| < n, read here as |I| < k.",
)
COLORS = {"linear": "#1d4ed8", "hidden": "#c2410c", "kernel": "#15803d"}


def tables(s: Any, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """The fewest pixels for two classes and for all, and the growth of the gap."""
    percent = f"{100 * s.search.until:g} %"
    rows = {}
    for _, of in found["pairs"].groups("data"):
        names = dict(of.columns("target", "class_name"))
        for target, name in names.items():
            cells = of.where(target=target).columns("model", "by", "k")
            row = {PAIR_COLUMNS.get((model, by)): pixels(k) for model, by, k in cells}
            rows[f"{name}, not {names[1 - target]}"] = row
    title = (
        f"Two classes: the fewest pixels that give {percent}; linear model, hidden layer, kernel "
        "machine"
    )
    yield lab.table(title, rows, columns=list(PAIR_COLUMNS.values()))

    rows, every = {}, found["all"]
    for model, name in MODELS.items():
        for by in ORDER:
            of = every.where(model=model, by=by)
            if len(of):
                rows[f"{name}: {by}"] = {c: pixels(k) for c, k in of.columns("class_name", "k")}
    title = f"{every['num_classes'][0]} classes: the fewest pixels that give {percent}"
    yield lab.table(title, rows, columns=heads(every))
    yield growth_table(found["curves"], s.growth_ks)


def heads(every: lab.Records) -> list[str]:
    """Names of the classes studied."""
    return list(dict.fromkeys(every["class_name"].tolist()))


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


def pixels(k: int) -> lab.Cell:
    """-1 as "none"."""
    return "none" if k == NEVER else k


def pictures(s: Any, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The growth of the gap, and images."""
    draw_growth(out / "growth.png", found["curves"], s.search.until)
    names = heads(found["pairs"])  # of the first pair first
    yield lab.Picture(
        "growth.png",
        f"The gap that k white pixels on black reach for {names[1]} against {names[0]}: bounds of "
        "the theorems, and what evolution found. The paper's orders of growth are k for the linear "
        "model, D_h k for the hidden layer, k^2 for the kernel machine.",
    )
    rows = []
    for model, name in MODELS.items():
        for by in (CERTIFICATE, EVOLUTION):
            of = found["all"].where(model=model, by=by)
            if len(of):
                shown = [tile(*row) for row in of.columns("image", "k", "confidence")]
                rows.append((f"{name}, {by}", shown))
    orange = "no number of pixels that was tried gives the class the confidence sought"
    lab.draw_gallery(out / "certificates.png", rows, heads(found["all"]), orange=orange)
    yield lab.Picture(
        "certificates.png",
        "Images that the theorems construct, and those that evolution found, with their number of "
        "altered pixels and measured confidence. Without the pixels the black ones have a "
        "confidence of 1 / K.",
    )


def tile(image: np.ndarray, k: int, confidence: float) -> lab.Tile:
    """Captioned with its number of pixels and its confidence."""
    number = "none" if k == NEVER else f"k = {k}"
    return lab.Tile(image, f"{number}\n{lab.floored(confidence)} %", fooled=k != NEVER)


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


def notes(s: Any, found: Mapping[str, Any]) -> Iterator[str]:
    two, every = found["pairs"], found["all"]
    certificates = lab.Records.joined([two.where(by=CERTIFICATE), every.where(by=CERTIFICATE)])
    yield (
        f"{certificates['image'][..., 0].size + len(certificates)} certificates were painted and "
        "shown to the models: predicted and measured confidence differ by at most "
        f"{certificates['error'].max():.1g}."
    )
    known = [fewest(of) for _, of in two.where(model="linear").groups("data", "target")]
    equal = sum(by[CERTIFICATE] == by[LOWER] == by.get(EXACT) for by in known)
    fewer = sum(by[EVOLUTION] < by[CERTIFICATE] for by in known)
    as_few = sum(by[EVOLUTION] == by[CERTIFICATE] for by in known)
    more = sum(by[PRINTED] > by[CERTIFICATE] for by in known)
    yield (
        f"Linear model, two classes: Theorem 1 agrees with the integer program (HiGHS) for {equal} "
        f"of {len(known)} classes; evolution needs fewer pixels for {fewer}, and as few for "
        f"{as_few}. The printed rule asks for more pixels than needed for {more}."
    )
    groups = [*two.rows(two["model"] != "linear").groups("model"), *every.groups("model")]
    for model, of in groups:
        yield from of_evolution(model, of, s.kernel_ks if model == "kernel" else s.ks)
    accuracies = ", ".join(
        f"{MODELS[model]} {of['accuracy'][0]:.1%}" for model, of in every.groups("model")
    )
    yield f"Test accuracy with {every['num_classes'][0]} classes: {accuracies}."
    yield assumptions(s)
    yield BOUNDS
    yield from ERRATA


def fewest(of_class: lab.Records) -> dict[str, float]:
    """Of a class, the number of pixels by theorem or search; no k is more than every k."""
    return {by: np.inf if k == NEVER else k for by, k in of_class.columns("by", "k")}


def of_evolution(model: str, of: lab.Records, ks: Sequence[int]) -> Iterator[str]:
    """How searches with the numbers of pixels `ks` do beside certificates and lower bounds."""
    known = [fewest(of_class) for _, of_class in of.groups("data", "target")]
    for kind in [kind for kind in (EVOLUTION, PLAIN) if kind in known[0]]:
        within = below = 0
        for by in known:
            upper = by[CERTIFICATE]
            within += by[kind] <= min((k for k in ks if k >= upper), default=upper)
            below += by[kind] < by.get(LOWER, -np.inf)
        lower = f", and fewer than the lower bound for {below}" if LOWER in known[0] else ""
        count = of["num_classes"][0]
        yield (
            f"{MODELS[model].capitalize()}, {'two' if count == 2 else count} classes: {kind} "
            "succeeds with as many pixels as the certificate has, or with the next number that was "
            f"tried, for {within} of {len(known)} classes{lower}."
        )


def assumptions(s: Any) -> str:
    return (
        f"Models, our choice (the paper trains none): images in [0, 1], no biases, {s.hidden} "
        f"hidden units, Adam (rate 1e-3, {s.num_steps} steps of {s.batch_size} images); "
        f"the kernel machine by plain gradient descent on its dual (rate {s.kernel_rate:g}, "
        f"{s.kernel_steps} steps). Evolution tried k = {', '.join(map(str, s.ks))} "
        f"(kernel machine: {', '.join(map(str, s.kernel_ks))}) with {s.search.population} "
        f"candidates and up to {s.search.generations} generations, for the linear model on black "
        "and on white, for the others on black. It mutates the fittest and keeps 80 % of the genes "
        f"(crossover rate 0.2); '{PLAIN}' is the paper's own search, which does neither."
    )
