"""What runs over the classes of ImageNet reached: sections 3.3 and 3.4 of paper 001.

`R` runs, `G` generations with the start, `cells` classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from experiments.lab import section
from experiments.lab.feature_space import auroc
from experiments.nguyen2015.archives import Archives
from experiments.nguyen2015.figures import percent
from experiments.nguyen2015.methods import TEXTS

SURE = 0.99
DOGS_AND_CATS = (157, 286)  # first and last; the paper's band
# Of CaffeNet, ten crops, five runs: the median at (generation), and classes at 99 %.
_PAPER_MEDIAN = {("direct", 20_000): "21.59", ("cppn", 5_000): "88.11"}
_PAPER_SURE = {"direct": 45, "cppn": None}

Fitness = Float[np.ndarray, "R G cells"]


def medians(found: Mapping[str, Archives], marks: Sequence[int]) -> section.Table:
    """How the confidence grows, and where it ends."""
    measured, paper = [], []
    for method, runs in found.items():
        last = runs.fitness.shape[1] - 1
        measured.append(
            [
                percent(float(np.median(runs.fitness[:, mark]))) if mark <= last else None
                for mark in marks
            ]
            + [
                percent(float(runs.confidence.mean())),
                int((runs.confidence >= SURE).any(0).sum()),
                f"{(runs.confidence >= SURE).sum(1).mean():.1f}",
                int(runs.num_queries.max()),
            ]
        )
        of_paper = [_PAPER_MEDIAN.get((method, mark)) for mark in marks]
        paper.append([*of_paper, None, _PAPER_SURE[method], None, None])
    cells = {len(runs.labels) for runs in found.values()}
    return section.Table(
        title="Confidence of the champions (%)",
        columns=[
            *(f"median after {mark}" for mark in marks),
            "mean at the end",
            f"of {max(cells)} classes at 99 % in some run",
            "in a run",
            "images shown to a run",
        ],
        rows=[TEXTS[method] for method in found],
        measured=measured,
        paper=paper,
    )


def at_equal_cost(
    found: Mapping[str, Archives], populations: Mapping[str, int]
) -> tuple[int, dict[str, Float[np.ndarray, "R cells"]]]:
    """The most images that runs of all methods were shown, and the champions' confidences then.

    Args:
      populations: images of a generation.
    """
    shown = {m: populations[m] * found[m].fitness.shape[1] for m in found}
    cost = min(shown.values())
    return cost, {m: runs.fitness[:, cost // populations[m] - 1] for m, runs in found.items()}


def comparison(found: Mapping[str, Archives], populations: Mapping[str, int]) -> section.Table:
    """CPPN against direct, by the test of Mann and Whitney."""
    cost, equal = at_equal_cost(found, populations)
    final = {method: runs.fitness[:, -1] for method, runs in found.items()}
    return section.Table(
        title="Confidence by CPPN against direct: Mann-Whitney test, two-sided",
        columns=["median, CPPN (%)", "median, direct (%)", "U", "CPPN is higher (%)", "p"],
        rows=[f"after {cost:,} images each", "at the end of both"],
        measured=[_tested(of["cppn"].ravel(), of["direct"].ravel()) for of in (equal, final)],
        paper=[[None] * 5, ["88.11", "21.59", None, None, "< 0.0001"]],
    )


def _tested(cppn: np.ndarray, direct: np.ndarray) -> list[section.Cell]:
    # In the floats of the confidences, small probabilities would vanish.
    test = stats.mannwhitneyu(cppn.astype(float), direct.astype(float), method="asymptotic")
    medians = (percent(float(np.median(of))) for of in (cppn, direct))
    p = float(test.pvalue)
    shown = f"{p:.2g}" if p >= 1e-300 else "< 1e-300"
    return [*medians, f"{test.statistic:.0f}", f"{100 * auroc(cppn, direct):.1f}", shown]


def in_band(labels: Int[np.ndarray, " cells"]) -> Bool[np.ndarray, " cells"]:
    """Which classes are dogs and cats."""
    return (labels >= DOGS_AND_CATS[0]) & (labels <= DOGS_AND_CATS[1])


def dip(found: Mapping[str, Archives]) -> section.Table:
    """Dogs and cats against the other classes."""
    first, last = DOGS_AND_CATS
    measured = []
    for runs in found.values():
        band = in_band(runs.labels)
        groups = [runs.confidence[:, chosen] for chosen in (band, ~band)]
        medians = [percent(float(np.median(of))) if of.size else None for of in groups]
        sure = [section.floored(float((of >= SURE).mean())) if of.size else None for of in groups]
        measured.append([*medians, *sure])
    return section.Table(
        title=f"Dogs and cats, classes {first} to {last}, which the paper finds to resist",
        columns=[
            "median, dogs and cats (%)",
            "median, others (%)",
            "champions at 99 %, dogs and cats (%)",
            "others (%)",
        ],
        rows=[TEXTS[method] for method in found],
        measured=measured,
    )
