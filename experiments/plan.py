"""Says what a sweep of sparse fooling images needs, and takes at best, on TPUs one need not own.

    python -m experiments plan --model resnet50 --topology v5e:16x16 --jobs 3000 --lanes 4

The real program of the sweep is compiled for the devices, but nothing runs: weights, images and
chips are shapes only. Topologies need `pip install -e ".[plan]"`; without one, the plan is for the
present device.
"""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jfool
import models
from experiments.lab.record import claim_file, print_json, versions, write_json
from jfool.sweeps.ahead import Largest, compile_sweep, largest
from jfool.sweeps.chips import topology_devices
from jfool.sweeps.plan import ASSUMPTIONS, Plan, plan
from jfool.sweeps.segment import LANES, make_mesh

_MOST_POPULATION = 2**24


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      model: of the networks.
      image_shape: (height, width, channels); by default the architecture's.
      num_classes: by default the architecture's.
      k: the most pixels that are altered.
      population: candidates of a generation.
      generations: of a search.
      jobs: searches in all, such as classes x colours x repeats.
      lanes: searches side by side on each device, or on each group of devices with --split.
      chunk: images per call of the model and device.
      split: devices that share a population.
      precision: of the network's computation.
      topology: a TPU chip and its layout, such as v5e:4x4, v5p:2x2x1 or v6e:2x4; "None" is the
        present device.
      largest: also look for the most lanes, or the largest population, that fit a device; it
        compiles a few more programs.
      out: also write the record to this file.
    """

    model: str = "resnet50"
    image_shape: tuple[int, int, int] | None = None
    num_classes: int | None = None
    k: int = 5
    population: int = 500
    generations: int = 1000
    jobs: int = 3000
    lanes: int = 4
    chunk: int = 500
    split: int = 1
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    topology: str | None = None
    largest: Literal["lanes", "population", "none"] = "none"
    out: Path | None = None


def main(config: Config) -> None:
    """Prints tables; the last line on standard output is JSON."""
    for name, least in {"k": 1, "population": 4, "generations": 0, "jobs": 1}.items():
        if not least <= (value := getattr(config, name)) < 2**31:
            raise ValueError(f"{name}: expected a number of at least {least}, got {value}")
    claim_file(config.out)
    topology = config.topology
    devices = jax.local_devices() if topology is None else topology_devices(topology)
    model = models.outline(config.model, config.image_shape, config.num_classes)
    model = models.in_precision(model, config.precision)
    jobs = _jobs(config.jobs, model.image_shape[2])
    report = plan(
        _attack(config, model, config.population),
        model,
        jobs,
        num_steps=config.generations,
        lanes=config.lanes,
        chunk=config.chunk,
        devices=devices,
        split=config.split,
    )
    found = _largest(config, model, jobs, devices, report)
    _show(config, report, found)
    record = {
        "experiment": "plan",
        **dataclasses.asdict(config),
        "plan": dataclasses.asdict(report),
        "memory_total": report.memory.total if report.memory else None,
        "found": None if found is None else dataclasses.asdict(found),
        "assumptions": ASSUMPTIONS,
        **versions(),
    }
    if config.out is not None:
        write_json(config.out, record)
    print_json(record)


def _attack(config: Config, model: models.Network, population: int) -> jfool.Composition:
    search = jfool.DifferentialEvolution(population_size=population)
    options = {"max_k": config.k, "search": search}
    return jfool.SparseFooling(model.image_shape, model.num_classes, **options)


def _jobs(count: int, channels: int) -> jfool.SparseJob:
    """Their shapes are what counts."""
    numbers = np.zeros(count, np.int32)
    return jfool.SparseJob(numbers, np.zeros((count, channels), np.float32), numbers)


def _largest(
    config: Config, model: models.Network, jobs: Any, devices: list[Any], report: Plan
) -> Largest | None:
    if config.largest == "none" or report.memory_limit is None:
        return None
    mesh = make_mesh(devices, config.split)
    compiled = functools.partial(
        compile_sweep, model=model, jobs=jobs, chunk=config.chunk, until=None, mesh=mesh
    )
    if config.largest == "lanes":
        attack = _attack(config, model, config.population)
        program_of = functools.partial(compiled, attack)
        return largest(
            lambda lanes: program_of(lanes=lanes),
            report.memory_limit,
            start=4 * config.lanes,
            most=-(-config.jobs // mesh.shape[LANES]),
        )
    return largest(
        lambda size: compiled(_attack(config, model, size), lanes=config.lanes),
        report.memory_limit,
        start=4 * config.population,
        most=_MOST_POPULATION,
        unit=config.split,
    )


def _show(config: Config, report: Plan, found: Largest | None) -> None:
    console = Console(width=100)
    rows = {
        "devices": f"{report.num_devices} x {report.device}, {report.split} to a population",
        "images per call of the network": f"{report.images_per_call:,} on each device",
        "memory of a device": _memory(report),
        **_parts(report),
        "collectives": _collectives(report.collectives),
        "operations per image": _scaled(report.operations_per_image, "FLOP"),
        "bytes per image": _scaled(report.bytes_per_image, "B"),
        "images per generation": f"{report.evaluations_per_generation:,} on all devices",
        "operations per generation": _scaled(report.operations_per_generation, "FLOP"),
        "bytes per generation": _scaled(report.bytes_per_generation, "B"),
        "images of the sweep": f"{report.evaluations:,}",
        "operations of the sweep": _scaled(report.operations, "FLOP"),
        "time at the published peak": _duration(report.seconds_at_peak),
        "checkpoint": _scaled(report.checkpoint_bytes, "B"),
        "results": _scaled(report.results_bytes, "B"),
        "results in files of their own": _scaled(report.large_bytes, "B"),
        "compiled in": f"{report.compile_seconds:.0f} s",
    }
    if found is not None:
        fails = "" if found.fails is None else f"; {found.fails:,} do not"
        rows[f"largest {config.largest}"] = f"{found.fits:,} fit{fails}"
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column()
    for name, text in rows.items():
        table.add_row(name, text)
    console.print(table)
    console.print("\nAssumed:")
    for assumption in ASSUMPTIONS:
        console.print(f"- {assumption}")


def _memory(report: Plan) -> str:
    limit = "an unknown size" if report.memory_limit is None else _gib(report.memory_limit)
    if report.memory is None:
        return f"does NOT fit into {limit}: the compiler refuses"
    verdict = {True: "fits", False: "does NOT fit", None: "is needed"}[report.fits]
    return f"{_gib(report.memory.total)} of {limit}: {verdict}"


def _parts(report: Plan) -> dict[str, str]:
    parts = {} if report.memory is None else dataclasses.asdict(report.memory)
    return {f"  {name}": _scaled(count, "B") for name, count in parts.items()}


def _collectives(counts: dict[str, int] | None) -> str:
    if counts is None:
        return "unknown"
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"


def _scaled(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    for exponent, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 10**exponent:
            return f"{value / 10**exponent:.2f} {prefix}{unit}"
    return f"{value:.0f} {unit}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown: the device has no published peak here"
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2g} seconds"
