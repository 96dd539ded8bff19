"""Compiles a sweep's program from shapes alone, to run it, or to plan for devices that are not
present."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jfool.base import KEY_TYPE, Attack, Criterion, Model
from jfool.loop import Settings, limits_of, strong
from jfool.sweeps.large import is_large
from jfool.sweeps.segment import LANES, Entering, Given, free_lanes, segment

Shapes = list[jax.ShapeDtypeStruct]


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
      compiled: `segment`, for these sizes; None if it was rejected.
      shared_bytes: size of what all lanes share: the weights of the model, and the attack.
      lane_bytes: size of one lane's state.
      row_bytes: size of what is kept of one job: id, job, findings, seconds.
      large_bytes: the part of `row_bytes` stored outside the table.
      seconds: compile time.
    """

    memory: ChipMemory | None
    compiled: Any
    shared_bytes: int
    lane_bytes: int
    row_bytes: int
    large_bytes: int
    seconds: float

    @property
    def text(self) -> str:
        """Of the compiled program."""
        return self.compiled.as_text() or ""

    def fits(self, limit: int) -> bool:
        return self.memory is not None and self.memory.total <= limit


@dataclasses.dataclass(frozen=True)
class Traced:
    """A sweep's program before it is compiled.

    Attributes:
      lowered: `segment`, for these sizes.
      lanes, row, shared: shapes of all lanes' states; of what is kept of their jobs, but for the
        seconds; and of what all lanes share.
      count: of the lanes on all devices.
      seconds: that it took.
    """

    lowered: Any
    lanes: Shapes
    row: Shapes
    shared: Shapes
    count: int
    seconds: float

    def compile(self) -> Program:
        started = time.monotonic()
        try:
            compiled = self.lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            memory = compiled = None
        else:
            memory = _memory(compiled)
        large = [x for x in self.row if is_large(x.shape[1:], x.dtype)]
        return Program(
            memory=memory,
            compiled=compiled,
            shared_bytes=_bytes(self.shared),
            lane_bytes=_bytes(self.lanes) // self.count,
            row_bytes=_bytes(self.row) // self.count + np.dtype(np.float64).itemsize,
            large_bytes=_bytes(large) // self.count,
            seconds=self.seconds + time.monotonic() - started,
        )


def trace_sweep(
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    lanes: int,
    settings: Settings,
    until: Criterion | None,
    mesh: Mesh,
) -> Traced:
    """Traces what `sweep` would run.

    Args:
      attack, model, jobs, lanes, until: as for `sweep`, arrays or their shapes.
      settings: of the loop.
      mesh: of `make_mesh`.
    """
    count = lanes * mesh.shape[LANES]
    started = time.monotonic()
    traced: list[tuple[Any, Shapes, Shapes, Shapes]] = []

    def trace(attack: Attack, model: Model) -> None:  # nothing is allocated
        number = jnp.zeros(count, jnp.int32)
        job = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], leaf.dtype), jobs)
        job = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), strong(job))
        key, entering = jax.random.key(0, impl=KEY_TYPE), Entering(number, job, number > 0)
        attack, limits = strong(attack), limits_of(1, None, until)
        lane_state = free_lanes(key, attack, model, entering, settings=settings)
        data = jax.random.key_data(key)
        given = Given(data, attack, model, entering, limits, jnp.int32(1))
        leaves = jax.tree.leaves(lane_state), jax.tree.leaves(given)
        form = jax.tree.structure((lane_state, given))
        options = {"form": form, "mesh": mesh, "settings": settings}
        _, findings = segment(*leaves, **options)
        row = _shapes((number, job, findings))
        lowered = segment.lower(*leaves, **options)
        traced.append((lowered, _shapes(lane_state), row, _shapes((attack, model))))

    with jax.disable_jit(False):  # there would be nothing to lower
        jax.eval_shape(trace, attack, model)
    ((lowered, lane, row, shared),) = traced
    return Traced(lowered, lane, row, shared, count, time.monotonic() - started)


def compile_sweep(attack: Attack, model: Model, jobs: Any, **options: Any) -> Program:
    """Compiles what `sweep` would run; takes what `trace_sweep` takes."""
    return trace_sweep(attack, model, jobs, **options).compile()


def is_out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error)


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


def _shapes(tree: Any) -> Shapes:
    return [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _bytes(shapes: Shapes) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in shapes)
