"""Predicts a sweep's memory, operations and time by compiling it; nothing runs or is allocated.

Devices need not be present (see `topology_devices`), and shapes suffice in place of weights.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jfool.base import Attack, Criterion, Model
from jfool.batches import batch_size
from jfool.jobs import num_jobs
from jfool.loop import Settings
from jfool.numbers import is_whole
from jfool.sweeps.ahead import ChipMemory, compile_sweep
from jfool.sweeps.chips import chip_of
from jfool.sweeps.operations import count_operations
from jfool.sweeps.results import provenance
from jfool.sweeps.segment import LANES, make_mesh
from jfool.sweeps.sizes import CHUNK, memory_limit

ASSUMPTIONS = (
    "no job ends before its last generation: an `until` only shortens the sweep",
    "operations are those of the network's matrix products and convolutions; the search, painting, "
    "and the two images per job that recheck the results are left out",
    "the time is that of the busiest chip at the published bfloat16 peak, which no program reaches",
    "a float32 network runs as single bfloat16 passes, the default matmul precision of a TPU",
    "bytes are the compiler's count of what its operations read and write, in any memory of a chip",
    "results are uncompressed",
)
_COLLECTIVE = re.compile(
    r" (all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast)"
    r"(?:-start)?\("
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """
    Attributes:
      device: its kind.
      num_devices, split, lanes, chunk: as for `jfool.sweeps.sweep`.
      images_per_call: of the network, on each device.
      memory: of each device; None if the compiler rejects the program as too large.
      memory_limit: bytes of each device; None if unknown.
      fits: whether the program fits; None if the limit is unknown.
      collectives: number of each kind in the program; empty unless populations are split. None if
        the program was rejected.
      operations_per_image, bytes_per_image: of the network; see `ASSUMPTIONS`.
      evaluations_per_generation: images on all devices together.
      operations_per_generation, bytes_per_generation: of all devices together.
      evaluations, operations: of the whole sweep.
      seconds_at_peak: of the whole sweep; None for devices without a published peak.
      checkpoint_bytes: with all lanes in use.
      results_bytes: of all jobs, in the table.
      large_bytes: of all jobs, in files: columns with more than 4 MiB per job, such as the
        champions of an archive of many classes.
      compile_seconds: of the sweep's program.
    """

    device: str
    num_devices: int
    split: int
    lanes: int
    chunk: int
    images_per_call: int
    memory: ChipMemory | None
    memory_limit: int | None
    fits: bool | None
    collectives: dict[str, int] | None
    operations_per_image: float
    bytes_per_image: float | None
    evaluations_per_generation: int
    operations_per_generation: float
    bytes_per_generation: float | None
    evaluations: int
    operations: float
    seconds_at_peak: float | None
    checkpoint_bytes: int
    results_bytes: int
    large_bytes: int
    compile_seconds: float


def plan(
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    num_steps: int,
    lanes: int,
    chunk: int = CHUNK,
    until: Criterion | None = None,
    devices: Sequence[Any] | None = None,
    split: int = 1,
    memory: int | None = None,
) -> Plan:
    """Compiles the sweep with the same arguments, and reports.

    Args:
      attack, model, jobs, num_steps, lanes, chunk, until, split: as for `jfool.sweeps.sweep`; only
        the shapes of the model and of the jobs matter.
      devices: present ones (all by default), or those of a topology.
      memory: bytes of each device; by default the published or reported size.
    Raises:
      ValueError: an argument cannot work.
    """
    for name, value in (("lanes", lanes), ("chunk", chunk), ("split", split)):
        if not is_whole(value, 1):
            raise ValueError(f"{name}: expected a positive number, got {value!r}")
    if not is_whole(num_steps, 0):
        raise ValueError(f"num_steps: expected a whole number of at least 0, got {num_steps!r}")
    devices = jax.local_devices() if devices is None else devices
    mesh = make_mesh(devices, split)
    num_columns = mesh.shape[LANES]
    count, images = num_jobs(jobs), attack.images_at_once
    if images % split:
        raise ValueError(f"split: expected a divisor of the {images} candidates, got {split}")

    options = {"settings": Settings(chunk), "until": until, "mesh": mesh}
    program = compile_sweep(attack, model, jobs, lanes=lanes, **options)
    chip = chip_of(devices[0])
    limit = memory or (chip.memory if chip else memory_limit(devices[0]))
    per_call = batch_size(lanes * images // split, chunk)
    call = jax.ShapeDtypeStruct((per_call, *attack.image_shape), np.float32)
    # Not from the sweep's program, whose analysis counts the body of a loop once.
    operations = count_operations(_call, model, call) / per_call
    bytes_ = _bytes_accessed(model, call, devices[0]) if program.memory else None
    bytes_ = None if bytes_ is None else bytes_ / per_call
    per_generation = images * lanes * num_columns
    busiest = -(-count // num_columns) * images // split * (num_steps + 1)
    evaluations = images * (num_steps + 1) * count
    origin_bytes = sum(map(len, provenance(devices).values()))
    return Plan(
        device=devices[0].device_kind,
        num_devices=len(devices),
        split=split,
        lanes=lanes,
        chunk=chunk,
        images_per_call=per_call,
        memory=program.memory,
        memory_limit=limit,
        fits=None if limit is None else program.fits(limit),
        collectives=_collectives(program.text) if program.compiled else None,
        operations_per_image=operations,
        bytes_per_image=bytes_,
        evaluations_per_generation=per_generation,
        operations_per_generation=operations * per_generation,
        bytes_per_generation=None if bytes_ is None else bytes_ * per_generation,
        evaluations=evaluations,
        operations=operations * evaluations,
        seconds_at_peak=operations * busiest / chip.peak if chip else None,
        checkpoint_bytes=program.lane_bytes * lanes * num_columns,
        results_bytes=(program.row_bytes - program.large_bytes + origin_bytes) * count,
        large_bytes=program.large_bytes * count,
        compile_seconds=program.seconds,
    )


def _collectives(text: str) -> dict[str, int]:
    return dict(sorted(Counter(_COLLECTIVE.findall(text)).items()))


def _bytes_accessed(model: Model, images: Any, device: Any) -> float | None:
    lowered = jax.jit(_call).lower(*_on(SingleDeviceSharding(device), (model, images)))
    return (lowered.compile().cost_analysis() or {}).get("bytes accessed")


def _on(sharding: Any, tree: Any) -> Any:
    """The shapes of a tree of arrays, numbers or shapes, with a sharding."""
    shapes = jax.eval_shape(lambda tree: tree, tree)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding, weak_type=leaf.weak_type
        ),
        shapes,
    )


def _call(model: Model, images: Any) -> Any:
    return model(images)
