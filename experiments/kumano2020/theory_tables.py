"""What the theory's experiment shows: tables, a gallery of certificates, and what follows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.kumano2020.theory_growth import Curve, exponent
from experiments.kumano2020.theory_models import MODELS
from experiments.kumano2020.theory_search import NEVER
from experiments.kumano2020.theory_study import Study
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.section import Cell, Table, floored

CROSSED, PLAIN = "evolution", "evolution of sec. 3.1"
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


def pairs_table(studies: Mapping[str, Sequence[Study]], confidence: float) -> Table:
    """Two classes: a row for each class of each pair."""
    columns = ["printed rule", "Theorem 1", "exact", "evolution"]
    columns += ["Algorithm 1", "evolution ", "Algorithm 2", "evolution  "]
    rows, measured = [], []
    for linear, hidden, kernel in zip(*(studies[name] for name in MODELS), strict=True):
        for i in linear.labels:
            rows.append(f"{linear.class_names[i]}, not {linear.class_names[1 - i]}")
            said = linear.predicted[i]
            measured.append(
                [
                    pixels(said.printed),
                    pixels(said.upper),
                    pixels(linear.exact[i]),
                    pixels(linear.evolved[CROSSED][i].k),
                    pixels(hidden.predicted[i].upper),
                    pixels(hidden.evolved[CROSSED][i].k),
                    pixels(kernel.predicted[i].upper),
                    pixels(kernel.evolved[CROSSED][i].k),
                ]
            )
    title = (
        f"Two classes: the fewest pixels that give {100 * confidence:g} %; linear model, "
        "hidden layer, kernel machine"
    )
    return Table(title, columns, rows, measured)


def classes_table(studies: Sequence[Study], confidence: float) -> Table:
    """All classes: a column for each."""
    rows, measured = [], []
    for study in studies:
        name = MODELS[study.model]
        lines: dict[str, list[Cell]] = {
            "lower bound": [pixels(p.lower) for p in study.predicted],
            "exact": [pixels(k) for k in study.exact],
            **{kind: [pixels(f.k) for f in found] for kind, found in study.evolved.items()},
            "certificate": [pixels(p.upper) for p in study.predicted],
        }
        for what, cells in lines.items():
            if any(cell is not None for cell in cells):
                rows.append(f"{name}: {what}")
                measured.append(cells)
    names = [studies[0].class_names[label] for label in studies[0].labels]
    count = len(studies[0].class_names)
    title = f"{count} classes: the fewest pixels that give {100 * confidence:g} %"
    return Table(title, names, rows, measured)


def growth_table(curves: Sequence[Curve], ks: Sequence[int]) -> Table:
    """The reachable gap at some k, what evolution found, and how fast the bound grows there."""
    rows, measured = [], []
    for curve in curves:
        rows.append(f"{curve.label}: bound")
        measured.append([float(curve.bound[k]) for k in ks])
        if curve.found:
            rows.append(f"{curve.label}: found by evolution")
            measured.append([curve.found.get(k) for k in ks])
        rows.append(f"{curve.label}: exponent from k to 2k")
        fits = [2 * k < len(curve.bound) for k in ks]
        measured.append(
            [exponent(curve.bound, k) if fit else None for k, fit in zip(ks, fits, strict=True)]
        )
    columns = [f"k = {k}" for k in ks]
    return Table(
        "Growth of the gap y_1 - y_2 with k, white pixels on black", columns, rows, measured
    )


def notes(
    studies: Mapping[str, Sequence[Study]], of_all: Sequence[Study], settings: str
) -> list[str]:
    """What the figures say, the assumptions, and the errata."""
    every = [*(study for name in MODELS for study in studies[name]), *of_all]
    error = max(p.error for study in every for p in study.predicted)
    shown = sum(len(study.predicted) * study.num_certificates for study in every)
    linear = [
        (said, exact, evolved.k)
        for study in studies["linear"]
        for said, exact, evolved in zip(
            study.predicted, study.exact, study.evolved[CROSSED], strict=True
        )
    ]
    equal = sum(said.upper == said.lower == exact for said, exact, _ in linear)
    more = sum(_number(said.printed) > _number(said.upper) for said, _, _ in linear)
    fewer = sum(_number(k) < _number(said.upper) for said, _, k in linear)
    as_few = sum(k == said.upper for said, _, k in linear)
    sentences = [
        f"{shown} certificates were painted and shown to the models: predicted and measured "
        f"confidence differ by at most {error:.1g}.",
        f"Linear model, two classes: Theorem 1 agrees with the integer program (HiGHS) for {equal} "
        f"of {len(linear)} classes; evolution needs fewer pixels for {fewer}, and as few for "
        f"{as_few}. The printed rule asks for more pixels than needed for {more}.",
    ]
    for group in (studies["hidden"], studies["kernel"], *([study] for study in of_all)):
        for kind in group[0].evolved:
            found = [
                (said.lower, evolved.k, said.upper)
                for study in group
                for said, evolved in zip(study.predicted, study.evolved[kind], strict=True)
            ]
            below = sum(low is not None and _number(k) < _number(low) for low, k, _ in found)
            within = sum(_number(k) <= _tried(group[0], high) for _, k, high in found)
            lower = "" if found[0][0] is None else f", and fewer than the lower bound for {below}"
            name = MODELS[group[0].model].capitalize()
            sentences.append(
                f"{name}, {_count(group[0])} classes: {kind} succeeds with as many pixels as the "
                "certificate has, or with the next number that was tried, for "
                f"{within} of {len(found)} classes{lower}."
            )
    accuracies = ", ".join(f"{MODELS[s.model]} {s.accuracy:.1%}" for s in of_all)
    return [
        *sentences,
        f"Test accuracy with {len(of_all[0].class_names)} classes: {accuracies}.",
        settings,
        "Beyond two classes the bounds are ours: y_c - y_j >= ln(M / (1 - M)) for every j is "
        "necessary, with ln((K - 1) M / (1 - M)) sufficient, and the latter necessary for their "
        "mean, which gives the lower bound; the greedy choice on ln(p / (1 - p)) gives the upper "
        "one, with a certificate. For two classes all are the paper's. 'Exact' solves integer "
        "programs (HiGHS) with a cut for every violated distribution over the other classes, until "
        "an image has the confidence, or the lower bound meets the certificate.",
        *ERRATA,
    ]


def draw_certificates(path: Path, studies: Sequence[Study]) -> None:
    """Certificates of all classes, and under them what evolution found."""
    rows: dict[str, list[Tile | None]] = {}
    for study in studies:
        name = MODELS[study.model]
        rows[f"{name}, certificate"] = [
            tile(p.image, p.upper, p.confidence) for p in study.predicted
        ]
        if CROSSED in study.evolved:
            rows[f"{name}, evolution"] = [
                tile(found.image, found.k, found.confidence) for found in study.evolved[CROSSED]
            ]
    names = [studies[0].class_names[label] for label in studies[0].labels]
    orange = "no number of pixels that was tried gives the class the confidence sought"
    draw_gallery(path, list(rows.values()), list(rows), names, orange=orange)


def tile(image: np.ndarray, k: int, confidence: float) -> Tile:
    """Captioned with its number of pixels, -1 for none, and its confidence."""
    number = "none" if k == NEVER else f"k = {k}"
    return Tile(image, f"{number}\n{floored(confidence)} %", fooled=k != NEVER)


def pixels(number: int | None) -> Cell:
    """-1 as "none"."""
    return "none" if number == NEVER else number


def _count(study: Study) -> int | str:
    """Of the model's classes."""
    return "two" if len(study.class_names) == 2 else len(study.class_names)


def _tried(study: Study, k: int | None) -> float:
    """The least number from `k` on that evolution tried; `k` where it tried none."""
    return min((tried for tried in study.tried if tried >= _number(k)), default=_number(k))


def _number(k: int | None) -> float:
    """For comparisons: no k is more than every k."""
    return np.inf if k is None or k == NEVER else k
