"""What refilling lanes saves over lockstep, and what results and checkpoints on disk cost.

    python -m experiments bench sweep

Lockstep is `jfool.run` on as many jobs at a time as a sweep has lanes, each call waiting for its
slowest job. It is timed in two forms: as users would call it, where a job that is done costs next
to nothing already, and with `chunk=None`, where every call of the model holds the candidates of all
lanes, done or not. Sweep and lockstep evaluate the same jobs in one run, one behind the other.
"""

import dataclasses
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
import models
from experiments.bench.synthetic import Countdown, Wait
from experiments.lab.record import claim_file, print_json, versions, write_json
from experiments.lab.victims import victim

PARTS = ("mnist", "synthetic", "tiny")


@dataclasses.dataclass(frozen=True)
class Config:
    """
    Attributes:
      parts: mnist (the CNN, 10 classes x 3 colours x `repeats`), synthetic (geometric lengths),
        tiny (1 000 to 100 000 jobs on a linear model).
      repeats: seeds of each class and colour.
      population: candidates of a generation.
      generations: the most of a search.
      lanes: jobs side by side.
      segment: generations between two looks at the lanes.
      training_seed: of the CNN.
      out: also write the record to this file.
    """

    parts: tuple[str, ...] = PARTS
    repeats: int = 10
    population: int = 100
    generations: int = 300
    lanes: int = 30
    segment: int = 20
    training_seed: int = 0
    out: Path | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
    """Jobs `[N]` of an attack on a model."""

    attack: Any
    model: Any
    jobs: Any
    num_steps: int


def main(config: Config) -> None:
    """Prints one JSON line."""
    if unknown := [part for part in config.parts if part not in PARTS]:
        raise ValueError(f"parts: expected {', '.join(PARTS)}, got {unknown[0]!r}")
    for name in ("repeats", "generations", "lanes", "segment"):
        if (value := getattr(config, name)) < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
    claim_file(config.out)
    figures: dict[str, Any] = {}
    if "mnist" in config.parts:
        figures["mnist"] = compare(mnist(config), config)
    if "synthetic" in config.parts:
        figures["synthetic"] = compare(synthetic(config), config)
    if "tiny" in config.parts:
        figures["tiny"] = growth()
    settings = dataclasses.asdict(config)
    load = os.getloadavg()[0]
    record = {"bench": "sweep", "figures": figures, **settings, "load_average": load, **versions()}
    if config.out is not None:
        write_json(config.out, record)
    print_json(record)


def mnist(config: Config) -> Problem:
    """Sparse fooling images with five pixels, in an order drawn once."""
    dataset = models.load_dataset("mnist")
    model, _ = victim("cnn", dataset, config.training_seed)
    jobs = jfool.grid(
        jfool.SparseJob, config.repeats, base=[[0.0], [0.5], [1.0]], label=range(10), k=5
    )
    search = jfool.DifferentialEvolution(config.population)
    attack = jfool.SparseFooling(dataset.image_shape, 10, max_k=5, search=search)
    return Problem(attack, model, _shuffled(jobs), config.generations)


def synthetic(config: Config) -> Problem:
    """As many jobs, whose lengths are geometric with mean 30, on an untrained LeNet."""
    model = models.create("lenet")
    model.eval()
    count = 30 * config.repeats
    lengths = np.random.default_rng(0).geometric(1 / 30, count)
    jobs = Countdown(np.zeros(count, np.int32), lengths.astype(np.int32))
    return Problem(Wait(model.image_shape, 10, 20), model, jobs, config.generations)


def compare(problem: Problem, config: Config) -> dict[str, Any]:
    """Times a sweep with a folder, and lockstep in both forms."""
    sweep_seconds, results, progress = _time_sweep(problem, config)
    chunked, _ = _time_lockstep(problem, config, 1024)
    unchunked, stopped = _time_lockstep(problem, config, None)
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
        labels = np.arange(count) % 3
        jobs = jfool.SparseJob(labels, np.zeros((count, 1), np.float32), np.full(count, 2))
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


def _time_sweep(problem: Problem, config: Config) -> tuple[float, Any, Any]:
    """Behind a warm-up that compiles."""
    few = jax.tree.map(lambda leaf: leaf[: config.lanes], problem.jobs)
    options = {"lanes": config.lanes, "segment": config.segment}
    until = jfool.confident(0.99)
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


def _time_lockstep(problem: Problem, config: Config, chunk: int | None) -> tuple[float, list[Any]]:
    def lockstep(jobs: Any, num_steps: int) -> list[Any]:
        count = len(jobs.label)
        stopped = []
        for start in range(0, count, config.lanes):
            ids = np.arange(start, min(start + config.lanes, count))
            result = jfool.run(
                jax.random.key(0),
                problem.attack,
                problem.model,
                jax.tree.map(lambda leaf, ids=ids: leaf[ids], jobs),
                num_steps=num_steps,
                until=jfool.confident(0.99),
                chunk=chunk,
                job_ids=ids,
            )
            stopped += np.asarray(result.stopped).tolist()
        return stopped

    lockstep(jax.tree.map(lambda leaf: leaf[: config.lanes], problem.jobs), 1)
    return _timed(lambda: lockstep(problem.jobs, problem.num_steps))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    returned = work()
    return time.perf_counter() - started, returned


def _shuffled(jobs: Any) -> Any:
    order = np.random.default_rng(0).permutation(len(jobs.label))
    return jax.tree.map(lambda leaf: leaf[order], jobs)


def _linear(weights: jax.Array, images: jax.Array) -> jax.Array:
    return jnp.tensordot(images.reshape(len(images), -1), weights, 1)
