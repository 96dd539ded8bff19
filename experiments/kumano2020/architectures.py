"""Kumano et al. (2020), tables 14 and 15: which architecture 5-SFIs fool most easily.

    python -m experiments kumano2020 architectures paper --dataset mnist

An MLP, a CNN with and one without max pooling, and CapsNet, on MNIST or Fashion-MNIST; for every
base color and class the highest confidence of ten searches. A cell counts as fooled where it
reaches the mean confidence of natural images. The paper: the CNN with max pooling is fooled most
easily, in 28 of 30 cells on MNIST and all on Fashion-MNIST; the others in 2 to 13.

Searches that the folder of a run has are not repeated: networks may be attacked one by one, also on
several machines, and all together at the end. CapsNet is slow: give it one search a cell,
`reduced --repeats 3 3 3 1`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import models
from experiments import lab
from experiments.kumano2020.orderings import GREYS
from experiments.lab.predict import logits, probabilities
from experiments.lab.victims import how, tested

PAPER = lab.published(__file__)["architectures"]
PAPER_K = 5
TABLES = {"mnist": 14, "fashion_mnist": 15}
NETWORKS = ("mlp", "cnn", "cnn_nopool", "capsnet")  # as the paper lists them
Repeats = Annotated[tuple[lab.Repeats, ...], lab.Extensible]  # with the networks


@lab.settings
class Settings:
    dataset: lab.Dataset = "mnist"  # the paper's other is fashion_mnist
    networks: lab.Networks = NETWORKS  # NAME=FILE, or NAME to train it here
    training_seeds: tuple[lab.Seed, ...] = (0,)  # one for all networks, or one for each
    k: lab.Pixels = PAPER_K  # the most pixels that are altered
    colors: lab.Colors = GREYS  # base colors
    repeats: Repeats = (10,)  # searches of a cell: for all networks, or for each
    search: lab.Evolution = lab.Evolution(population=500, generations=1000)

    def check(self) -> None:
        for name in ("training_seeds", "repeats"):
            values, count = getattr(self, name), len(self.networks)
            if len(values) not in (1, count):
                raise ValueError(
                    f"{name}: expected one, or {count} for the networks, got {len(values)}"
                )

    @property
    def paper(self) -> Mapping[str, Any]:
        """What the paper has on this data set, by network."""
        return PAPER.get(self.dataset, {}) if self.k == PAPER_K else {}

    @property
    def number(self) -> int | None:
        """Of the paper's table."""
        return TABLES[self.dataset] if self.paper else None


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP and a CNN on scikit-learn's digits",
        "--dataset digits --networks mlp cnn --population 8 --generations 6 --repeats 2",
    ),
    "reduced": lab.preset(
        "20 200 evaluations a search, three searches a cell",
        "--population 200 --generations 100 --until 0.995 --repeats 3",
    ),
}


def each(values: Sequence[int], networks: Sequence[str]) -> Sequence[int]:
    """One for each network."""
    return values if len(values) > 1 else [*values] * len(networks)


def records(s: Settings, run: lab.Run) -> dict[str, lab.Records]:
    """The best image of each network, color and class; and the networks."""
    dataset = models.load_dataset(s.dataset)
    cells, networks = [], []
    seeds, repeats = each(s.training_seeds, s.networks), each(s.repeats, s.networks)
    for spec, seed, count in zip(s.networks, seeds, repeats, strict=True):
        victim = lab.load_victim(spec, dataset, seed)
        name = f"{victim.name}/sweep"
        grid = {"ks": [s.k], "colors": s.colors, "repeats": count, "name": name}
        best = lab.search_grid(run, victim, s.search, **grid).best("color", "target")
        outputs = logits(victim.model, best["image"])
        targets = np.arange(len(best)), best["target"]
        cells.append(best.plus(network=victim.name, logit=outputs[targets]))
        networks.append(
            lab.Records.of(
                network=[victim.name],
                accuracy=victim.accuracy,
                natural=natural_confidence(victim.model, dataset),
                repeats=count,
                origin=f"{tested(victim.name, victim.card)}: {origin(victim.card)}.",
            )
        )
    return {"cells": lab.Records.joined(cells), "networks": lab.Records.joined(networks)}


def natural_confidence(model: Any, dataset: models.Dataset) -> float:
    """Mean over the test images of the confidence of the predicted class."""
    return float(probabilities(model, dataset.test_images).max(1).astype(np.float64).mean())


def origin(card: Mapping[str, Any]) -> str:
    return f"{how(card)}; {card['source']}" if "source" in card else how(card)


def tables(s: Settings, found: Mapping[str, lab.Records]) -> Iterator[lab.Table]:
    """The highest confidences, how many reach the natural one, and CapsNet's capsules."""
    names, cells = models.class_names(s.dataset), found["cells"]
    natural = dict(found["networks"].columns("network", "natural"))
    rows, measured, beside, bold = [], [], [], []
    for (network, color), of in cells.groups("network", "color"):
        rows.append(f"{network}, {color}")
        measured.append([lab.floored(p) for p in of["confidence"]])
        beside.append(paper_cells(s.paper.get(network), color, len(names)))
        bold.append(reaches(of["confidence"], natural[network]).tolist())
    title = "Highest confidence of a cell's searches (%)"
    if s.number:
        title += f", as in table {s.number}"
    yield lab.Table(title, names, rows, measured, beside if s.paper else None, bold)
    yield summary(s, found)
    capsules = list(cells.where(network="capsnet").groups("color"))
    if capsules:
        yield lab.Table(
            "CapsNet: length of the capsule of the target, bold where that class is predicted",
            names,
            [color for color, _ in capsules],
            [of["logit"].tolist() for _, of in capsules],
            bold=[of["fooled"].tolist() for _, of in capsules],
        )


