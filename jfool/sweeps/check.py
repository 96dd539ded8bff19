"""What `sweep` refuses, beyond what `run` does."""

import json
from typing import Any

import numpy as np

from jfool.check import check_run
from jfool.expect import is_number, is_whole


def check_sweep(
    of_run: tuple[Any, ...],
    *,
    lanes: Any,
    segment: Any,
    split: Any,
    devices: Any,
    checkpoint_seconds: Any,
    note: Any,
    on_progress: Any,
) -> None:
    """Raises TypeError or ValueError, naming the argument, what was expected and what came.

    Args:
      of_run: what `check_run` takes; the ids of the jobs come last.
    """
    check_run(*of_run)
    for name, value in (("lanes", lanes), ("segment", segment)):
        if value is not None and not is_whole(value, 1):
            raise ValueError(f"{name}: expected None or a positive number, got {value!r}")
    if devices is not None and not len(devices):
        raise ValueError("devices: expected at least one, got none")
    if not is_whole(split, 1):
        raise ValueError(f"split: expected a positive number of devices, got {split!r}")
    if not (is_number(checkpoint_seconds) and checkpoint_seconds >= 0):
        raise ValueError(
            "checkpoint_seconds: expected a finite number of at least 0, "
            f"got {checkpoint_seconds!r}"
        )
    if not callable(on_progress):
        raise TypeError(f"on_progress: expected a function of a Progress, got {on_progress!r:.60}")
    try:
        json.dumps(note)
    except (TypeError, ValueError) as error:
        raise TypeError(f"note: expected JSON types: {error}") from None
    job_ids = of_run[-1]
    if job_ids is not None and len(np.unique(job_ids)) < len(job_ids):
        raise ValueError("job_ids: expected distinct numbers, got some twice")
