"""Tables and notes of the comparison of searches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.kumano2020.published import PAPER_K
from experiments.lab import section
from experiments.lab.imagenet import ImageNetVictim
from experiments.lab.recorded import Outcomes
from experiments.lab.section import Cell, floored
from experiments.lab.victims import split_spec, tested

_REACHED = 0.1  # a confidence below it is no fooling image of ImageNet by either search

Both = Mapping[str, Outcomes]  # differential evolution, then greedy, by their names


def score(outcomes: Outcomes, threshold: float) -> tuple[int, float]:
    """By which a variant is chosen: cells at the threshold, then the mean confidence."""
    return int((outcomes.confidence >= threshold).sum()), float(outcomes.confidence.mean())


def tables(config: Any, both: Both, class_names: Sequence[str]) -> list[section.Table]:
    """The comparison as a whole, and cell by cell: confidence, and evaluations to the threshold."""
    theirs, ours = both.values()
    percent = f"{100 * config.threshold:g} %"
    confidences = [of.confidence for of in both.values()]
    return [
        _summary(config, both, percent),
        _grid(
            f"Confidence (%), {' | '.join(both)}",
            theirs,
            class_names,
            [[str(floored(float(c))) for c in confidence] for confidence in confidences],
            ours.confidence >= config.threshold,
        ),
        _grid(
            f"Evaluations to {percent}, {' | '.join(both)}",
            theirs,
            class_names,
            [[_thousands(number) for number in of.reached] for of in both.values()],
            ours.charged(config.budget) < theirs.charged(config.budget),
        ),
    ]


def _summary(config: Any, both: Both, percent: str) -> section.Table:
    theirs, ours = both.values()
    charged = [of.charged(config.budget) for of in both.values()]
    alone = [
        (mine.confidence >= config.threshold) & (other.confidence < config.threshold)
        for mine, other in ((theirs, ours), (ours, theirs))
    ]
    rows = [
        [
            *(floored(float(np.quantile(of.confidence, q))) for q in (0.25, 0.5, 0.75)),
            floored(float(of.confidence.mean())),
            int((of.confidence >= config.threshold).sum()),
            int(only.sum()),
            *(int(np.quantile(spent, q)) for q in (0.25, 0.5, 0.75)),
        ]
        for of, only, spent in zip(both.values(), alone, charged, strict=True)
    ]
    medians = [float(np.median(spent)) for spent in charged]
    ratio = f"median of the first over the second: {medians[0] / medians[1]:.1f}"
    return section.Table(
        title=f"{len(theirs.confidence)} cells, {config.budget:,} evaluations each; those to "
        f"{percent} count {config.budget:,} where it was not reached ({ratio})",
        columns=[
            *(f"confidence (%), {name}" for name in ("lower quartile", "median", "upper quartile")),
            "mean (%)",
            f"cells at {percent}",
            "of them, the other's not",
            *(f"evaluations to {percent}, {name}" for name in ("lower", "median", "upper")),
        ],
        rows=list(both),
        measured=rows,
    )


def _grid(
    title: str,
    outcomes: Outcomes,
    class_names: Sequence[str],
    texts: Sequence[Sequence[str]],
    bold: Any,
) -> section.Table:
    """Colours down, classes across, the searches side by side in a cell."""
    colors = list(dict.fromkeys(place[0].color.name for place in outcomes.places))
    shape = len(colors), len(class_names)
    cells: list[list[Cell]] = [[None] * shape[1] for _ in colors]
    set_off = [[False] * shape[1] for _ in colors]
    for i, (cell, _, _) in enumerate(outcomes.places):
        row = colors.index(cell.color.name)
        cells[row][cell.label] = " | ".join(of[i] for of in texts)
        set_off[row][cell.label] = bool(bold[i])
    return section.Table(title, list(class_names), colors, cells, bold=set_off)


def pilot_table(config: Any, trials: Mapping[str, Outcomes]) -> section.Table:
    """The variants of differential evolution on the cells of the pilot."""
    best = max(trials, key=lambda name: score(trials[name], config.threshold))
    rows = [
        [
            score(of, config.threshold)[0],
            floored(float(np.median(of.confidence))),
            floored(float(of.confidence.mean())),
            int(np.median(of.charged(config.pilot_budget))),
        ]
        for of in trials.values()
    ]
    number = len(next(iter(trials.values())).confidence)
    percent = f"{100 * config.threshold:g} %"
    return section.Table(
        title=f"Pilot: {number} cells, {config.pilot_budget:,} evaluations each, "
        f"{config.population} candidates",
        columns=[f"cells at {percent}", "median (%)", "mean (%)", f"median to {percent}"],
        rows=list(trials),
        measured=rows,
        bold=[[name == best] * 4 for name in trials],
    )


def compared(config: Any, both: Both, names: Sequence[str], network: str) -> section.Table:
    """ImageNet, class by class, and in how many the greedy search is ahead."""
    theirs, ours = both.values()
    ahead, behind = ours.confidence > theirs.confidence, ours.confidence < theirs.confidence
    either = np.maximum(ours.confidence, theirs.confidence) >= _REACHED
    return section.Table(
        title=f"{network}: {config.imagenet_k} pixels on grey, {config.imagenet_budget:,} "
        f"evaluations each; greedy is ahead in {int((ahead & either).sum())} of the "
        f"{int(either.sum())} classes in which either reaches {100 * _REACHED:g} %, and in "
        f"{int(ahead.sum())} of all {len(ahead)}",
        columns=[f"{name} (%)" for name in both],
        rows=[names[place[0].label] for place in theirs.places],
        measured=[
            [100 * float(of.confidence[i]) for of in both.values()] for i in range(len(ahead))
        ],
        bold=[[bool(other), bool(mine)] for other, mine in zip(behind, ahead, strict=True)],
    )


def notes(
    config: Any,
    card: Mapping[str, Any],
    victim: ImageNetVictim,
    num_variants: int,
    both: Both,
) -> list[str]:
    """Who is attacked, how a variant was chosen, and the paper's open question."""
    name, weights = split_spec(config.network)
    origin = f"weights of {weights.name}" if weights else f"trained here, seed {card.get('seed')}"
    texts = [
        f"{tested(f'{name} ({origin})', card)}.",
        victim.note,
        "GreedyPixels is jfool's own, from no paper. It asks for no gradients; both searches are "
        "charged one evaluation for each image they show to the network.",
        f"The variant of differential evolution is the best of {num_variants} on the pilot: by the "
        f"cells at {100 * config.threshold:g} %, then by the mean confidence. The paper's own "
        "climbs the confidence with rand/1.",
        f"ImageNet: differential evolution has {config.imagenet_population} candidates there.",
        f"Bold: cells that GreedyPixels brings to {100 * config.threshold:g} %, cells where it "
        "gets there in fewer evaluations, the variant chosen on the pilot, and on ImageNet the "
        "higher confidence.",
    ]
    if config.until is not None:
        texts.append(
            f"A search ends at {100 * config.until:g} % confidence, which the tables print as "
            f"{floored(config.until)}."
        )
    ours = list(both.values())[1]
    if config.dataset == "cifar10" and config.k == PAPER_K:
        texts += _blue_car(ours, name)
    return texts


def _blue_car(outcomes: Outcomes, network: str) -> list[str]:
    """The answer to the paper's question, for this network, if the cell is among those searched."""
    for i, (cell, _, _) in enumerate(outcomes.places):
        if (cell.color.name, cell.label) == ("blue", 1):
            confidence = f"{100 * float(outcomes.confidence[i]):.1f} %"
            found = "here they are one with" if outcomes.predicted[i] else "nor here: at most"
            return [
                f"The paper asks whether {PAPER_K} pixels on blue can be a car, which its search "
                f"never found: {found} {confidence}, for {network}."
            ]
    return []


def _thousands(number: float) -> str:
    return "-" if np.isnan(number) else f"{number / 1000:.1f}k"
