"""Checkpoints of running jobs, by job id, from which a killed sweep resumes.

Orbax writes a checkpoint whole or not at all, but does not notice a flipped byte. So each holds a
digest of its arrays, and if that does not match, the checkpoint before is used. An old checkpoint
is never wrong: its jobs just repeat a few steps.
"""

import logging

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from jfool.sweeps.fingerprint import digest

KEPT = 3
_log = logging.getLogger("jfool")
_DIGEST = "digest"

Arrays = dict[str, np.ndarray]


def save(folder: epath.Path, arrays: Arrays) -> None:
    """Writes the next checkpoint of this process, and deletes all but the last few.

    Args:
      folder: of this process's checkpoints.
      arrays: at least one, none of them empty.
    Raises:
      OSError: it cannot be written; the older ones remain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = _numbers(folder)
    number = numbers[-1] + 1 if numbers else 0
    sealed = {**arrays, _DIGEST: np.frombuffer(bytes.fromhex(digest(arrays)), np.uint8)}
    with _checkpointer() as checkpointer:
        checkpointer.save(folder / f"{number:06d}", sealed)
    for old in numbers[: max(0, len(numbers) + 1 - KEPT)]:
        (folder / f"{old:06d}").rmtree()


def load(folder: epath.Path) -> Arrays:
    """The newest undamaged checkpoint, or {}; logs a warning for each damaged one."""
    for number in reversed(_numbers(folder)):
        path = folder / f"{number:06d}"
        try:
            with _checkpointer() as checkpointer:
                sealed = checkpointer.restore(path)
            sealed = {name: np.asarray(array) for name, array in sealed.items()}
            expected = sealed.pop(_DIGEST, np.zeros(0, np.uint8)).tobytes().hex()
            if digest(sealed) != expected:
                raise ValueError("its content is not what was written")
        except Exception as error:  # damaged files raise many kinds of errors
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            _log.warning("%s is damaged (%.200s): resuming from an older one", path, reason)
            continue
        return sealed
    return {}


def _numbers(folder: epath.Path) -> list[int]:
    """Numbers of the complete checkpoints, ascending."""
    if not folder.exists():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _checkpointer() -> ocp.Checkpointer:
    """A checkpointer for this process alone, since every process has its own jobs."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process,
        active_processes={process},
        barrier_sync_key_prefix=f"jfool-{process}",
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
