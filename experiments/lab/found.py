"""What searches found: one row of figures each, with its image and genotype.

`R` rows, `k` altered pixels.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One search and what it found; see `jfool.AttackResult`."""

    job_id: int
    base: str
    label: int
    k: int
    repeat: int
    objective: str
    confidence: float
    prediction: int
    success: bool
    confidence_uint8: float
    success_uint8: bool
    stopped: bool
    num_queries: int
    num_steps: int


@dataclass(frozen=True)
class Found:
    """Rows with their images `[R, H, W, C]` and genotypes `[R, k, 2 + C]`."""

    rows: list[Row]
    images: np.ndarray
    genotypes: np.ndarray

    def ordered(self, rank: Callable[[Row], Any]) -> "Found":
        """The same, sorted by `rank` of the rows."""
        order = sorted(range(len(self.rows)), key=lambda i: rank(self.rows[i]))
        return Found([self.rows[i] for i in order], self.images[order], self.genotypes[order])


def joined(parts: Sequence[Found]) -> Found:
    """All rows, part behind part."""
    return Found(
        [row for part in parts for row in part.rows],
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.genotypes for part in parts]),
    )


def best_rows(rows: Iterable[Row]) -> dict[tuple[str, int], Row]:
    """Of each cell (base, class) the row of the highest confidence, the first of equals; a NaN only
    where there is nothing else."""
    best: dict[tuple[str, int], Row] = {}
    for row in rows:
        held = best.setdefault((row.base, row.label), row)
        if row.confidence > held.confidence or (
            math.isnan(held.confidence) and not math.isnan(row.confidence)
        ):
            best[row.base, row.label] = row
    return best
