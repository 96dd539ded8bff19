"""Checkpoints of running jobs, by job id, from which a killed sweep resumes.

Orbax writes a checkpoint whole or not at all, but does not notice a flipped byte. So each holds a
digest of its arrays and of the sweep, and if that does not match, the checkpoint before is used. An
old checkpoint is never wrong: its jobs just repeat a few steps.
"""

import logging
import re
import stat
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from jfool.sweeps.files import is_remote
from jfool.sweeps.fingerprint import digest
from jfool.texts import told, visible

KEPT = 3
_log = logging.getLogger("jfool")
_DIGEST = "digest"
_NUMBER = re.compile("[0-9]{6,}")

Arrays = dict[str, np.ndarray]


def save(folder: epath.Path, arrays: Arrays, sweep: str = "") -> None:
    """Writes the next checkpoint of this process, and deletes all but the last few.

    Args:
      folder: of this process's checkpoints.
      arrays: at least one, none of them empty.
      sweep: that they belong to.
    Raises:
      OSError: it cannot be written; the older ones remain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = _numbers(folder)
    number = numbers[-1] + 1 if numbers else 0
    sealed = {**arrays, _DIGEST: np.frombuffer(bytes.fromhex(_sealed(arrays, sweep)), np.uint8)}
    with _checkpointer() as checkpointer:
        checkpointer.save(folder / f"{number:06d}", sealed)
    for old in numbers[: max(0, len(numbers) + 1 - KEPT)]:
        _remove(folder / f"{old:06d}")


def load(folder: epath.Path, sweep: str = "") -> Arrays:
    """The newest undamaged checkpoint of a sweep, or {}; logs a warning for each other one."""
    for number in reversed(_numbers(folder)):
        path = folder / f"{number:06d}"
        try:
            _check_files(path)
            with _checkpointer() as checkpointer:
                sealed = checkpointer.restore(path)
            sealed = {name: np.asarray(array) for name, array in sealed.items()}
            expected = sealed.pop(_DIGEST, np.zeros(0, np.uint8)).tobytes().hex()
            if _sealed(sealed, sweep) != expected:
                raise ValueError("its content is not what was written")
        except Exception as error:  # damaged files raise many kinds of errors
            reason = visible((str(error) or type(error).__name__).partition("\n")[0])
            _log.warning("%s is damaged (%.100s): resuming from an older one", told(path), reason)
            continue
        return sealed
    return {}


def _remove(path: epath.Path) -> None:
    if path.is_dir() and not Path(path).is_symlink():
        path.rmtree()
    else:
        path.unlink()


def _sealed(arrays: Arrays, sweep: str) -> str:
    """The digest of arrays, and of the sweep that they belong to."""
    return digest({**arrays, "sweep": np.frombuffer(sweep.encode(), np.uint8)} if sweep else arrays)


def _check_files(path: epath.Path) -> None:
    """Orbax writes folders and files. It would follow a link, and wait for a pipe."""
    for found in () if is_remote(path) else (Path(path), *Path(path).rglob("*")):
        if not (stat.S_ISREG(mode := found.lstat().st_mode) or stat.S_ISDIR(mode)):
            raise OSError(f"{found.name} is no file")


def _numbers(folder: epath.Path) -> list[int]:
    """Numbers of the complete checkpoints, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))


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
