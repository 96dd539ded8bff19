"""What refilling lanes saves over lockstep, and what results and checkpoints on disk cost.

    python -m experiments bench sweep

Lockstep is `jfool.run` on as many jobs at a time as a sweep has lanes, each call waiting for its
slowest job. It is timed in two forms: as users would call it, where a job that is done costs next
to nothing already, and with `chunk=None`, where every call of the model holds the candidates of all
lanes, done or not. Sweep and lockstep evaluate the same jobs in one run, one after the other.
"""

import dataclasses
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
import models
from experiments import lab
from experiments.bench.synthetic import Countdown, Wait, answered
from experiments.lab.record import print_json, versions, write_json
from experiments.lab.victims import load_victim
from models.datasets import check_prepared

PARTS = ("mnist", "synthetic", "tiny")


def _check_data(name: str, part: str, _: Any) -> None:
    if part == "mnist":
        check_prepared(part, name)


Part = Annotated[str, lab.one_of(PARTS), lab.Check(_check_data, last=True)]


@lab.settings
class Settings:
    # mnist: the CNN, 10 classes x 3 colors x `repeats`; synthetic: geometric lengths;
    # tiny: 1 000 to 100 000 jobs on a linear model
    parts: Annotated[tuple[Part, ...], lab.distinct] = PARTS
    repeats: lab.Repeats = 10  # seeds of each class and color
    population: lab.Population = 100  # candidates of a generation
    generations: lab.Count = 300  # of a search, at most
    lanes: lab.Count = 30  # jobs side by side
    segment: lab.Count = 20  # generations between two looks at the lanes
    training_seed: lab.Seed = 0  # of the CNN
    out: lab.OutFile | None = None  # also write the record to this file


