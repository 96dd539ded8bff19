"""The fewest pixels that fool a linear model, by integer programs.

`D` pixels, `J` other classes, `C` conditions.
"""

import time
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.special import entr

NEVER = -1
_INFEASIBLE = 2  # a status of HiGHS


def exact_smallest_k(
    deltas: Float[np.ndarray, "J D"],
    confidence: float,
    seconds: float = 60.0,
    known: int | None = None,
) -> int | None:
    """The fewest altered pixels with which an image in [0, 1] reaches a confidence in a class.

    Nothing of the theorems is used.

    The class wants -ln sum_j e^{-g_j} >= L of its gaps g = deltas @ z. For every distribution q of
    entropy H(q), sum_j q_j g_j >= L + H(q) is necessary (Gibbs), and all these together suffice.
    So the fewest pixels that meet some of them are a lower bound; if their image does not have the
    confidence, the q that it violates most, q_j ~ e^{-g_j}, is added, and the program is solved
    again. For two classes J = 1, and the first program is the answer.

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
    """Minimizes sum(b) over z, z_b in [0, 1] and b in {0, 1}^D, where |z_i - z_b| <= b_i and
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
