"""Several processes in one sweep, started by `jax.distributed`, with a common folder."""

import time
from collections.abc import Callable

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from jfool.sweeps.stop_signal import SweepStopped

_SECONDS_BETWEEN_LOOKS = 0.2


class Hosts:
    """This process among the others of `jax.distributed`.

    Args:
      folder: must be visible to all processes; may be None for a single process.
    Raises:
      ValueError: there are several processes, but no folder that all can see.
    """

    def __init__(self, folder: epath.Path | None) -> None:
        self.index, self.count = jax.process_index(), jax.process_count()
        self._folder = folder
        if self.count == 1:
            return
        if folder is None:
            raise ValueError(f"folder: expected one that all {self.count} processes see, got None")
        number = np.random.default_rng().integers(2**31)
        self._token = int(multihost_utils.broadcast_one_to_all(np.int32(number)))
        self.note("here")
        self.meet("noted")
        seen = all(self._mark("here", process).exists() for process in range(self.count))
        if not multihost_utils.process_allgather(np.array(seen)).all():
            raise ValueError(f"folder: expected one that all processes see, got {folder}")

    def meet(self, name: str) -> None:
        """Waits until all processes have reached this point."""
        if self.count > 1:
            multihost_utils.sync_global_devices(f"jfool {name}")

    def in_turn(self, work: Callable[[], None]) -> None:
        """Calls `work` in the first process, then in all others."""
        if self.index == 0:
            work()
        self.meet("first")
        if self.index > 0:
            work()

    def share(self, items: np.ndarray) -> np.ndarray:
        """This process's part of a list that all have."""
        return items[self.index :: self.count]

    def note(self, what: str) -> None:
        """Leaves a mark for the other processes."""
        if self.count > 1:
            self._mark(what, self.index).parent.mkdir(parents=True, exist_ok=True)
            self._mark(what, self.index).write_text("")

    def wait_for_all(self) -> None:
        """Waits until all other processes are done too.

        Raises:
          SweepStopped: one of them was stopped.
        """
        self.note("done")
        waiting = set(range(self.count)) if self.count > 1 else set()
        while waiting := {i for i in waiting if not self._mark("done", i).exists()}:
            if any(self._mark("stopped", i).exists() for i in waiting):
                raise SweepStopped("another process of the sweep was stopped")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        self.meet("done")
        for what in ("here", "done") if self.count > 1 else ():
            self._mark(what, self.index).unlink(missing_ok=True)

    def _mark(self, what: str, process: int) -> epath.Path:
        assert self._folder is not None
        return self._folder / "hosts" / f"{self._token}-{process}-{what}"