@dataclasses.dataclass(frozen=True)
class Problem:
    """Jobs `[N]` of an attack on a model."""

    attack: Any
    model: Any
    jobs: Any
    num_steps: int
    until: Any = jfool.confident(0.99)


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    figures: dict[str, Any] = {}
    if "mnist" in settings.parts:
        figures["mnist"] = compare(mnist(settings), settings)
    if "synthetic" in settings.parts:
        figures["synthetic"] = compare(synthetic(settings), settings)
    if "tiny" in settings.parts:
        figures["tiny"] = growth()
    record = {
        "bench": "sweep",
        "figures": figures,
        **dataclasses.asdict(settings),
        "load_average": os.getloadavg()[0],
        **versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
    print_json(record)


def mnist(settings: Settings) -> Problem:
    """Sparse fooling images with five pixels, in an order drawn once."""
    dataset = models.load_dataset("mnist")
    model = load_victim("cnn", dataset, settings.training_seed).model
    jobs = jfool.grid(
        jfool.SparseJob, settings.repeats, base=[[0.0], [0.5], [1.0]], target=range(10), k=5
    )
    search = jfool.DifferentialEvolution(settings.population)
    attack = jfool.SparseFooling(dataset.image_shape, 10, max_k=5, search=search)
    return Problem(attack, model, _shuffled(jobs), settings.generations)


def synthetic(settings: Settings) -> Problem:
    """As many jobs, whose lengths are geometric with mean 30, on an untrained LeNet."""
    model = models.create("lenet")
    model.eval()
    count = 30 * settings.repeats
    lengths = np.random.default_rng(0).geometric(1 / 30, count)
    jobs = Countdown(np.zeros(count, np.int32), lengths.astype(np.int32))
    return Problem(
        Wait(model.image_shape, 10, 20),
        model,
        jobs,
        settings.generations,
        jax.tree_util.Partial(answered),
    )


def compare(problem: Problem, settings: Settings) -> dict[str, Any]:
    """Times a sweep with a folder, and lockstep in both forms."""
    sweep_seconds, results, progress = _time_sweep(problem, settings)
    chunked, _ = _time_lockstep(problem, settings, 1024)
    unchunked, stopped = _time_lockstep(problem, settings, None)
    return {
        "sweep_over_lockstep": sweep_seconds / chunked,
        "sweep_over_lockstep_unchunked": sweep_seconds / unchunked,
        "sweep_seconds": sweep_seconds,
        "lockstep_seconds": chunked,
        "lockstep_unchunked_seconds": unchunked,
        "share_in_segments": progress.computing / progress.seconds,
        "share_outside_segments": 1 - progress.computing / progress.seconds,
        "jobs": len(results),
        "never_finished": float(1 - results.column("stopped").mean()),
        "never_finished_lockstep": float(1 - np.mean(stopped)),
        "mean_steps": float(results.column("num_steps").mean()),
        "num_queries": int(results.column("num_queries").sum()),
    }


def growth(counts: tuple[int, ...] = (1_000, 10_000, 100_000)) -> dict[str, Any]:
    """Seconds, and memory at its peak so far, of ever more tiny jobs."""
    weights = jax.random.normal(jax.random.key(0), (16, 3))
    model = jfool.wrap(_linear, weights)
    search = jfool.DifferentialEvolution(8)
    attack = jfool.SparseFooling((4, 4, 1), 3, max_k=2, search=search)
    figures = {"jobs": list(counts), "seconds": [], "peak_mebibytes": [], "rows": []}
    for count in (counts[0], *counts):  # the first compiles
        base = np.zeros((count, 1), np.float32)
        jobs = jfool.SparseJob(target=np.arange(count) % 3, base=base, k=np.full(count, 2))
        problem = Problem(attack, model, jobs, 20)
        seconds, results, _ = _sweep(problem, jfool.confident(0.6), lanes=256)
        ok = len(results) == count and (results.column("job_id") == np.arange(count)).all()
        figures["seconds"].append(seconds)
        figures["rows"].append(bool(ok))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["peak_mebibytes"].append(peak)
    figures = {k: v[-len(counts) :] for k, v in figures.items()}
    per_job = [s / n for s, n in zip(figures["seconds"], counts, strict=True)]
    return {**figures, "seconds_per_job_last_over_first": per_job[-1] / per_job[0]}


def _time_sweep(problem: Problem, settings: Settings) -> tuple[float, Any, Any]:
    """After a warm-up that compiles."""
    few = jax.tree.map(lambda leaf: leaf[: settings.lanes], problem.jobs)
    options = {"lanes": settings.lanes, "segment": settings.segment}
    until = problem.until
    _sweep(dataclasses.replace(problem, jobs=few, num_steps=1), until, **options)
    return _sweep(problem, until, **options)


def _sweep(problem: Problem, until: Any, **options: Any) -> tuple[float, Any, Any]:
    seen: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = jfool.sweep(
            jax.random.key(0),
            problem.attack,
            problem.model,
            problem.jobs,
            num_steps=problem.num_steps,
            until=until,
            folder=Path(folder) / "run",
            on_progress=seen.append,
            **options,
        )
        return time.perf_counter() - started, results, seen[-1]


def _time_lockstep(
    problem: Problem, settings: Settings, chunk: int | None
) -> tuple[float, list[Any]]:
    def lockstep(jobs: Any, num_steps: int) -> list[Any]:
        count = len(jobs.target)
        stopped = []
        for start in range(0, count, settings.lanes):
            ids = np.arange(start, min(start + settings.lanes, count))
            result = jfool.run(
                jax.random.key(0),
                problem.attack,
                problem.model,
                jax.tree.map(lambda leaf, ids=ids: leaf[ids], jobs),
                num_steps=num_steps,
                until=problem.until,
                chunk=chunk,
                job_ids=ids,
            )
            stopped += np.asarray(result.stopped).tolist()
        return stopped

    lockstep(jax.tree.map(lambda leaf: leaf[: settings.lanes], problem.jobs), 1)
    return _timed(lambda: lockstep(problem.jobs, problem.num_steps))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    returned = work()
    return time.perf_counter() - started, returned


def _shuffled(jobs: Any) -> Any:
    order = np.random.default_rng(0).permutation(len(jobs.target))
    return jax.tree.map(lambda leaf: leaf[order], jobs)


def _linear(weights: jax.Array, images: jax.Array) -> jax.Array:
    return jnp.tensordot(images.reshape(len(images), -1), weights, 1)
