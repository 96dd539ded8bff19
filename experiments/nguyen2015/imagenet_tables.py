"""Nguyen et al. (2015), sections 3.3 and 3.4: confidences of runs over the classes of ImageNet."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from experiments import lab
from experiments.nguyen2015.figures import median, percent
from experiments.nguyen2015.methods import TITLES, Archives, beside_paper
from jfool.metrics import auroc

PAPER = lab.published(__file__)["imagenet"]
SURE = 0.99
DOGS_AND_CATS = (157, 286)  # first and last; the paper's band

Found = Mapping[str, Archives]


def medians(found: Found, marks: Sequence[int]) -> lab.Table:
    """How the confidence grows, and where it ends."""
    rows = {}
    for method, of in found.items():
        sure = of.confidence >= SURE
        rows[TITLES[method]] = {
            **{f"median after {mark}": median(of.fitness[:, mark : mark + 1]) for mark in marks},
            "mean at the end": percent(of.confidence.mean()),
            "classes at 99 % in some run": int(sure.any(0).sum()),
            "in a run": f"{sure.sum(1).mean():.1f}",
            "images shown to a run": int(of.num_queries.max()),
        }
    (num_classes,) = {of.targets.shape[1] for of in found.values()}
    title = f"Confidence of the champions of {num_classes} classes (%)"
    return beside_paper(title, rows, PAPER["medians"])


def at_equal_cost(found: Found) -> tuple[int, dict[str, Float[np.ndarray, "R cells"]]]:
    """The most images that runs of all methods were shown, and the champions' confidences then."""
    cost = min(of.population * of.fitness.shape[1] for of in found.values())
    return cost, {m: of.fitness[:, cost // of.population - 1] for m, of in found.items()}


def comparison(found: Found) -> lab.Table:
    """CPPN against direct, by the test of Mann and Whitney."""
    cost, equal = at_equal_cost(found)
    final = {method: of.fitness[:, -1] for method, of in found.items()}
    rows = {f"after {cost:,} images each": compared(equal), "at the end of both": compared(final)}
    title = "Confidence by CPPN against direct: Mann-Whitney test, two-sided"
    return lab.table(title, rows, PAPER["comparison"])


def compared(confidence: Mapping[str, np.ndarray]) -> dict[str, lab.Cell]:
    # In the floats of the confidences, small probabilities would vanish.
    cppn, direct = (confidence[method].ravel().astype(float) for method in ("cppn", "direct"))
    test = stats.mannwhitneyu(cppn, direct, method="asymptotic")
    p = float(test.pvalue)
    return {
        "median, CPPN (%)": median(cppn),
        "median, direct (%)": median(direct),
        "U": f"{test.statistic:.0f}",
        "CPPN is higher (%)": f"{100 * auroc(cppn, direct):.1f}",
        "p": f"{p:.2g}" if p >= 1e-300 else "< 1e-300",
    }


def in_band(targets: Int[np.ndarray, "*N"]) -> Bool[np.ndarray, "*N"]:
    """Which classes are dogs and cats."""
    return (targets >= DOGS_AND_CATS[0]) & (targets <= DOGS_AND_CATS[1])


def dip(found: Found) -> lab.Table:
    """Dogs and cats against the other classes."""
    rows = {}
    for method, of in found.items():
        band = in_band(of.targets)
        dogs, others = of.confidence[band], of.confidence[~band]
        rows[TITLES[method]] = {
            "median, dogs and cats (%)": median(dogs),
            "median, others (%)": median(others),
            "champions at 99 %, dogs and cats (%)": share_sure(dogs),
            "others (%)": share_sure(others),
        }
    first, last = DOGS_AND_CATS
    title = f"Dogs and cats, classes {first} to {last}, which the paper finds to resist"
    return lab.table(title, rows)


def share_sure(confidence: np.ndarray) -> int | None:
    return lab.floored(float((confidence >= SURE).mean())) if confidence.size else None
