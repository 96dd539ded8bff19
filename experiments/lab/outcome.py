"""What an experiment with sparse fooling images has to report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.lab.found import Found


@dataclass(frozen=True, eq=False)
class Outcome:
    """
    settings: in JSON types.
    card: of the model.
    class_names: of all classes.
    bases: names of the base colours, the rows of the tables.
    labels: the classes sought, the columns of the tables.
    found, retried: by the objective of the settings, and by log-confidence where that failed.
    plain: `[bases, labels]`, confidence of the colours alone.
    seconds: spent on each part.
    """

    settings: Mapping[str, Any]
    card: Mapping[str, Any]
    class_names: Sequence[str]
    bases: Sequence[str]
    labels: Sequence[int]
    found: Found
    retried: Found | None
    plain: np.ndarray
    seconds: Mapping[str, float]
