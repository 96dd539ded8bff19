"""How sure a network is of what evolved, in tables beside those of paper 001, section 3.1."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.lab.section import Table
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import Runs, rows_of

# Medians of all digits and runs after 200 generations; with the direct encoding every digit of
# every run is at 99.99 % within 50.
_PAPER = {"direct": "99.99", "direct_grey": "99.99", "cppn": "99.99"}
_SURE = 0.9999

Found = Mapping[str, Runs]


def medians_table(marks: Sequence[int], found: Found) -> Table:
    """How sure the network is after some generations."""
    return Table(
        title="Median confidence of all champions of all runs (%)",
        columns=[f"after {mark}" for mark in marks] + ["lowest at the end", "runs"],
        rows=rows_of(found),
        measured=[
            [percent(float(np.median(runs.fitness[:, mark]))) for mark in marks]
            + [percent(float(runs.confidence.min())), len(runs.confidence)]
            for runs in found.values()
        ],
        paper=[
            [_PAPER[method] if mark == 200 else None for mark in marks] + [None, 50]
            for method in found
        ],
    )


def sure_table(marks: Sequence[int], found: Found) -> Table:
    """When a run is sure of every digit."""
    rows = []
    for runs in found.values():
        sure = runs.fitness >= _SURE  # [R, G + 1, cells]
        within = [f"{sure[:, mark].all(1).sum()} of {len(sure)}" for mark in marks]
        first = sure.argmax(axis=1)[sure.any(axis=1)]
        rows.append([*within, float(np.median(first)) if first.size else None])
    return Table(
        title="Runs in which every champion is at 99.99 %, and when a champion gets there",
        columns=[f"after {mark}" for mark in marks]
        + ["champions that get there: median generation"],
        rows=rows_of(found),
        measured=rows,
        paper=[
            ["50 of 50" if mark >= 50 and method != "cppn" else None for mark in marks] + [None]
            for method in found
        ],
    )


def alone_table(found: Found, alone: Found, generations: int, num_classes: int) -> Table:
    """Archives beside the evolution of every class by itself, of which the paper says that it comes
    to the same (section 2.2, without data). One run of that takes as many as the classes."""
    equal = (generations + 1) // num_classes - 1  # the start is a population, too
    return Table(
        title="Median confidence (%) in an archive, and where every class evolves by itself",
        columns=[
            f"archive, {generations} generations",
            f"alone, {generations} generations: {num_classes} x the images",
            f"alone, {equal} generations: as many images",
            "runs, alone",
        ],
        rows=rows_of(found),
        measured=[
            [
                percent(float(np.median(found[method].fitness[:, generations]))),
                percent(float(np.median(runs.fitness[:, generations]))),
                percent(float(np.median(runs.fitness[:, equal]))),
                len(runs.fitness) // num_classes,
            ]
            for method, runs in alone.items()
        ],
    )
