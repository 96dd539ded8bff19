"""Compiles a sweep's program from shapes alone, also for devices that are not present."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import ShapeDtypeStruct
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jfool.base import KEY_TYPE, Attack, Criterion, Model
from jfool.loop import limits_of, strong
from jfool.sweeps.large import is_large
from jfool.sweeps.segment import LANES, Entering, free_lanes, segment


@dataclasses.dataclass(frozen=True)
class ChipMemory:
    """Bytes that a program takes on one device; `reused` are outputs stored over arguments."""

    arguments: int
    outputs: int
    reused: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        return self.arguments + self.outputs - self.reused + self.temporaries + self.code


@dataclasses.dataclass(frozen=True)
class Program:
    """
    Attributes:
      memory: None if the compiler rejects the program as too large.
      text: of the compiled program; empty if it was rejected.
      lane_bytes: size of one lane's state.
      row_bytes: size of what is kept of one job: id, job, findings, seconds.
      large_bytes: the part of `row_bytes` stored outside the table.
      seconds: compile time.
    """

    memory: ChipMemory | None
    text: str
    lane_bytes: int
    row_bytes: int
    large_bytes: int
    seconds: float

    def fits(self, limit: int) -> bool:
        return self.memory is not None and self.memory.total <= limit


def compile_sweep(
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    lanes: int,
    chunk: int,
    until: Criterion | None,
    mesh: Mesh,
) -> Program:
    """Compiles what `sweep` would run.

    Args:
      attack, model, jobs, lanes, chunk, until: as for `sweep`, arrays or their shapes.
      mesh: of `make_mesh`.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    by_lane = NamedSharding(mesh, PartitionSpec(LANES))
    count = lanes * mesh.shape[LANES]
    attack, jobs = jax.eval_shape(strong, (attack, jobs))
    job = jax.tree.map(lambda leaf: ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype), jobs)
    numbers, flags = ShapeDtypeStruct((count,), np.int32), ShapeDtypeStruct((count,), np.bool_)
    entering = Entering(numbers, job, flags)
    key = jax.eval_shape(lambda: jax.random.key(0, impl=KEY_TYPE))
    lane_state = jax.eval_shape(free_lanes, key, attack, entering)
    key_data, limits = ShapeDtypeStruct((2,), np.uint32), limits_of(1, None, until)

    started = time.monotonic()
    lowered = segment.lower(
        *on(everywhere, (key_data, attack, model)),
        *on(by_lane, (lane_state, entering)),
        *on(everywhere, (limits, np.int32(1))),
        mesh=mesh,
        chunk=chunk,
    )
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        memory, text = None, ""
    else:
        memory, text = _memory(compiled), compiled.as_text() or ""
    _, findings = lowered.out_info
    large = [
        leaf for leaf in jax.tree.leaves((job, findings)) if is_large(leaf.shape[1:], leaf.dtype)
    ]
    return Program(
        memory=memory,
        text=text,
        lane_bytes=_bytes(lane_state) // count,
        row_bytes=_bytes((numbers, job, findings)) // count + np.dtype(np.float64).itemsize,
        large_bytes=_bytes(large) // count,
        seconds=time.monotonic() - started,
    )


def on(sharding: Any, tree: Any) -> Any:
    """The shapes of a tree of arrays, numbers or shapes, with a sharding."""
    shapes = jax.eval_shape(lambda tree: tree, tree)
    return jax.tree.map(
        lambda leaf: ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding, weak_type=leaf.weak_type
        ),
        shapes,
    )


@dataclasses.dataclass(frozen=True)
class Largest:
    """
    Attributes:
      fits: the largest size that was found to fit; 0 for none.
      fails: the smallest that was found not to fit; None if all sizes up to the most fit.
    """

    fits: int
    fails: int | None


def largest(
    program_of: Callable[[int], Program],
    limit: int,
    *,
    start: int,
    most: int,
    unit: int = 1,
    most_compiled: int = 6,
) -> Largest:
    """The largest size whose program fits, within two percent or `most_compiled` programs.

    Memory grows nearly linearly with size, so the next size to try is found by extrapolating from
    the last two, between the largest that fits and the smallest that does not.

    Args:
      program_of: compiles for a size.
      limit: bytes of a device.
      start: the first size to try.
      most: the largest useful size.
      unit: sizes are multiples of it.
      most_compiled: the most programs to compile.
    """
    totals: dict[int, int] = {}
    fits, fails = 0, most // unit + 1  # in units; sizes above the most count as not fitting
    size = min(start // unit, fails - 1)
    for _ in range(most_compiled):
        program = program_of(size * unit)
        if program.memory is not None:
            totals[size] = program.memory.total
        if program.fits(limit):
            fits = size
        else:
            fails = size
        if fails - fits <= max(1, fits // 50):
            break
        size = _next(totals, limit, fits, fails, most // unit)
    return Largest(fits * unit, None if fails * unit > most else fails * unit)


def _next(totals: dict[int, int], limit: int, fits: int, fails: int, most: int) -> int:
    """A size between what fits and what does not."""
    known = sorted(totals.items())[-2:]
    if len(known) == 2 and known[1][1] > known[0][1]:
        (small, less), (large, more) = known
        size = small + (limit - less) * (large - small) // (more - less)
    else:
        size = fits * 4
    if size >= fails and (fails in totals or fails > most):
        return fails - 1
    if size >= fails or not totals:  # a rejected program tells no memory
        return (fits + fails) // 2
    return max(size, fits + 1)


def _memory(compiled: Any) -> ChipMemory:
    stats = compiled.memory_analysis()
    return ChipMemory(
        arguments=stats.argument_size_in_bytes,
        outputs=stats.output_size_in_bytes,
        reused=stats.alias_size_in_bytes,
        temporaries=stats.temp_size_in_bytes,
        code=stats.generated_code_size_in_bytes,
    )


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
