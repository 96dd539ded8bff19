"""How the rounds of the defence are shown, beside tables 16 and 17 of paper 000."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.kumano2020.attack_sets import AttackSet
from experiments.kumano2020.published import CLASSES
from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.retraining import Measured
from experiments.lab.section import floored
from experiments.lab.shown import new_figure, save_figure

# In percent: combined, natural, defence, re-attack. Combined counts 10 000 natural images and 1 000
# SFIs of each round: (79 x 10 000 + 2 x 1 000 x 100) / 12 000 is 82.5, printed as 82.
TABLE_16 = {
    "M0": (None, 80, None, 99),
    "M1": (79, 77, 100, 62),
    "M2": (82, 79, 100, 89),
    "M3": (83, 78, 100, 35),
    "M4": (85, 79, 100, 19),
}
# Percent of successful attacks, by class.
TABLE_17 = {
    "M0": (100, 99, 100, 100, 100, 100, 100, 100, 100, 100),
    "M1": (63, 55, 59, 90, 51, 18, 32, 62, 98, 93),
    "M2": (98, 90, 97, 82, 47, 94, 93, 98, 96, 95),
    "M3": (78, 42, 38, 29, 0, 13, 0, 93, 54, 0),
    "M4": (2, 75, 1, 19, 27, 0, 0, 25, 1, 39),
    "M4 (white)": (100, 99, 100, 100, 100, 100, 98, 100, 100, 100),
}
_COLUMNS = ("combined", "natural", "defence", "re-attack")
_COURSE, _GALLERY = "rounds.png", "against.png"
_COLORS = {"natural": "#1f4e9c", "defence": "#2a8a4a", "re-attack": "#c2410c"}


def table_16(measured: Sequence[Measured], sets: Sequence[AttackSet]) -> section.Table:
    """A row for each M, also for those that only the paper has."""
    ours = {
        f"M{i}": [floored(x) for x in (m.combined, m.natural, m.defence, s.success_rate)]
        for i, (m, s) in enumerate(zip(measured, sets, strict=True))
    }
    return _beside("Accuracy, and success of new attacks, % (table 16)", _COLUMNS, ours, TABLE_16)


def table_17(
    sets: Sequence[AttackSet], on_white: AttackSet, names: Sequence[str], dataset: str
) -> section.Table:
    """A row for each M, and one for the white attack on the last."""
    of = {f"M{i}": attacks for i, attacks in enumerate(sets)}
    of[f"M{len(sets) - 1} (white)"] = on_white
    ours = {
        row: [floored(rate) for rate in attacks.success_rates(len(names))]
        for row, attacks in of.items()
    }
    title = "Success of new attacks by target class, % (table 17)"
    if dataset != "cifar10":
        return section.Table(title, names, list(ours), list(ours.values()))
    return _beside(title, CLASSES, ours, TABLE_17)


def _beside(
    title: str,
    columns: Sequence[str],
    ours: Mapping[str, Sequence[int | None]],
    paper: Mapping[str, Sequence[int | None]],
) -> section.Table:
    nothing = [None] * len(columns)
    rows = sorted({*ours, *paper}, key=lambda row: (len(row), row))
    return section.Table(
        title,
        columns,
        rows,
        [ours.get(row, nothing) for row in rows],
        [list(paper.get(row, nothing)) for row in rows],
    )


def pictures(
    measured: Sequence[Measured],
    sets: Sequence[AttackSet],
    on_white: AttackSet,
    names: Sequence[str],
    out: Path,
) -> list[section.Picture]:
    """The rounds as curves, and what fools each network."""
    draw_rounds(out / _COURSE, table_16(measured, sets))
    last = len(sets) - 1
    rows = [best_of(attacks, len(names)) for attacks in (*sets, on_white)]
    heads = [*(f"M{i}" for i in range(len(sets))), f"M{last}, white"]
    draw_gallery(out / _GALLERY, rows, heads, names, orange="the attack failed")
    return [
        section.Picture(
            _COURSE,
            "Accuracy on natural images and on held-out SFIs, and success of new attacks, round by "
            "round; dashed, the paper's.",
        ),
        section.Picture(
            _GALLERY,
            "The most confident SFI against each network and class, its confidence and k.",
        ),
    ]


def best_of(attacks: AttackSet, num_classes: int) -> list[Tile]:
    """Of each class the most confident."""
    rows, tiles = attacks.found.rows, []
    for label in range(num_classes):
        of_label = [i for i, row in enumerate(rows) if row.label == label]
        i = max(of_label, key=lambda i: rows[i].confidence)
        caption = f"{floored(rows[i].confidence)} %, k = {rows[i].k}"
        tiles.append(Tile(attacks.found.images[i], caption, rows[i].success))
    return tiles


def draw_rounds(path: Path, table: section.Table) -> None:
    """Table 16 as curves."""
    figure = new_figure(4.6, 2.9)
    axes = figure.subplots()
    measured, paper = (np.array(cells, float) for cells in (table.measured, table.paper))
    for name, color in _COLORS.items():
        column = list(table.columns).index(name)
        axes.plot(measured[:, column], "o-", color=color, label=name, markersize=4)
        axes.plot(paper[:, column], "--", color=color)
    axes.set_xticks(range(len(table.rows)), table.rows)
    axes.set_ylim(-3, 103)
    axes.set_ylabel("%")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=len(_COLORS))
    save_figure(figure, path)
