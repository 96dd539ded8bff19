"""Sparse fooling images by the thousand: a sweep that resumes when started again.

    python -m experiments sweep --dataset mnist --network cnn --ks 1 5 --repeats 10 --out runs/mnist

Every k, base color, class and repeat is a job. Jobs share lanes on all devices; a job that ends
makes room for the next. The folder holds the settings, the finished jobs as Parquet, and
checkpoints; `python -m experiments show FOLDER` draws its tables and galleries, also while it runs.

Exit codes: 0 all jobs are done, 75 stopped by SIGTERM or Ctrl-C with everything saved, 2 a setting
that cannot work.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab import record
from experiments.lab.cluster import STOPPED, join_processes, launch, one_after_another
from experiments.lab.colors import parse_colors
from experiments.lab.experiment import command_line
from experiments.lab.folder import check_folder
from experiments.lab.naming import naming
from experiments.lab.progress import sweep_progress
from experiments.lab.settings import flat, leaves, told
from experiments.lab.sparse import jobs_of
from experiments.show import attack_of, folder_of, show, wanted_of
from jfool.sweeps import SweepStopped
from jfool.sweeps.files import is_remote
from jfool.sweeps.run_folder import RunFolder
from jfool.sweeps.segment import make_mesh
from models.cache import cache_folder
from models.paths import given_path

_SEEDS = ("seed", "training_seed")  # a sweep goes on only with the same


@lab.Check
def _address(name: str, value: str, _: Any) -> None:
    host, _, port = value.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{name}: expected host:port of process 0, got {value!r:.60}")


def _check_out(name: str, folder: str, settings: Any) -> None:
    """Refuses the folder of another program, or of a sweep with other settings."""
    path = folder if is_remote(folder) else given_path(folder, name)
    with naming({"folder": name}, name):
        store = RunFolder(path)
    if is_remote(store.path):
        return
    check_folder(Path(store.path), name)
    if store.exists():
        with naming({"folder": name}, name):
            kept = store.settings().get("note")
        if not isinstance(kept, dict) or kept.get("experiment") != "sweep":
            raise ValueError(
                f"{name}: expected a new folder or one of `python -m experiments sweep`, got "
                f"{folder:.60} of another program (choose another --out)"
            )
        ours, of_sweep = flat(settings), kept["settings"]
        for leaf in leaves(settings):
            differs = of_sweep.get(leaf.name, ours[leaf.name]) != ours[leaf.name]
            if differs and (leaf.name in _SEEDS or not leaf.marked(lab.Technical)):
                was, now = (told(of[leaf.name]) for of in (of_sweep, ours))
                raise ValueError(
                    f"{leaf.name}: expected {was:.60}, with which {folder:.60} was started, got "
                    f"{now:.60} (choose another --out)"
                )


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"  # digits needs no download
    network: lab.Network = "lenet"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    precision: lab.Precision = "float32"  # of the network
    ks: lab.Ks = (5,)  # the most pixels that are altered
    colors: lab.Colors = ("black", "grey", "white")  # also red, green, blue, gray levels, r,g,b
    classes: lab.Classes | None = None  # classes to reach; by default all
    repeats: lab.Repeats = 1  # searches for each k, color and class
    population: lab.Population = 500  # candidates of a generation
    generations: lab.Number = 1000  # of a search, at most
    until: lab.Confidence | None = 0.995  # end a search at this confidence; None: never
    objective: lab.Objective = "confidence"  # what is maximized
    boundary: lab.Boundary = "clip"  # what happens to pixels that leave the image
    seed: lab.Seed = 0  # of the searches
    lanes: lab.Lanes | None = None  # searches side by side on each device; by default automatic
    chunk: lab.Chunk | None = None  # images per call of the network; by default `population`
    # devices that share each population; the others have their own lanes
    split: Annotated[lab.Count, lab.Technical] = 1
    checkpoint_seconds: lab.Seconds = 60.0  # between two checkpoints
    # folder of the run, on a disk or an object store (gs://...)
    out: Annotated[str, lab.Check(_check_out, last=True), lab.Technical] = "runs/sweep"
    # folder for a trace of the devices, for TensorBoard or Perfetto
    profile: Annotated[lab.OutFolder, lab.Technical] | None = None
    # that share the sweep; all start here without `coordinator`
    processes: Annotated[lab.Count, lab.Technical] = 1
    # number of the one on this host, from 0; needs `coordinator`
    process: Annotated[lab.Number, lab.Technical] | None = None
    # address host:port of process 0
    coordinator: Annotated[str, _address, lab.Technical] | None = None

    def check(self) -> None:
        if (self.process is None) != (self.coordinator is None):
            raise ValueError("process: expected it together with coordinator, got one of them")
        if self.process is not None and not 0 <= self.process < self.processes:
            raise ValueError(
                f"process: expected a number from 0 to {self.processes - 1}, got {self.process}"
            )


def main(settings: Settings) -> None:
    """Runs or resumes the sweep; the last line on standard output is JSON."""
    joined = join_processes()  # before JAX looks for devices
    if settings.processes > 1 and not joined:
        sys.exit(launch(settings.processes, settings.process, settings.coordinator))
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
    profile = settings.profile
    try:
        with jax.profiler.trace(profile) if profile else contextlib.nullcontext():
            run(settings)
    except SweepStopped as stopped:
        print(stopped, file=sys.stderr, flush=True)
        if settings.processes > 1:
            os._exit(STOPPED)  # at once: an ordinary exit would wait for the other processes
        sys.exit(STOPPED)


def run(settings: Settings) -> None:
    """Searches, and shows what was found."""
    make_mesh(jax.local_devices(), settings.split)  # refuses a split before data
    dataset = models.load_dataset(settings.dataset)
    shape, num_classes = dataset.image_shape, len(dataset.class_names)
    with one_after_another():
        victim = lab.load_victim(settings.network, dataset, settings.training_seed)
    model = victim.model
    if settings.precision != "float32":
        model = models.in_precision(model, jnp.dtype(settings.precision))
    colors = [color.name for color in parse_colors(settings.colors, shape[2], settings.dataset)]
    classes = range(num_classes) if settings.classes is None else settings.classes
    note = {
        "experiment": "sweep",
        "command": command_line("sweep", "", settings, Settings()),
        "settings": flat(settings),
        "model": victim.card,
        "image_shape": shape,
        "class_names": dataset.class_names,
        "classes": list(classes),
        "colors": colors,
        "plain": list(lab.plain_confidences(model, settings.colors, shape).values()),
        **record.versions(),
    }
    wanted = wanted_of(note)
    with sweep_progress("searches") as on_progress:
        results = jfool.sweep(
            jax.random.key(settings.seed, impl="threefry2x32"),
            attack_of(flat(settings), shape, num_classes),
            model,
            jobs_of(wanted),
            num_steps=settings.generations,
            until=None if settings.until is None else jfool.confident(settings.until),
            folder=settings.out,
            lanes=settings.lanes,
            chunk=settings.population if settings.chunk is None else settings.chunk,
            split=settings.split,
            job_ids=np.asarray(wanted["job_id"]),
            note=record.json_safe(note),
            checkpoint_seconds=settings.checkpoint_seconds,
            on_progress=on_progress,
        )
    if jax.process_index() == 0:
        folder = folder_of(settings.out)
        show(results, folder.name, folder)