def reaches(confidences: np.ndarray, natural: float) -> np.ndarray:
    """Which cells reach the mean natural confidence, both in whole percent as printed."""
    return lab.floored_cells(confidences) >= lab.floored_cells(np.array(natural))


def paper_cells(paper: Mapping[str, Any] | None, color: str, count: int) -> list[lab.Cell]:
    """The paper's row of a network and base color."""
    if paper is None or color not in GREYS:
        return [None] * count
    of_color = lab.numbers(paper["best"])[:, GREYS.index(color)]
    return [None if np.isnan(x) else int(x) for x in of_color]


def summary(s: Settings, found: Mapping[str, lab.Records]) -> lab.Table:
    """A row for each network; of the paper's, those that were attacked."""
    ours, theirs = {}, {}
    for row in found["networks"].table.to_pylist():
        name, natural = row["network"], row["natural"]
        of = found["cells"].where(network=name)
        ours[name] = {
            "accuracy (%)": 100 * row["accuracy"],
            "natural confidence (%)": 100 * natural,
            "cells at natural confidence": (reaches(of["confidence"], natural).sum(), len(of)),
            "most vulnerable": None,
            "cells predicted": f"{of['fooled'].sum()} of {len(of)}",
            "evaluations a search": s.search.num_queries,
            "searches a cell": row["repeats"],
        }
        if name in s.paper:
            paper = s.paper[name]
            theirs[name] = {
                "accuracy (%)": paper["accuracy"],
                "natural confidence (%)": paper["confidence"],
                "cells at natural confidence": count(paper),
                "evaluations a search": Settings().search.num_queries,
                "searches a cell": Settings().repeats[0],
            }
    title = "The networks on natural images, and how many cells are fooled"
    return lab.table(title, compared(ours), compared(theirs) if s.paper else None)


def count(paper: Mapping[str, Any]) -> tuple[int, int]:
    """Cells of the paper at its natural confidence, of how many."""
    best = lab.numbers(paper["best"])
    return int((best >= paper["confidence"]).sum()), best.size


def compared(rows: Mapping[str, dict[str, Any]]) -> Mapping[str, dict[str, lab.Cell]]:
    """With counts as text, and whether each network has the most cells at natural confidence."""
    column = "cells at natural confidence"
    first = most_vulnerable({name: row[column][0] for name, row in rows.items()})
    for name, row in rows.items():
        row[column] = "{} of {}".format(*row[column])
        row["most vulnerable"] = (
            "no" if name not in first else "yes" if len(first) == 1 else "as others"
        )
    return rows


def most_vulnerable(counts: Mapping[str, int]) -> list[str]:
    """Of the networks, those with the most cells at natural confidence, if any has one."""
    return [name for name, cells in counts.items() if cells and cells == max(counts.values())]


def pictures(s: Settings, found: Mapping[str, lab.Records], out: Path) -> Iterator[lab.Picture]:
    for network, of in found["cells"].groups("network"):
        path = out / f"{network}.png"
        lab.draw_gallery(path, lab.tiles(of, "color"), models.class_names(s.dataset))
        caption = f"{network}: the most confident image of every base color and class."
        yield lab.Picture(path.name, caption)


def notes(s: Settings, found: Mapping[str, lab.Records]) -> Iterator[str]:
    yield (
        "Natural confidence is the mean over the test images of the confidence of the predicted "
        "class; a cell reaches it (bold) where it does so in whole percent, both rounded down."
    )
    yield (
        "The widths of MLP and CNNs, numbers of epochs and batch sizes are not in the paper: ours "
        "are assumptions, and how long a network was trained changes how easily it is fooled."
    )
    yield "The paper does not say what happens to positions outside the image: they are clipped."
    networks = found["networks"]
    yield from networks["origin"].tolist()
    if "capsnet" in networks["network"]:
        yield (
            "The logits of CapsNet are the lengths of its capsules, so that its confidence cannot "
            "exceed e / (e + 9) = 23.2 %, and no search of it ends early."
        )
    if s.search.until is not None:
        yield f"A search ends at {100 * s.search.until:g} % confidence, where the paper's run on."
    if len(set(s.repeats)) > 1:
        yield "More searches a cell make a higher maximum: they are not the same for all networks."
    if s.paper:
        yield "A dash marks a number of the paper whose digits are lost in the copy at hand."
        missing = [name for name in NETWORKS if name not in networks["network"]]
        if missing:
            yield f"Not attacked: {', '.join(missing)}."


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    name="architectures_{dataset}",
    title="Which architecture {k}-SFIs fool most easily: {dataset}",
    source=lambda s: (
        f"Kumano et al. (2020), {f'table {s.number}' if s.number else 'as tables 14 and 15'}"
    ),
    agenda=("", "--dataset fashion_mnist"),
    paper="ten searches of 500 500 evaluations for each of 120 cells",
)  # fmt: skip
