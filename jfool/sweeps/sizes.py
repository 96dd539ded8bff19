"""Chooses how many lanes, and how many images per call, fit a device."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jfool.base import Attack, Model
from jfool.jobs import num_jobs
from jfool.model_checks import outlines
from jfool.model_outputs import logits_of
from jfool.sweeps.ahead import Program, is_out_of_memory
from jfool.sweeps.operations import written_bytes

CHUNK = 1024
_MOST_CHUNK = 8192
_MOST_LANES = 256
_CALL_BYTES = 2**32  # that a call of the model writes, which takes about a millisecond
_SHARE, _AIM = 0.85, 0.8  # of a device's memory: what a program may take, and what is aimed at
_MOST_COMPILED = 3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """
    Attributes:
      lanes: jobs side by side on each device, or on each group that shares populations.
      chunk: images per model call and device.
    """

    lanes: int
    chunk: int


@dataclasses.dataclass(frozen=True)
class Asked:
    """Sizes as a user gives them; None for one to choose."""

    lanes: int | None
    chunk: int | None

    def completed_by(self, settings: Mapping[str, Any]) -> "Asked":
        """Fills in sizes that an earlier call chose."""
        return Asked(
            self.lanes or settings.get("lanes"),
            self.chunk or settings.get("chunk"),
        )


def choose_sizes(
    asked: Asked,
    attack: Attack,
    model: Model,
    jobs: Any,
    mesh: Mesh,
    program_of: Callable[[Sizes], Program],
) -> Sizes:
    """Chooses the sizes that were not given.

    There are enough lanes to fill four model calls, so that calls stay full while some lanes are
    free. `chunk` is 1024. A device that reports its memory gets more for a network so small that
    1024 images take no time, and if the program does not fit, the largest power of two that fits,
    predicted from the memory of the programs before; lanes become fewer with it. CPUs do not report
    theirs, and nothing is compiled to choose.

    Args:
      asked: what was given.
      attack, model, jobs: of the sweep.
      mesh: of `make_mesh`.
      program_of: compiles the sweep.
    Raises:
      ValueError: `split` does not divide the population, or nothing that was compiled fits.
    """
    num_columns, split = mesh.devices.shape
    images = attack.images_at_once
    if images % split:
        raise ValueError(f"split: expected a divisor of the {images} candidates, got {split}")
    most = -(-num_jobs(jobs) // num_columns)

    def sizes_of(chunk: int) -> Sizes:
        fill = -(-4 * chunk * split // images)
        return Sizes(asked.lanes or min(fill, _MOST_LANES, most), chunk)

    limit = memory_limit(mesh.devices.flat[0])
    if asked.chunk is not None or limit is None:
        return sizes_of(asked.chunk or CHUNK)
    sizes, tried = sizes_of(_first_chunk(attack, model)), {}
    while True:
        tried[sizes] = program_of(sizes)
        if tried[sizes].fits(int(_SHARE * limit)):
            return sizes
        smaller = [sizes_of(sizes.chunk >> n) for n in range(1, sizes.chunk.bit_length())]
        if not smaller or len(tried) == _MOST_COMPILED:
            raise ValueError(
                f"lanes, chunk: expected a sweep that fits into {limit / 2**30:.1f} GiB, got "
                f"{sizes.lanes} and {sizes.chunk}, which do not ({_advice(sizes)})"
            )
        fitting = (s for s in smaller if _predicted(tried, s, images // split) <= _AIM * limit)
        sizes = next(fitting, smaller[-1])


def _first_chunk(attack: Attack, model: Model) -> int:
    """The largest of 1024, 2048, ... whose call does not write too much, or 1024."""

    def written(count: int) -> int:
        return written_bytes(_call, model, *outlines(model, attack.image_shape, count))

    try:
        per_image = written(2) - written(1)  # what is made of the weights alone does not count
    except (TypeError, ValueError):
        return CHUNK  # the model takes other batches only
    chunk = CHUNK
    while chunk < _MOST_CHUNK and 2 * chunk * per_image <= _CALL_BYTES:
        chunk *= 2
    return chunk


def _call(model: Any, *given: Any) -> Any:
    return logits_of(model, *given)


def _predicted(tried: Mapping[Sizes, Program], sizes: Sizes, images: int) -> float:
    """Bytes that a program takes, by those of larger ones: what lanes share stays, the rest grows
    with the number of lanes, and temporaries also with the images of a call.

    Args:
      tried: in the order of compilation; at least one.
      images: of a lane's step, on each device.
    """

    def counts(sizes: Sizes) -> tuple[int, int]:
        return sizes.lanes, min(sizes.chunk, sizes.lanes * images)

    known = {s: (program, program.memory) for s, program in tried.items() if program.memory}
    if not known:  # a rejected program tells no memory
        return 0.0 if 8 * counts(sizes)[1] <= min(counts(s)[1] for s in tried) else math.inf
    temporaries = np.array([memory.temporaries for _, memory in known.values()], float)
    points = np.array([counts(s) for s in known], float)
    each, *_ = np.linalg.lstsq(points, temporaries)  # bytes of a lane, and of an image
    last, (program, memory) = list(known.items())[-1]
    shared = program.shared_bytes + memory.code
    states = (memory.total - memory.temporaries - shared) * sizes.lanes / last.lanes
    return shared + states + float(each @ np.array(counts(sizes), float))


def memory_limit(device: Any) -> int | None:
    """Bytes that programs may use; None if the device does not report it."""
    return (device.memory_stats() or {}).get("bytes_limit")


@contextmanager
def within_memory(sizes: Sizes) -> Iterator[None]:
    """Raises MemoryError, with sizes to try, if a device runs out of memory."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(sizes) from error


def out_of_memory(sizes: Sizes) -> MemoryError:
    return MemoryError(
        "lanes, chunk: expected a sweep that fits the memory of a device, got "
        f"{sizes.lanes} and {sizes.chunk}, which do not ({_advice(sizes)})"
    )


def _advice(sizes: Sizes) -> str:
    smaller = [
        f"{name}={size // 2}" for name, size in dataclasses.asdict(sizes).items() if size > 1
    ]
    return f"try {' or '.join(smaller)}" if smaller else "even one job is too large for it"
