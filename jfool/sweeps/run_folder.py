"""The folder of a sweep: its settings, and the results so far in Parquet parts.

settings.json             the settings of the sweep
parts/*-DIGEST.parquet    finished jobs, each in exactly one part
large/DIGEST.npy          columns of a job that are too large for the table (`large.py`)
checkpoints/PROCESS/*     running jobs (`checkpoint.py`)
"""

import fcntl
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from jfool.sweeps import checkpoint
from jfool.sweeps.files import is_remote, open_path, write_whole
from jfool.sweeps.lane_table import stack, unstack
from jfool.sweeps.large import digest_of
from jfool.sweeps.results import Results, collected, without_large

FORMAT = 2  # in format 1, which had no number, jobs held the class to reach as `label`
_SETTINGS = "settings.json"
_DIGEST = re.compile("[0-9a-f]{64}")
_NODE = re.compile("PyTreeDef|CustomNode")  # of a description: left out of messages


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
        return (self.path / _SETTINGS).exists()

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
            raise ValueError(f"folder: expected a folder, got the file {self.path}")
        if self.path.exists() and not self.exists() and self._foreign():
            raise ValueError(
                f"folder: expected a new one or that of a sweep, got {self.path} with other files"
            )
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
            self._take_lock(process)
            if not self.exists():
                text = json.dumps({"format": FORMAT, **settings, "note": note}, indent=1) + "\n"
                write_whole(self.path / _SETTINGS, text.encode())
        except OSError as error:
            reason = error.strerror or error
            raise ValueError(
                f"folder: expected a folder to write to, got {self.path} ({reason})"
            ) from error
        held = self.settings()
        for name, value in json.loads(json.dumps(settings)).items():
            if held.get(name) != value:
                raise ValueError(
                    f"folder: expected the settings that {self.path} was started with, got another "
                    f"{name}{_difference(value, held.get(name))} (choose another folder)"
                )

    def settings(self) -> dict[str, Any]:
        """Raises FileNotFoundError if there are none, ValueError if they are damaged or too old."""
        path = self.path / _SETTINGS
        if not path.exists():
            raise FileNotFoundError(f"folder: expected the folder of a sweep, got {self.path}")
        try:
            settings = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not isinstance(settings, dict) or not {"num_jobs", "job_ids"} <= settings.keys():
            raise ValueError(f"{path} is damaged: expected the settings of a sweep")
        if (held := settings.get("format", 1)) != FORMAT:
            raise ValueError(
                f"folder: expected a sweep of format {FORMAT}, got {self.path} of format {held}, "
                "written by another version of jfool (choose another folder)"
            )
        return settings

    def add(self, table: pa.Table) -> None:
        """Adds finished jobs; they are on the disk when this returns."""
        with _explained(self.large):
            table = without_large(table, self.large)
        ids = table["job_id"].to_numpy()
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        name = f"jobs-{ids.min():010d}-{len(ids)}-{digest_of(buffer.getvalue())}.parquet"
        path = self.parts / name
        with _explained(path):
            write_whole(path, buffer.getvalue())

    def save(self, states: dict[int, checkpoint.Arrays], process: int) -> None:
        """Writes a checkpoint of running jobs, by job id."""
        if states:
            path = self.path / "checkpoints" / str(process)
            with _explained(path):
                checkpoint.save(path, stack(states))

    def states(self) -> dict[int, checkpoint.Arrays]:
        """The running jobs in the last checkpoints, by job id."""
        folder = self.path / "checkpoints"
        found: dict[int, checkpoint.Arrays] = {}
        for path in sorted(folder.iterdir()) if folder.exists() else []:
            for job_id, state in unstack(checkpoint.load(path)).items():
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
        tables = [_read_part(path) for path in self._part_paths()]
        ids = settings["job_ids"]
        ids = np.arange(settings["num_jobs"]) if ids is None else np.asarray(ids)
        return collected(tables, ids, settings, self.parts, self.large)

    def finished(self) -> np.ndarray:
        """Ids of the finished jobs."""
        columns = [_read_part(path, ["job_id"])["job_id"].to_numpy() for path in self._part_paths()]
        return np.concatenate([np.zeros(0, np.int32), *columns])

    def release(self) -> None:
        """Releases the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _part_paths(self) -> list[epath.Path]:
        if not self.parts.exists():
            return []
        return sorted(path for path in self.parts.iterdir() if path.name.endswith(".parquet"))

    def _foreign(self) -> bool:
        own = (self.parts.name, "hosts")
        names = [path.name for path in self.path.iterdir()]
        return any(name not in own and not name.startswith(".") for name in names)

    def _take_lock(self, process: int) -> None:
        """The system releases it when the process ends. Object stores have no locks."""
        if is_remote(self.path):
            return
        self._lock = os.open(self.path / f".lock-{process}", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise ValueError(
                f"folder: expected one program at a time, got {self.path}, to which another one is "
                "writing"
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


def _read_part(path: epath.Path, columns: list[str] | None = None) -> pa.Table:
    try:
        content = path.read_bytes()
        if digest_of(content) != path.stem.rpartition("-")[2]:
            raise pa.ArrowInvalid("its content is not what was written")
        return pq.read_table(io.BytesIO(content), columns=columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} is damaged ({reason}): delete it, and its jobs will run again"
        ) from error


@contextmanager
def _explained(path: epath.Path) -> Iterator[None]:
    """Adds to an OSError what it means for the sweep."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{path} could not be written ({error.strerror or error}): the run folder holds all "
            "earlier results, and the same call resumes from there"
        ) from error


def _difference(came: Any, held: Any) -> str:
    """How two settings differ, in readable form."""
    if _is_described(came) and _is_described(held):
        came, held = came[0], held[0]
        if came == held:
            return " (other numbers)"
    elif _is_digest(came):
        return " (another structure, or other numbers)"
    new, old = _where_they_part(*(_NODE.sub("", json.dumps(value)) for value in (came, held)))
    return f": {new} instead of {old}"


def _is_described(setting: Any) -> bool:
    """A description, and a digest of structure and numbers."""
    return isinstance(setting, list) and len(setting) == 2 and _is_digest(setting[1])


def _is_digest(setting: Any) -> bool:
    return isinstance(setting, str) and _DIGEST.fullmatch(setting) is not None


def _where_they_part(one: str, other: str) -> tuple[str, str]:
    """Excerpts of two texts around the first place where they differ."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    first = max(0, same - 30)

    def cut(text: str) -> str:
        shown = text[first : same + 40]
        return f"{'...' if first else ''}{shown}{'...' if same + 40 < len(text) else ''}"

    return cut(one), cut(other)
