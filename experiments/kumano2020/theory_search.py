"""How few pixels do it: found by differential evolution, and for linear models by exact search.

The exact search solves integer programs, and knows nothing of the theorems. `D` pixels, `J` other
classes.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import entr

import jfool
from experiments.lab.colors import NAMED, Color
from experiments.lab.found import Found
from experiments.lab.progress import sweep_progress
from experiments.lab.search import Cell, Search, places_of, plain_confidences, sweep_places
from models import Dataset

NEVER = -1
BLACK, WHITE = (Color(name, NAMED[name], list(NAMED).index(name)) for name in ("black", "white"))
_INFEASIBLE = 2  # a status of HiGHS


@dataclass(frozen=True, eq=False)
class Fewest:
    """The fewest pixels that searches needed for a class.

    Attributes:
      k: their number; 0 where a colour alone does it, -1 where no search succeeded.
      image: `[H, W, C]` of the highest confidence with so many, or of all where none succeeded.
      confidence: its.
    """

    k: int
    image: np.ndarray
    confidence: float


@dataclass(frozen=True)
class Crossed(Search):
    """Differential evolution that also keeps genes: mutants of the fittest, binomial crossover.

    The logits of these models are sums over pixels or over pairs of them, so that genes are good or
    bad by themselves; with crossover a good pixel is not lost when the others change.

    Attributes:
      crossover_rate: share of the genes that come from the mutant.
    """

    crossover_rate: float = 0.2

    def attack(self, image_shape: tuple[int, int, int], num_classes: int) -> jfool.Composition:
        search = jfool.DifferentialEvolution(
            self.population, crossover_rate=self.crossover_rate, mutant="best"
        )
        return dataclasses.replace(super().attack(image_shape, num_classes), search=search)


def exact_smallest_k(
    deltas: Float[np.ndarray, "J D"],
    confidence: float,
    seconds: float = 60.0,
    known: int | None = None,
) -> int | None:
    """The fewest altered pixels of an image in [0, 1] that softmax takes for a class with the
    confidence, by integer programs.

    The class wants -ln sum_j e^{-g_j} >= L of its gaps g = deltas @ z. For every distribution q of
    entropy H(q), sum_j q_j g_j >= L + H(q) is necessary (Gibbs), and all these together suffice.
    So the fewest pixels that meet some of them are a lower bound; if their image does not have the
    confidence, the q that it violates most, q_j ~ e^{-g_j}, is added, and it is asked anew. For two
    classes J = 1, and the first program is the answer.

    Args:
      deltas: differences of the class's weights and those of the others.
      confidence: M.
      seconds: after which the search gives up.
      known: a number of pixels that does it; a lower bound as large ends the search.
    Returns:
      The number; -1 where no image does it; None where the search gave up.
    """
    J = len(deltas)
    L = np.log(confidence / (1 - confidence))
    rows, least = [*deltas, deltas.mean(0)], [L] * J + [L + np.log(J)]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        answer = _fewest_pixels(np.array(rows), np.array(least), left)
        if answer.status == _INFEASIBLE:
            return NEVER
        if answer.status != 0:
            return None
        gaps = deltas @ np.asarray(answer.x)[: deltas.shape[1]]
        log_odds = -np.log(np.exp(-gaps).sum())
        if log_odds >= L - 1e-6 or round(answer.fun) == known:
            return round(answer.fun)
        q = np.exp(-gaps + log_odds)
        rows.append(q @ deltas)
        least.append(L + entr(q).sum())
    return None


def _fewest_pixels(
    rows: Float[np.ndarray, "C D"], least: Float[np.ndarray, " C"], seconds: float
) -> Any:
    """Minimises sum(b) over z, z_b in [0, 1] and b in {0, 1}^D, where |z_i - z_b| <= b_i and
    rows @ z >= least: definition 1 of the paper, by branch and bound (HiGHS)."""
    C, D = rows.shape
    one, ones = sparse.eye(D), np.ones((D, 1))
    wanted = [sparse.csr_matrix(rows), sparse.csr_matrix((C, D + 1))]
    constraints = sparse.vstack(  # of (z, b, z_b)
        [sparse.hstack(row) for row in ([one, -one, -ones], [-one, -one, ones], wanted)]
    )
    low = np.r_[np.full(2 * D, -np.inf), least]
    high = np.r_[np.zeros(2 * D), np.full(C, np.inf)]
    is_b = np.r_[np.zeros(D), np.ones(D), 0]
    return milp(
        is_b,
        integrality=is_b,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(constraints, low, high),
        options={"time_limit": seconds},
    )


def evolve(
    search: Search,
    model: Any,
    dataset: Dataset,
    labels: Sequence[int],
    colors: Sequence[Color],
    ks: Sequence[int],
    folder: Path,
) -> Found:
    """One search for every k, base colour and class; goes on with what is in the folder."""
    cells = [Cell(color, label) for color in colors for label in labels]
    num_classes = len(dataset.class_names)
    places = places_of(ks, cells, search.repeats, num_classes)
    search = dataclasses.replace(search, k=max(ks), lanes=min(search.lanes, len(places)))
    shape = dataset.image_shape
    with sweep_progress(f"{folder.name}, searches") as on_progress:
        return sweep_places(
            search, model, shape, num_classes, places, folder=folder, on_progress=on_progress
        )


def evolve_fewest(
    search: Search,
    model: Any,
    dataset: Dataset,
    labels: Sequence[int],
    colors: Sequence[Color],
    ks: Sequence[int],
    folder: Path,
) -> list[Fewest]:
    """For every class the fewest pixels with which a search of `evolve` reached `search.until`."""
    found = evolve(search, model, dataset, labels, colors, ks, folder)
    plain = plain_confidences(model, colors, dataset.image_shape)
    bases = [np.broadcast_to(color.base(1), dataset.image_shape) for color in colors]
    return [fewest(found, label, plain[:, label], bases, search.until or 1.0) for label in labels]


def fewest(
    found: Found,
    label: int,
    plain: Float[np.ndarray, " colors"],
    bases: Sequence[np.ndarray],
    confidence: float,
) -> Fewest:
    """Of one class.

    Args:
      found: with `until` at the confidence.
      label: the class.
      plain: confidences of the colours alone, `bases`.
      confidence: to reach.
    """
    if plain.max() >= confidence:
        return Fewest(0, bases[int(plain.argmax())], float(plain.max()))
    of_label = [i for i, row in enumerate(found.rows) if row.label == label]
    k = min((found.rows[i].k for i in of_label if found.rows[i].success), default=NEVER)
    best = max(
        (i for i in of_label if k in (NEVER, found.rows[i].k)),
        key=lambda i: found.rows[i].confidence,
    )
    return Fewest(k, found.images[best], found.rows[best].confidence)
