"""Runs more jobs than fit at once: lanes refill, results are saved, interrupted sweeps resume."""

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jfool.base import Attack, Criterion, Model, PRNGKey
from jfool.debugging import undisturbed
from jfool.jobs import as_arrays, num_jobs, on_host
from jfool.loop import Settings, limits_of, num_recorded, strong
from jfool.model_checks import check_logits, check_output
from jfool.numbers import is_number, is_whole
from jfool.run import check_run
from jfool.stuck import warn_if_stuck
from jfool.sweeps.ahead import Program, Traced, trace_sweep
from jfool.sweeps.fingerprint import describe, digest
from jfool.sweeps.hosts import Hosts
from jfool.sweeps.lane_table import Columns, LaneTable
from jfool.sweeps.memory import Memory
from jfool.sweeps.pace import Pace, Progress
from jfool.sweeps.results import Results, num_bytes, provenance, to_table
from jfool.sweeps.run_folder import RunFolder
from jfool.sweeps.segment import make_mesh
from jfool.sweeps.sizes import Asked, Sizes, choose_sizes, out_of_memory, within_memory
from jfool.sweeps.stop_signal import SweepStopped, stop_signal

_MOST_BYTES_HELD = 2**28  # of finished jobs


@undisturbed()
def sweep(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    num_steps: int,
    until: Criterion | None = None,
    max_queries: int | None = None,
    folder: Any = None,
    lanes: int | None = None,
    chunk: int | None = None,
    segment: int | None = None,
    devices: Sequence[Any] | None = None,
    split: int = 1,
    job_ids: Any = None,
    history: bool = False,
    keep: str = "fittest",
    num_draws: int = 100,
    note: Any = None,
    checkpoint_seconds: float = 60.0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Results:
    """Runs `attack` on `model` for all jobs, a few at a time. With a folder, the same call resumes
    where an earlier one ended, for whatever reason.

    A job's result does not depend on segments, neighbors, interruptions, or the number of devices.
    At the same batch shape of model calls, which follows from `chunk` and the lanes of a device, it
    equals that of `jfool.run`, bit for bit. A `chunk` up to the population's size gives the same
    shape everywhere.

    Under `jax.distributed` all processes make the same call with the same folder; each runs a part
    of the jobs on its own devices and returns the results of all.

    Args:
      key, attack, model, jobs, num_steps, until, max_queries, job_ids, history, keep, num_draws: as
        for `jfool.run`.
      folder: of settings, results and checkpoints, on a disk or an object store (`gs://...`). None
        keeps the results in memory.
      lanes: jobs side by side on each device; by default enough to fill four model calls.
      chunk: images per model call and device; by default 1024, or on a device that reports its
        memory (a CPU does not) more for small networks, and fewer where they do not fit.
      segment: the most generations between two visits of the host; by default as many as keep its
        share of the time near five percent. It changes no result.
      devices: of this process; all by default.
      split: devices that share a population; must divide their number and the population.
      note: stored with the settings, in JSON types; never compared.
      checkpoint_seconds: between two checkpoints.
      on_progress: called after each segment.
    Returns:
      All finished jobs, those of earlier calls included.
    Raises:
      TypeError, ValueError: an argument cannot work, which is checked before compilation; or the
        folder is damaged or belongs to another sweep.
      MemoryError: a device runs out of memory; names the sizes to try.
      OSError: the folder can no longer be written to.
      SweepStopped: SIGTERM or Ctrl-C was received, and everything is saved; a `KeyboardInterrupt`.
    Warns:
      UserWarning: as `jfool.run` does.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> attack = jfool.SparseFooling((2, 2, 3), 3, max_k=1)
      >>> jobs = jfool.grid(jfool.SparseJob, 4, base=[[0.0, 0.0, 0.0]], target=range(3), k=1)
      >>> found = jfool.sweep(jax.random.key(0), attack, model, jobs, num_steps=20, lanes=5)
      >>> len(found), bool(found.column("success").all())
      (12, True)
    """
    jobs = as_arrays(jobs)
    check_run(
        key, attack, model, jobs, num_steps, until, max_queries, chunk, job_ids, keep, num_draws
    )
    _check(
        lanes=lanes,
        segment=segment,
        split=split,
        devices=devices,
        checkpoint_seconds=checkpoint_seconds,
        note=note,
        on_progress=on_progress,
    )
    ids = np.arange(num_jobs(jobs)) if job_ids is None else np.asarray(job_ids)
    ids, attack, jobs = ids.astype(np.int32), strong(attack), on_host(jobs)
    limits = limits_of(num_steps, max_queries, until)
    mesh = make_mesh(jax.local_devices() if devices is None else devices, split)

    store = Memory(ids) if folder is None else RunFolder(folder)
    hosts = Hosts(store.path)
    asked = Asked(lanes, chunk).completed_by(store.settings() if store.exists() else {})

    def settings_of(sizes: Sizes) -> Settings:
        recorded = num_recorded(num_steps, keep) if history else 0
        return Settings(sizes.chunk, keep, recorded, num_draws)

    def shown(sizes: Sizes) -> tuple[Any, ...]:
        """What `check_logits` takes."""
        return model, attack, sizes.lanes * attack.images_at_once // split, sizes.chunk

    @functools.lru_cache(maxsize=1)
    def traced_of(sizes: Sizes) -> Traced:
        check_logits(*shown(sizes))
        options = {"until": until, "mesh": mesh, "settings": settings_of(sizes)}
        return trace_sweep(attack, model, jobs, lanes=sizes.lanes, **options)

    @functools.lru_cache(maxsize=1)  # keeps the one that fits
    def program_of(sizes: Sizes) -> Program:
        return traced_of(sizes).compile()

    sizes = choose_sizes(asked, attack, model, jobs, mesh, program_of)
    check_output(*shown(sizes))
    if not store.exists():
        traced_of(sizes)  # raises what a model of some batches raises, before the folder is taken
    settings = {
        "num_steps": num_steps,
        "max_queries": max_queries,
        "until": [describe(limits.until), digest(limits.until)],
        "attack": [describe(attack), digest(attack)],
        "model": digest(model),
        "jobs": digest(jobs),
        "num_jobs": len(ids),
        "job_ids": None if job_ids is None else ids.tolist(),
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "split": split,
        "history": history,
        "keep": keep,
        "num_draws": num_draws,
        "matmul_precision": str(getattr(jax.config, "jax_default_matmul_precision", None)),
        **dataclasses.asdict(sizes),
    }
    try:
        hosts.in_turn(lambda: store.claim(settings, note, hosts.index))
        waiting = np.flatnonzero(~np.isin(ids, store.finished()))
        states = store.states()
        hosts.meet("read")  # before any process writes
        if len(share := hosts.share(waiting)):
            earlier = len(ids) - len(waiting)
            progress = Progress(earlier, earlier, earlier + len(share))
            with within_memory(sizes), jax.disable_jit(False):  # compiled ahead
                program = program_of(sizes)
                if program.compiled is None:
                    raise out_of_memory(sizes)
                table = LaneTable(
                    key,
                    attack,
                    model,
                    jobs,
                    ids,
                    limits,
                    mesh,
                    sizes.lanes,
                    settings_of(sizes),
                    program,
                )
                table.queue(share, states)
                _drive(
                    table, store, hosts, Pace.of(segment), progress, checkpoint_seconds, on_progress
                )
        hosts.wait_for_all()
        results = store.results()
    finally:
        store.release()
    names = ("num_gradients", "num_zero_gradients")
    if len(results) and names[1] in results.table.column_names:  # earlier versions have none
        classes = results.column("job.target" if attack.targeted else "job.label")
        counts = map(results.column, names)
        warn_if_stuck(results.column("prediction"), classes, attack.targeted, *counts)
    return results


def _drive(
    table: LaneTable,
    store: Memory | RunFolder,
    hosts: Hosts,
    pace: Pace,
    progress: Progress,
    checkpoint_seconds: float,
    on_progress: Callable[[Progress], None],
) -> None:
    """Computes segments until the jobs of this process are done and saved."""
    started = recorded = time.monotonic()
    held: list[Columns] = []
    with stop_signal(store.lasts) as stop:
        while table.busy:
            looked = time.monotonic()
            columns, shown, computing = table.advance(pace.length)
            held += [columns] if columns else []
            progress = progress.after(columns, shown, time.monotonic() - started, computing)
            on_progress(progress)
            pace = pace.after(time.monotonic() - looked - computing, computing)
            due = time.monotonic() - recorded > checkpoint_seconds
            full = num_bytes(held) > _MOST_BYTES_HELD
            if due or full or stop.name or not table.busy:
                if held:  # results first, then a checkpoint without these jobs
                    store.add(to_table(held, provenance(table.devices)))
                store.save(table.under_way(), hosts.index)
                held, recorded = [], time.monotonic()
            if stop.name and table.busy:
                hosts.note("stopped")
                raise SweepStopped(
                    f"stopped by {stop.name}: {progress.done} of {progress.total} jobs are done; "
                    f"the same call resumes from {store.path}"
                )


def _check(
    lanes: Any,
    segment: Any,
    split: Any,
    devices: Any,
    checkpoint_seconds: Any,
    note: Any,
    on_progress: Any,
) -> None:
    """Checks the arguments that `run` does not have."""
    for name, value in (("lanes", lanes), ("segment", segment)):
        if value is not None and not is_whole(value, 1):
            raise ValueError(f"{name}: expected None or a positive number, got {value!r}")
    if devices is not None and not len(devices):
        raise ValueError("devices: expected at least one, got none")
    if not is_whole(split, 1):
        raise ValueError(f"split: expected a positive number of devices, got {split!r}")
    if not (is_number(checkpoint_seconds) and checkpoint_seconds >= 0):
        raise ValueError(
            "checkpoint_seconds: expected a finite number of at least 0, "
            f"got {checkpoint_seconds!r}"
        )
    if not callable(on_progress):
        raise TypeError(f"on_progress: expected a function of a Progress, got {on_progress!r:.60}")
    try:
        json.dumps(note)
    except (TypeError, ValueError) as error:
        raise TypeError(f"note: expected JSON types: {error}") from None
