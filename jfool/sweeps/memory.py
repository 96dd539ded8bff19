"""The results of a sweep without a folder, kept in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jfool.sweeps.results import Results, collected


class Memory:
    """Stands in for a `RunFolder`.

    Args:
      ids: of all jobs.
    """

    path = None
    lasts = False

    def __init__(self, ids: np.ndarray) -> None:
        self._ids, self._tables = ids, []
        self._settings: Mapping[str, Any] = {}

    def exists(self) -> bool:
        return False

    def settings(self) -> Mapping[str, Any]:
        return self._settings

    def claim(self, settings: Mapping[str, Any], note: Any, process: int) -> None:
        del process
        self._settings = {**settings, "note": note}

    def finished(self) -> np.ndarray:
        return np.zeros(0, np.int32)

    def states(self) -> dict[int, Any]:
        return {}

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)

    def save(self, states: dict[int, Any], process: int) -> None:
        """Does nothing: there is nothing to resume from."""

    def results(self) -> Results:
        return collected(self._tables, self._ids, self._settings, "the results")

    def release(self) -> None:
        """Does nothing: there is no lock."""
