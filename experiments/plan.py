"""Memory and shortest possible time of a sweep, also on TPUs that you do not have.

    python -m experiments plan --network resnet50 --topology v5e:16x16 --jobs 3000 --lanes 4

The real program of the sweep is compiled for the devices, but nothing runs: weights, images and
chips are shapes only. `--topology` needs `pip install -e ".[plan]"`; without it, the plan is for
this device.
"""

import dataclasses
import functools
from typing import Annotated, Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jfool
import models
from experiments import lab
from experiments.lab.record import print_json, versions, write_json
from jfool.loop import Settings as LoopSettings
from jfool.sweeps.ahead import Largest, compile_sweep, largest
from jfool.sweeps.chips import topology_devices
from jfool.sweeps.plan import ASSUMPTIONS, Plan, plan
from jfool.sweeps.segment import LANES, make_mesh

LOOKED_FOR = ("lanes", "population", "none")
_MOST_POPULATION = 2**24


@lab.settings
class Settings:
    network: Annotated[str, lab.one_of(models.ARCHITECTURES)] = "resnet50"  # untrained
    image_shape: tuple[int, int, int] | None = None  # height, width, channels; by default its own
    num_classes: lab.Count | None = None  # by default the architecture's
    k: lab.Count = 5  # the most pixels that are altered
    population: lab.Population = 500  # candidates of a generation
    generations: lab.Number = 1000  # of a search
    # searches in all, such as classes x colors x repeats
    jobs: Annotated[int, lab.at_least(1, 10**8)] = 3000
    lanes: lab.Count = 4  # searches side by side on each device, or group of devices with --split
    chunk: lab.Count = 500  # images per call of the network and device
    split: lab.Count = 1  # devices that share a population
    precision: lab.Precision = "bfloat16"  # of the network
    topology: str | None = None  # TPUs such as v5e:4x4, v5p:2x2x1, v6e:2x4; None: this device
    # also find the largest number that fits a device
    largest: Annotated[str, lab.one_of(LOOKED_FOR)] = "none"
    out: lab.OutFile | None = None  # also write the record to this file


def main(settings: Settings) -> None:
    """Prints tables; the last line on standard output is JSON."""
    topology = settings.topology
    devices = jax.local_devices() if topology is None else topology_devices(topology)
    model = models.outline(settings.network, settings.image_shape, settings.num_classes)
    model = models.in_precision(model, settings.precision)
    jobs = _jobs(settings.jobs, model.image_shape[2])
    report = plan(
        _attack(settings, model, settings.population),
        model,
        jobs,
        num_steps=settings.generations,
        lanes=settings.lanes,
        chunk=settings.chunk,
        devices=devices,
        split=settings.split,
    )
    found = _largest(settings, model, jobs, devices, report)
    _show(settings, report, found)
    record = {
        "experiment": "plan",
        **dataclasses.asdict(settings),
        "plan": dataclasses.asdict(report),
        "memory_total": report.memory.total if report.memory else None,
        "found": None if found is None else dataclasses.asdict(found),
        "assumptions": ASSUMPTIONS,
        **versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
    print_json(record)


def _attack(settings: Settings, model: models.Network, population: int) -> jfool.SparseFooling:
    search = jfool.DifferentialEvolution(population_size=population)
    options = {"max_k": settings.k, "search": search}
    return jfool.SparseFooling(model.image_shape, model.num_classes, **options)


def _jobs(count: int, channels: int) -> jfool.SparseJob:
    """Jobs of the right shapes; their values do not matter."""
    numbers, base = np.zeros(count, np.int32), np.zeros((count, channels), np.float32)
    return jfool.SparseJob(target=numbers, base=base, k=numbers)


def _largest(
    settings: Settings, model: models.Network, jobs: Any, devices: list[Any], report: Plan
) -> Largest | None:
    if settings.largest == "none" or report.memory_limit is None:
        return None
    mesh = make_mesh(devices, settings.split)
    options = {"settings": LoopSettings(settings.chunk), "until": None, "mesh": mesh}
    compiled = functools.partial(compile_sweep, model=model, jobs=jobs, **options)
    if settings.largest == "lanes":
        attack = _attack(settings, model, settings.population)
        program_of = functools.partial(compiled, attack)
        return largest(
            lambda lanes: program_of(lanes=lanes),
            report.memory_limit,
            start=4 * settings.lanes,
            most=-(-settings.jobs // mesh.shape[LANES]),
        )
    return largest(
        lambda size: compiled(_attack(settings, model, size), lanes=settings.lanes),
        report.memory_limit,
        start=4 * settings.population,
        most=_MOST_POPULATION,
        unit=settings.split,
    )


def _show(settings: Settings, report: Plan, found: Largest | None) -> None:
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
        rows[f"largest {settings.largest}"] = f"{found.fits:,} fit{fails}"
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
