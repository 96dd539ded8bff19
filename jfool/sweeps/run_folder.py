"""The folder of a sweep: its settings, and the results so far in Parquet parts.

settings.json             the settings of the sweep
parts/*-DIGEST.parquet    finished jobs, each in exactly one part
large/DIGEST.npy          columns of a job that are too large for the table (`large.py`)
checkpoints/PROCESS/*     running jobs (`checkpoint.py`)
"""

import fcntl
import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from etils import epath

from jfool.sweeps import checkpoint
from jfool.sweeps.files import children, is_remote, open_path, write_whole
from jfool.sweeps.lane_table import stack, unstack
from jfool.sweeps.parts import part_of, read_part
from jfool.sweeps.results import Results, collected, without_large
from jfool.sweeps.stored_settings import SETTINGS, SWEEP, difference, read_settings, text_of
from jfool.texts import told


class RunFolder:
    """See the module.

    Args:
      path: local, or an object store's.
    """

    lasts = True

    def __init__(self, path: Any) -> None:
        self.path = open_path(path)
        self._lock: int | None = None

    @property
    def parts(self) -> epath.Path:
        return self.path / "parts"

    @property
    def large(self) -> epath.Path:
        return self.path / "large"

    def exists(self) -> bool:
        return (self.path / SETTINGS).exists()

    def claim(self, settings: Mapping[str, Any], note: Any, process: int) -> None:
        """Creates the folder, or resumes it if it was started with the same settings.

        Args:
          settings: JSON types. The first process writes them.
          note: stored with the settings, never compared.
          process: index of this process.
        Raises:
          ValueError: it belongs to a sweep with other settings or is no folder of a sweep, cannot
            be written to, or is being written to by another program.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"folder: expected a folder, got the file {told(self.path)}")
        if self.path.exists() and not self.exists() and self._foreign():
            raise ValueError(
                f"folder: expected a new one or that of a sweep, got {told(self.path)} with other "
                "files (choose another folder)"
            )
        checkpoints = [p for p in children(self.path / "checkpoints", self.path) if p.is_dir()]
        for own in (self.parts, self.large, self.path / "hosts", *checkpoints):
            children(own, self.path)  # refuses a link, through which it would write elsewhere
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            self._take_lock(process)
            if not self.exists():
                write_whole(self.path / SETTINGS, text_of(settings, note).encode())
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(
                f"folder: expected a folder to write to, got {told(self.path)} ({reason})"
            ) from error
        held = self.settings()
        for name, value in json.loads(json.dumps(settings)).items():
            if held.get(name) != value:
                raise ValueError(
                    f"folder: expected the settings that {told(self.path)} was started with, got "
                    f"another {name}{difference(value, held.get(name))} (choose another folder)"
                )

    def settings(self) -> dict[str, Any]:
        """Raises FileNotFoundError if there are none, ValueError if they are damaged or too old."""
        return read_settings(self.path)

    def add(self, table: pa.Table) -> None:
        """Adds finished jobs; they are on the disk when this returns."""
        with _explained(self.large):
            table = without_large(table, self.large)
        name, content = part_of(table, self._sweep)
        path = self.parts / name
        with _explained(path):
            write_whole(path, content)

    def save(self, states: dict[int, checkpoint.Arrays], process: int) -> None:
        """Writes a checkpoint of running jobs, by job id."""
        if states:
            path = self.path / "checkpoints" / str(process)
            with _explained(path):
                checkpoint.save(path, stack(states), self._sweep)

    def states(self) -> dict[int, checkpoint.Arrays]:
        """The running jobs in the last checkpoints, by job id."""
        found: dict[int, checkpoint.Arrays] = {}
        for path in children(self.path / "checkpoints", self.path):
            for job_id, state in unstack(checkpoint.load(path, self._sweep)).items():
                # An earlier call may have left an older state of the job.
                if job_id not in found or state["step"] > found[job_id]["step"]:
                    found[job_id] = state
        return found

    def results(self) -> Results:
        """All finished jobs.

        Raises:
          FileNotFoundError: it is no folder of a sweep.
          ValueError: a file is damaged, or a job is in two parts.
        """
        settings = self.settings()
        tables = self._read_parts(settings)
        ids = settings["job_ids"]
        ids = np.arange(settings["num_jobs"], dtype=np.int32) if ids is None else np.asarray(ids)
        return collected(tables, ids, settings, told(self.parts), self.large)

    def finished(self) -> np.ndarray:
        """Ids of the finished jobs."""
        columns = [
            part["job_id"].to_numpy() for part in self._read_parts(self.settings(), ["job_id"])
        ]
        return np.concatenate([np.zeros(0, np.int32), *columns])

    def release(self) -> None:
        """Releases the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @functools.cached_property
    def _sweep(self) -> str:
        """Which sweep this is; "" in a folder of an earlier version, whose files do not say."""
        return self.settings().get(SWEEP, "")

    def _read_parts(
        self, settings: Mapping[str, Any], columns: list[str] | None = None
    ) -> list[pa.Table]:
        paths = [p for p in children(self.parts, self.path) if p.name.endswith(".parquet")]
        return [read_part(path, self.path, settings, columns) for path in paths]

    def _foreign(self) -> bool:
        own = (self.parts.name, "hosts")
        names = [path.name for path in self.path.iterdir()]
        return any(name not in own and not name.startswith(".") for name in names)

    def _take_lock(self, process: int) -> None:
        """The system releases it when the process ends. Object stores have no locks."""
        if is_remote(self.path):
            return
        self._lock = os.open(
            self.path / f".lock-{process}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise ValueError(
                f"folder: expected one program at a time, got {told(self.path)}, to which another "
                "one is writing (wait for it, or choose another folder)"
            ) from None


def read_sweep(folder: Any) -> Results:
    """The results of a sweep so far, even while it runs.

    Args:
      folder: that of `jfool.sweep`.
    Raises:
      FileNotFoundError: it is no folder of a sweep.
      ValueError: a file is damaged, or a job is in two parts.
    """
    return RunFolder(folder).results()


@contextmanager
def _explained(path: epath.Path) -> Iterator[None]:
    """Adds to an OSError what it means for the sweep."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{told(path)} could not be written ({error.strerror or error}): the run folder holds "
            "all earlier results, and the same call resumes from there"
        ) from error
