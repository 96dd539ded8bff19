"""Tables 14 and 15 of paper 000, and what it reads off them."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from experiments.kumano2020.published import ARCHITECTURES, GREYS, PAPER_K, TABLE_OF, Fooled
from experiments.lab.fooled_network import Outcome
from experiments.lab.grid_search import Grid, smaller_note
from experiments.lab.section import Cell, Table, floored
from experiments.lab.victims import how, tested

NETWORKS = ("mlp", "cnn", "cnn_nopool", "capsnet")  # as the paper lists them

Paper = Mapping[str, Fooled]

_OF_THE_PAPER = 500 * 1001, 10  # evaluations a search, searches a cell


def tables(
    dataset: str, class_names: Sequence[str], outcomes: Mapping[str, Outcome]
) -> list[Table]:
    """The highest confidences, how many reach the natural one, and CapsNet's capsules.

    Args:
      dataset: whose paper's table is set beside, if it has one.
      class_names: of the columns.
      outcomes: by architecture; at least one.
    """
    like_paper = all(outcome.settings["k"] == PAPER_K for outcome in outcomes.values())
    paper = ARCHITECTURES.get(dataset, {}) if like_paper else {}
    number = f", as in table {TABLE_OF[dataset]}" if paper else ""
    made = [_highest(class_names, outcomes, paper, number), _summary(outcomes, paper)]
    if "capsnet" in outcomes:
        made.append(_capsules(class_names, outcomes["capsnet"]))
    return made


def most_vulnerable(counts: Mapping[str, int | None]) -> list[str]:
    """Of the networks, those with the most cells at natural confidence, if any has one."""
    known = {name: count for name, count in counts.items() if count}
    return [name for name, count in known.items() if count == max(known.values())]


def _is_one_of(first: Sequence[str], name: str) -> str:
    """Whether a network is the most vulnerable one, alone or beside others."""
    return "no" if name not in first else "yes" if len(first) == 1 else "as others"


def bold(outcome: Outcome) -> list[list[bool]]:
    """Which cells reach the mean natural confidence, both in whole percent as printed."""
    least = floored(outcome.natural_confidence)
    assert least is not None
    return [[(floored(x) or 0) >= least for x in row] for row in outcome.best]


def _highest(
    class_names: Sequence[str], outcomes: Mapping[str, Outcome], paper: Paper, number: str
) -> Table:
    rows, measured, beside, set_off = [], [], [], []
    for name, outcome in outcomes.items():
        for i, base in enumerate(outcome.bases):
            rows.append(f"{name}, {base}")
            measured.append([floored(x) for x in outcome.best[i]])
            beside.append(_of_paper(paper.get(name), base, len(class_names)))
        set_off += bold(outcome)
    return Table(
        title=f"Highest confidence of a cell's searches (%){number}",
        columns=class_names,
        rows=rows,
        measured=measured,
        paper=beside if paper else None,
        bold=set_off,
    )


def _of_paper(fooled: Fooled | None, base: str, num_classes: int) -> list[int | None]:
    if fooled is None or base not in GREYS:
        return [None] * num_classes
    return [of_class[GREYS.index(base)] for of_class in fooled.best]


def _summary(outcomes: Mapping[str, Outcome], paper: Paper) -> Table:
    counts = {name: sum(map(sum, bold(outcome))) for name, outcome in outcomes.items()}
    theirs = {name: count(paper[name]) for name in outcomes if name in paper}
    first, paper_first = most_vulnerable(counts), most_vulnerable(theirs)
    rows = list[list[Cell]]()
    beside = list[list[Cell]]()
    for name, outcome in outcomes.items():
        row = paper.get(name)
        cells = len(outcome.bases) * len(outcome.best[0])
        rows.append(
            [
                100 * outcome.card["accuracy"],
                100 * outcome.natural_confidence,
                f"{counts[name]} of {cells}",
                _is_one_of(first, name),
                f"{sum(map(sum, outcome.predicted))} of {cells}",
                outcome.evaluations,
                outcome.settings["repeats"],
            ]
        )
        beside.append(
            [None] * 7
            if row is None
            else [
                row.accuracy,
                row.confidence,
                f"{theirs[name]} of {sum(len(c) for c in row.best)}",
                _is_one_of(paper_first, name),
                None,
                *_OF_THE_PAPER,
            ]
        )
    return Table(
        title="The networks on natural images, and how many cells are fooled",
        columns=[
            "accuracy (%)",
            "natural confidence (%)",
            "cells at natural confidence",
            "most vulnerable",
            "cells predicted",
            "evaluations a search",
            "searches a cell",
        ],
        rows=list(outcomes),
        measured=rows,
        paper=beside if paper else None,
    )


def count(fooled: Fooled) -> int:
    """Cells of the paper at its natural confidence."""
    return sum(x is not None and x >= fooled.confidence for row in fooled.best for x in row)


def _capsules(class_names: Sequence[str], outcome: Outcome) -> Table:
    return Table(
        title="CapsNet: length of the capsule sought, bold where that class is predicted",
        columns=class_names,
        rows=list(outcome.bases),
        measured=outcome.logits,
        bold=outcome.predicted,
    )


def notes(dataset: str, outcomes: Mapping[str, Outcome], of_paper: Grid) -> list[str]:
    """What differs from the paper, and what it leaves open."""
    texts = [
        "Natural confidence is the mean over the test images of the confidence of the predicted "
        "class; a cell reaches it (bold) where it does so in whole percent, both rounded down.",
        "The widths of MLP and CNNs, numbers of epochs and batch sizes are not in the paper: ours "
        "are assumptions, and how long a network was trained changes how easily it is fooled.",
        "The paper leaves open what becomes of positions that leave the image: they are clipped.",
    ]
    for name, outcome in outcomes.items():
        source = f"; {outcome.card['source']}" if "source" in outcome.card else ""
        texts.append(f"{tested(name, outcome.card)}: {how(outcome.card)}{source}.")
    if "capsnet" in outcomes:
        texts.append(
            "The logits of CapsNet are the lengths of its capsules, so that its confidence cannot "
            "exceed e / (e + 9) = 23.2 %, and no search of it ends early."
        )
    for name, outcome in outcomes.items():
        config: Any = SimpleNamespace(**outcome.settings)
        if smaller := smaller_note(config, of_paper):
            texts.append(f"{name}: {smaller[0].lower()}{smaller[1:]}")
    if len({outcome.evaluations for outcome in outcomes.values()}) > 1:
        texts.append("The networks were NOT attacked with the same number of evaluations a search.")
    if len({outcome.settings["repeats"] for outcome in outcomes.values()}) > 1:
        texts.append(
            "More searches a cell make a higher maximum: they are not the same for all networks."
        )
    if dataset in TABLE_OF:
        texts.append(
            "A dash marks a figure of the paper whose digits are lost in the copy at hand."
        )
        missing = [name for name in NETWORKS if name not in outcomes]
        if missing:
            texts.append(f"Not attacked yet: {', '.join(missing)}.")
    return texts
