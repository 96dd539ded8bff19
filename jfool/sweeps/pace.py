"""The progress of a sweep, and the length of its segments."""

import dataclasses
from typing import Any

import numpy as np

_LONGEST = 1024  # generations
_LOOKING = 0.05  # of the time


@dataclasses.dataclass(frozen=True)
class Progress:
    """The progress of this process after a segment.

    Attributes:
      earlier: jobs that were done before this call.
      done, total: jobs, the earlier ones included.
      successes: of the jobs done in this call; an archive needs success in all cells.
      num_queries: images shown to the model in this call, with or without a gradient, those of
        running jobs included.
      seconds: since this call began.
      computing: seconds of these that were spent in compiled segments.
    """

    earlier: int
    done: int
    total: int
    successes: int = 0
    num_queries: int = 0
    seconds: float = 0.0
    computing: float = 0.0

    def after(
        self, columns: dict[str, Any], shown: int, seconds: float, computing: float
    ) -> "Progress":
        """The progress after a segment that took `computing` seconds, showed `shown` images, and
        ended the jobs of `columns`."""
        ended = columns or {"job_id": (), "success": ()}
        return Progress(
            self.earlier,
            self.done + len(ended["job_id"]),
            self.total,
            self.successes + sum(bool(np.all(success)) for success in ended["success"]),
            self.num_queries + shown,
            seconds,
            self.computing + computing,
        )


@dataclasses.dataclass(frozen=True)
class Pace:
    """The length of segments: short ones refill lanes sooner, long ones cost less overhead.

    Attributes:
      length: generations of the next segment, at most.
      free: whether it may change.
    """

    length: int
    free: bool

    @classmethod
    def of(cls, segment: int | None) -> "Pace":
        return cls(1 if segment is None else segment, segment is None)

    def after(self, looking: float, computing: float) -> "Pace":
        """Longer if the host's share of the time was too large; shorter if it was small."""
        if not self.free:
            return self
        length = self.length
        if looking > _LOOKING * computing:
            length = min(2 * length, _LONGEST)
        elif looking < _LOOKING / 4 * computing:
            length = max(1, length // 2)
        return Pace(length, True)
