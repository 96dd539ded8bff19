"""Tables of the comparison: as a whole, cell by cell, the pilot, and ImageNet. `N` cells."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from experiments import lab

QUARTILES = {"lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75}
REACHED = 0.1  # a lower confidence on ImageNet is no success of either search


def score(of: lab.Records, threshold: float) -> tuple[int, float]:
    """By which a variant is chosen: cells at the threshold, then the mean confidence."""
    return int((of["confidence"] >= threshold).sum()), float(of["confidence"].mean())


def charged(of: lab.Records, budget: int) -> Float[np.ndarray, " N"]:
    """Evaluations to the threshold; the whole budget where it was not reached."""
    return np.where(np.isnan(of["reached"]), budget, of["reached"])


def summary(
    s: Any, of: lab.Records, budget: int, other: lab.Records | None = None
) -> dict[str, lab.Cell]:
    """Of one method, beside the same cells by another one."""
    p, spent = of["confidence"], charged(of, budget)
    quartiles = {name: lab.floored(float(np.quantile(p, q))) for name, q in QUARTILES.items()}
    found: dict[str, lab.Cell] = {f"confidence (%), {name}": c for name, c in quartiles.items()}
    found["mean (%)"] = lab.floored(float(p.mean()))
    found[f"cells at {s.percent}"] = int((p >= s.threshold).sum())
    if other is not None:
        alone = (p >= s.threshold) & (other["confidence"] < s.threshold)
        found["of them, the other's not"] = int(alone.sum())
    for name, q in QUARTILES.items():
        found[f"evaluations to {s.percent}, {name}"] = int(np.quantile(spent, q))
    return found


def small_tables(s: Any, small: lab.Records, names: Sequence[str]) -> list[lab.Table]:
    """The whole, and by color and class the confidence and the evaluations to the threshold."""
    both = dict(small.groups("method"))
    theirs, ours = both.values()
    spent = [charged(of, s.budget) for of in both.values()]
    ratio = float(np.median(spent[0]) / np.median(spent[1]))
    title = (
        f"{len(ours)} cells, {s.budget:,} evaluations each; those to {s.percent} count "
        f"{s.budget:,} where it was not reached (median of the first over the second: {ratio:.1f})"
    )
    others = zip(both.items(), (ours, theirs), strict=True)
    measured = {name: summary(s, of, s.budget, other) for (name, of), other in others}
    percents = [[lab.floored(p) for p in of["confidence"].tolist()] for of in (theirs, ours)]
    counts = [[thousands(n) for n in of["reached"].tolist()] for of in (theirs, ours)]
    colors, heads = list(dict.fromkeys(ours["color"].tolist())), " | ".join(both)

    def grid(title: str, cells: Any, bold: Bool[np.ndarray, " N"]) -> lab.Table:
        pairs = np.array([f"{first} | {second}" for first, second in zip(*cells, strict=True)])
        laid_out = [of.reshape(len(colors), -1).tolist() for of in (pairs, bold)]
        return lab.Table(f"{title}, {heads}", names, colors, laid_out[0], bold=laid_out[1])

    return [
        lab.table(title, measured),
        grid("Confidence (%)", percents, ours["confidence"] >= s.threshold),
        grid(f"Evaluations to {s.percent}", counts, spent[1] < spent[0]),
    ]


def thousands(number: float) -> str:
    return "-" if np.isnan(number) else f"{number / 1000:.1f}k"


def pilot_table(s: Any, trials: lab.Records, chosen: str) -> lab.Table:
    """The variants of differential evolution; the chosen one is bold."""
    measured = {name: summary(s, of, s.pilot_budget) for name, of in trials.groups("method")}
    median = f"evaluations to {s.percent}, median"
    columns = [f"cells at {s.percent}", "confidence (%), median", "mean (%)", median]
    count, budget = len(trials) // len(measured), f"{s.pilot_budget:,} evaluations each"
    title = f"Pilot: {count} cells, {budget}, {s.population} candidates"
    bold = [[name == chosen] * len(columns) for name in measured]
    return dataclasses.replace(lab.table(title, measured, columns=columns), bold=bold)


def imagenet_table(s: Any, large: lab.Records, names: Sequence[str], network: str) -> lab.Table:
    """Confidence for each class; the higher one is bold."""
    both = dict(large.groups("method"))
    theirs, ours = (of["confidence"].astype(float) for of in both.values())
    ahead, either = ours > theirs, np.maximum(ours, theirs) >= REACHED
    targets = large.where(method=next(iter(both)))["target"]
    return lab.Table(
        f"{network}: {s.imagenet_k} pixels on grey, {s.imagenet_budget:,} evaluations each; greedy "
        f"is ahead in {(ahead & either).sum()} of the {either.sum()} classes in which either "
        f"reaches {100 * REACHED:g} %, and in {ahead.sum()} of all {len(ahead)}",
        columns=[f"{name} (%)" for name in both],
        rows=[names[int(target)] for target in targets],
        measured=(100 * np.stack([theirs, ours], 1)).tolist(),
        bold=np.stack([theirs > ours, ahead], 1).tolist(),
    )
