"""Chooses how many lanes, and how many images per call, fit a device."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jax.sharding import Mesh

from jfool.base import Attack, Criterion, Model
from jfool.jobs import num_jobs
from jfool.sweeps.ahead import compile_sweep

CHUNK = 1024
_MOST_LANES = 256
_SHARE = 0.85  # of a device's memory


@dataclasses.dataclass(frozen=True)
class Sizes:
    """
    Attributes:
      lanes: jobs side by side on each device, or on each group that shares populations.
      chunk: images per model call and device.
    """

    lanes: int | None
    chunk: int | None

    def completed_by(self, settings: Mapping[str, Any]) -> "Sizes":
        """Fills in sizes that an earlier call chose."""
        return Sizes(
            self.lanes or settings.get("lanes"),
            self.chunk or settings.get("chunk"),
        )


def choose_sizes(
    asked: Sizes, attack: Attack, model: Model, jobs: Any, until: Criterion | None, mesh: Mesh
) -> Sizes:
    """Chooses the sizes that were not given.

    There are enough lanes to fill four model calls, so that calls stay full while some lanes are
    free. `chunk` is the first of 1024, 512, 256, ... whose program fits the memory of a device, and
    1024 on CPUs, which do not report their memory.

    Args:
      asked: None for a size to choose.
      attack, model, jobs, until: of the sweep, which is compiled to find out its memory.
      mesh: of `make_mesh`.
    Raises:
      ValueError: `split` does not divide the population, or one image per call is too many.
    """
    num_columns, split = mesh.devices.shape
    images = attack.images_at_once
    if images % split:
        raise ValueError(f"split: expected a divisor of the {images} candidates, got {split}")
    fill = -(-4 * (asked.chunk or CHUNK) * split // images)
    most = -(-num_jobs(jobs) // num_columns)
    lanes = asked.lanes or min(fill, _MOST_LANES, most)
    limit = memory_limit(mesh.devices.flat[0])
    if asked.chunk is not None or limit is None:
        return Sizes(lanes, asked.chunk or CHUNK)
    chunk = CHUNK
    while True:
        program = compile_sweep(
            attack, model, jobs, lanes=lanes, chunk=chunk, until=until, mesh=mesh
        )
        if program.fits(int(_SHARE * limit)):
            return Sizes(lanes, chunk)
        if chunk == 1:
            raise ValueError(
                f"lanes: expected a sweep that fits into {limit / 2**30:.1f} GiB, got {lanes} "
                "lanes that do not, even with one image per call"
            )
        chunk //= 2


def memory_limit(device: Any) -> int | None:
    """Bytes that programs may use; None if the device does not report it."""
    return (device.memory_stats() or {}).get("bytes_limit")
