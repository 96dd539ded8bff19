"""Sparse fooling images by the thousand: a sweep that goes on when the same command starts again.

Every k, base colour, class and repeat is a job. Jobs share lanes on all devices; a job that ends
makes room for the next. The folder holds the settings, the finished jobs as Parquet, and
checkpoints; `python -m experiments show FOLDER` draws its tables and pictures, also meanwhile.

Exit codes: 0 all jobs are done, 75 stopped by SIGTERM or Ctrl-C with everything saved, 2 a setting
that cannot work.
"""

import contextlib
import dataclasses
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import jfool
import models
from experiments import sfi, show
from experiments.lab import record
from experiments.lab.cluster import STOPPED, join_processes, launch, one_after_another
from experiments.lab.colors import parse_colors
from experiments.lab.progress import sweep_progress
from experiments.lab.search import Cell, Search, jobs_of, places_of, plain_confidences
from experiments.lab.victims import victim
from jfool.sweeps import SweepStopped
from models.cache import cache_folder


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      model: of the networks; trained now, or taken from the cache.
      training_seed: of the network.
      weights: a file with weights for the network, instead of training it.
      precision: float32 or bfloat16, of the network's computation.
      k: the most pixels that are altered, one or more.
      colors: base colours: black, grey, white, red, green, blue, a grey level, or r,g,b in [0, 1].
      classes: to be reached; all by default.
      repeats: searches for each k, colour and class.
      population: candidates of a generation.
      generations: the most of a search (the paper: 1000, on CIFAR-10 3000).
      until: a search ends at this confidence; "None" runs all generations.
      objective: confidence, log_confidence or margin.
      boundary: what becomes of pixels that leave the image: clip, wrap, reflect or resample.
      seed: of the searches.
      lanes: searches side by side on each device; by default chosen, and remembered.
      chunk: images per call of the model and device; by default as many as `population`.
      split: devices that share each population (the other devices have lanes of their own).
      checkpoint_seconds: between two checkpoints.
      out: folder of the run, on a disk or an object store (gs://...).
      profile: folder for a trace of the devices, for TensorBoard or Perfetto.
      processes: that share the sweep. Without `coordinator` all are started here.
      process: the number of this host's, from 0, where `coordinator` is given.
      coordinator: address host:port of process 0.
    """

    dataset: str = "digits"
    model: str = "lenet"
    training_seed: int = 0
    weights: Path | None = None
    precision: str = "float32"
    k: tuple[int, ...] = (5,)
    colors: tuple[str, ...] = ("black", "grey", "white")
    classes: tuple[int, ...] | None = None
    repeats: int = 1
    population: int = 500
    generations: int = 1000
    until: float | None = 0.995
    objective: str = "confidence"
    boundary: str = "clip"
    seed: int = 0
    lanes: int | None = None
    chunk: int | None = None
    split: int = 1
    checkpoint_seconds: float = 60.0
    out: str = "runs/sweep"
    profile: Path | None = None
    processes: int = 1
    process: int | None = None
    coordinator: str | None = None


def main(config: Config) -> None:
    """Runs, or goes on with, the sweep; the last line on standard output is JSON."""
    joined = join_processes()  # before anything else of JAX
    check(config)
    if config.processes > 1 and not joined:
        sys.exit(launch(config.processes, config.process, config.coordinator))
    folder = cache_folder() / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    try:
        with jax.profiler.trace(config.profile) if config.profile else contextlib.nullcontext():
            run(config)
    except SweepStopped as stopped:
        print(stopped, file=sys.stderr, flush=True)
        if config.processes > 1:
            os._exit(STOPPED)  # at once: an ordinary exit would wait for the other processes
        sys.exit(STOPPED)


def run(config: Config) -> None:
    """Everything behind the checks of the settings."""
    dataset = models.load_dataset(config.dataset)
    height, width, channels = shape = dataset.image_shape
    num_classes = len(dataset.class_names)
    colors = parse_colors(config.colors, channels, config.dataset)
    labels = sfi.labels_of(config.classes, num_classes)
    if max(config.k) > height * width:
        raise ValueError(f"k: expected at most the {height * width} pixels, got {max(config.k)}")
    with one_after_another():
        model, card = victim(config.model, dataset, config.training_seed, config.weights)
    if config.precision != "float32":
        model = models.in_precision(model, jnp.dtype(config.precision))

    cells = [Cell(color, label) for color in colors for label in labels]
    places = places_of(config.k, cells, config.repeats, num_classes)
    search = search_of(config)
    note = {
        "experiment": "sweep",
        "config": record.json_safe(dataclasses.asdict(config)),
        "model": card,
        "image_shape": shape,
        "class_names": dataset.class_names,
        "labels": labels,
        "plain": plain_confidences(model, colors, shape)[:, labels],
        **record.versions(),
    }
    with sweep_progress("searches") as on_progress:
        results = jfool.sweep(
            search.key,
            search.attack(shape, num_classes),
            model,
            jobs_of(places.values(), channels),
            num_steps=config.generations,
            until=search.criterion,
            folder=config.out,
            lanes=config.lanes,
            chunk=config.population if config.chunk is None else config.chunk,
            split=config.split,
            job_ids=np.array(list(places)),
            note=record.json_safe(note),
            checkpoint_seconds=config.checkpoint_seconds,
            on_progress=on_progress,
        )
    if jax.process_index() == 0:
        show.publish(results, Path(config.out))


def search_of(config: Config) -> Search:
    """The settings of the searches, whose attack has room for the largest k."""
    shared = {field.name for field in dataclasses.fields(Search)} & set(vars(config))
    settings = {name: getattr(config, name) for name in shared - {"k", "lanes"}}
    return Search(**settings, k=max(config.k))


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    if not config.k or len(set(config.k)) < len(config.k):
        raise ValueError(f"k: expected one or more different numbers, got {config.k}")
    if config.precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision: expected float32 or bfloat16, got {config.precision!r}")
    shared = {field.name for field in dataclasses.fields(sfi.Config)} & set(vars(config))
    settings = {name: getattr(config, name) for name in shared - {"k", "lanes", "out"}}
    for k in config.k:
        sfi.check(sfi.Config(**settings, k=k, lanes=config.lanes or 1))
    for name in ("split", "processes"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name}: expected at least 1, got {getattr(config, name)}")
    if (config.process is None) != (config.coordinator is None):
        raise ValueError("process: expected it together with coordinator, got one of them")
    if config.process is not None and not 0 <= config.process < config.processes:
        raise ValueError(
            f"process: expected a number from 0 to {config.processes - 1}, got {config.process}"
        )
