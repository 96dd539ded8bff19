"""What follows from the numbers, our assumptions, and the paper's errata."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.kumano2020.theory_exact import NEVER
from experiments.kumano2020.theory_models import MODELS
from experiments.kumano2020.theory_report import of_model
from experiments.kumano2020.theory_study import EVOLUTION, PLAIN, Study

BOUNDS = (
    "Beyond two classes the bounds are ours: y_c - y_j >= ln(M / (1 - M)) for every j is necessary, "
    "with ln((K - 1) M / (1 - M)) sufficient, and the latter necessary for their mean, which gives "
    "the lower bound; the greedy choice on ln(p / (1 - p)) gives the upper one, with a certificate. "
    "For two classes all are the paper's. 'Exact' solves integer programs (HiGHS) with a cut for "
    "every violated distribution over the other classes, until an image has the confidence, or the "
    "lower bound meets the certificate."
)
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


def notes(s: Any, found: Mapping[str, Any]) -> Iterator[str]:
    every = [*found["pairs"], *found["all"]]
    shown = sum(study.certificate.image.size + 1 for study in every)
    error = max(study.error for study in every)
    yield (
        f"{shown} certificates were painted and shown to the models: predicted and measured "
        f"confidence differ by at most {error:.1g}."
    )
    yield of_linear(of_model(found["pairs"], "linear"))
    groups = [of_model(found["pairs"], name) for name in ("hidden", "kernel")]
    groups += [of_model(found["all"], name) for name in MODELS]
    for group in groups:
        for kind in group[0].evolved:
            ks = s.kernel_ks if group[0].model == "kernel" else s.ks
            yield of_evolution(group, kind, ks)
    firsts = [of_model(found["all"], name)[0] for name in MODELS]
    accuracies = ", ".join(f"{MODELS[of.model]} {of.accuracy:.1%}" for of in firsts)
    yield f"Test accuracy with {len(firsts[0].class_names)} classes: {accuracies}."
    yield assumptions(s)
    yield BOUNDS
    yield from ERRATA


def of_linear(studies: Sequence[Study]) -> str:
    """Linear models of two classes: theorem, program and evolution."""
    known = [(of.lower, of.certificate.k, of.exact, of.evolved[EVOLUTION].k) for of in studies]
    equal = sum(upper == lower == exact for lower, upper, exact, _ in known)
    fewer = sum(number(k) < number(upper) for _, upper, _, k in known)
    as_few = sum(k == upper for _, upper, _, k in known)
    more = sum(number(of.printed) > number(of.certificate.k) for of in studies)
    return (
        f"Linear model, two classes: Theorem 1 agrees with the integer program (HiGHS) for {equal} "
        f"of {len(known)} classes; evolution needs fewer pixels for {fewer}, and as few for "
        f"{as_few}. The printed rule asks for more pixels than needed for {more}."
    )


def of_evolution(studies: Sequence[Study], kind: str, ks: Sequence[int]) -> str:
    """How searches with the numbers of pixels `ks` do beside certificates and lower bounds."""
    found = [(of.lower, of.evolved[kind].k, number(of.certificate.k)) for of in studies]
    tried = [min((k for k in ks if k >= upper), default=upper) for _, _, upper in found]
    within = sum(number(k) <= most for (_, k, _), most in zip(found, tried, strict=True))
    below = sum(lower is not None and number(k) < number(lower) for lower, k, _ in found)
    lower = "" if found[0][0] is None else f", and fewer than the lower bound for {below}"
    count = len(studies[0].class_names)
    name = f"{MODELS[studies[0].model].capitalize()}, {'two' if count == 2 else count} classes"
    return (
        f"{name}: {kind} succeeds with as many pixels as the certificate has, or with the next "
        f"number that was tried, for {within} of {len(found)} classes{lower}."
    )


def number(k: int | None) -> float:
    """For comparisons: no k is more than every k."""
    return np.inf if k is None or k == NEVER else k


def assumptions(s: Any) -> str:
    return (
        f"Models, our choice (the paper trains none): images in [0, 1], no biases, {s.hidden} "
        f"hidden units, Adam (rate 1e-3, {s.num_steps} steps of {s.batch_size} images); "
        f"the kernel machine by plain gradient descent on its dual (rate {s.kernel_rate:g}, "
        f"{s.kernel_steps} steps). Evolution tried k = {', '.join(map(str, s.ks))} "
        f"(kernel machine: {', '.join(map(str, s.kernel_ks))}) with {s.search.population} "
        f"candidates and up to {s.search.generations} generations, for the linear model on black "
        "and on white, for the others on black. It mutates the fittest and keeps 80 % of the genes "
        f"(crossover rate 0.2); '{PLAIN}' is the paper's own search, which does neither."
    )
