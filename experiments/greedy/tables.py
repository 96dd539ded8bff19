"""Tables of the comparison of searches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from experiments import lab

Methods = Mapping[str, lab.Records]  # by name; of two the second is the greedy search
LEGIBLE = 0.1  # a confidence below it is no fooling image of ImageNet by either search
QUARTILES = (0.25, 0.5, 0.75)


def charged(of: lab.Records, budget: int) -> Float[np.ndarray, " R"]:
    """Images shown until the threshold was reached, or the whole budget where it was not."""
    reached = of["reached"]
    return np.where(np.isnan(reached), budget, reached)


def score(of: lab.Records, threshold: float) -> tuple[int, float]:
    """By which a variant is chosen: cells at the threshold, then the mean confidence."""
    confidence = of["confidence"]
    return int((confidence >= threshold).sum()), float(confidence.mean())


def cell_tables(s: Any, methods: Methods, class_names: Sequence[str]) -> Iterator[lab.Table]:
    """The comparison as a whole, and cell by cell: confidence, and evaluations to the threshold."""
    theirs, ours = methods.values()
    percent, heads = f"{100 * s.threshold:g} %", " | ".join(methods)
    yield _summary(s, methods, percent)
    yield _grid(
        f"Confidence (%), {heads}",
        methods,
        class_names,
        lambda of: [str(lab.floored(confidence)) for confidence in of["confidence"].tolist()],
        ours["confidence"] >= s.threshold,
    )
    yield _grid(
        f"Evaluations to {percent}, {heads}",
        methods,
        class_names,
        lambda of: [_thousands(number) for number in of["reached"]],
        charged(ours, s.budget) < charged(theirs, s.budget),
    )


def _summary(s: Any, methods: Methods, percent: str) -> lab.Table:
    theirs, ours = methods.values()
    rows = {}
    for (name, mine), other in zip(methods.items(), (ours, theirs), strict=True):
        confidence, spent = mine["confidence"], charged(mine, s.budget)
        at_threshold = confidence >= s.threshold
        rows[name] = {
            **{
                f"confidence (%), {q}": lab.floored(float(np.quantile(confidence, x)))
                for q, x in zip(
                    ("lower quartile", "median", "upper quartile"), QUARTILES, strict=True
                )
            },
            "mean (%)": lab.floored(float(confidence.mean())),
            f"cells at {percent}": int(at_threshold.sum()),
            "of them, the other's not": int(
                (at_threshold & (other["confidence"] < s.threshold)).sum()
            ),
            **{
                f"evaluations to {percent}, {q}": int(np.quantile(spent, x))
                for q, x in zip(("lower", "median", "upper"), QUARTILES, strict=True)
            },
        }
    medians = [float(np.median(charged(of, s.budget))) for of in methods.values()]
    ratio = f"median of the first over the second: {medians[0] / medians[1]:.1f}"
    return lab.table(
        f"{len(ours)} cells, {s.budget:,} evaluations each; those to {percent} count "
        f"{s.budget:,} where it was not reached ({ratio})",
        rows,
    )


def _grid(
    title: str,
    methods: Methods,
    class_names: Sequence[str],
    texts: Callable[[lab.Records], list[str]],
    bold: Bool[np.ndarray, " R"],
) -> lab.Table:
    """Colors down, classes across, the searches side by side in a cell."""
    first = next(iter(methods.values()))
    colors = list(dict.fromkeys(first["color"].tolist()))
    cells: list[list[lab.Cell]] = [[None] * len(class_names) for _ in colors]
    set_off = [[False] * len(class_names) for _ in colors]
    told = [" | ".join(of) for of in zip(*map(texts, methods.values()), strict=True)]
    for (color, target), text, is_bold in zip(
        first.columns("color", "target"), told, bold.tolist(), strict=True
    ):
        cells[colors.index(color)][target] = text
        set_off[colors.index(color)][target] = is_bold
    return lab.Table(title, list(class_names), colors, cells, bold=set_off)


def pilot_table(s: Any, trials: Methods) -> lab.Table:
    """The variants of differential evolution on the cells of the pilot."""
    best = best_of(trials, s.threshold)
    percent = f"{100 * s.threshold:g} %"
    number = len(trials[best])
    return lab.Table(
        f"Pilot: {number} cells, {s.pilot_budget:,} evaluations each, {s.population} candidates",
        [f"cells at {percent}", "median (%)", "mean (%)", f"median to {percent}"],
        list(trials),
        [
            [
                score(of, s.threshold)[0],
                lab.floored(float(np.median(of["confidence"]))),
                lab.floored(float(of["confidence"].mean())),
                int(np.median(charged(of, s.pilot_budget))),
            ]
            for of in trials.values()
        ],
        bold=[[name == best] * 4 for name in trials],
    )


def best_of(trials: Methods, threshold: float) -> str:
    """The method with the highest score."""
    return max(trials, key=lambda name: score(trials[name], threshold))


def imagenet_table(s: Any, methods: Methods, names: Sequence[str], network: str) -> lab.Table:
    """ImageNet, class by class, and in how many the greedy search is ahead."""
    theirs, ours = (of["confidence"] for of in methods.values())
    ahead, either = ours > theirs, np.maximum(ours, theirs) >= LEGIBLE
    return lab.Table(
        f"{network}: {s.imagenet_k} pixels on grey, {s.imagenet_budget:,} evaluations each; greedy "
        f"is ahead in {int((ahead & either).sum())} of the {int(either.sum())} classes in which "
        f"either reaches {100 * LEGIBLE:g} %, and in {int(ahead.sum())} of all {len(ahead)}",
        [f"{name} (%)" for name in methods],
        [names[target] for target in next(iter(methods.values()))["target"]],
        (100 * np.stack([theirs, ours], 1).astype(float)).tolist(),
        bold=np.stack([ours < theirs, ahead], 1).tolist(),
    )


def _thousands(number: float) -> str:
    return "-" if np.isnan(number) else f"{number / 1000:.1f}k"
