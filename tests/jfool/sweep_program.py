"""A small sweep as a program of its own, that can be killed at a named point.

python -m tests.jfool.sweep_program FOLDER [POINT NUMBER]
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from jfool.sweeps import Progress, SweepStopped, checkpoint, files, lane_table
from jfool.sweeps.run_folder import RunFolder
from tests.jfool.helpers import FixedOrder

STOPPED = 75
SHAPE, NUM_CLASSES, LANES = (4, 5, 3), 4, 3
# For programs: compiled as in these tests, for other programs give other bits.
ENVIRONMENT = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def arguments() -> tuple[list[Any], dict[str, Any]]:
    """Of a sweep whose jobs end at very different times, some of them never."""
    rng = np.random.default_rng(3)
    weights = rng.normal(0, 1, (int(np.prod(SHAPE)), NUM_CLASSES)).astype(np.float32)
    attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=3, search=jfool.DifferentialEvolution(8))
    jobs = jfool.grid(
        jfool.SparseJob, 2, base=[[0.5] * 3, [0.0] * 3], target=range(NUM_CLASSES), k=[1, 3]
    )
    lead = [jax.random.key(7), attack, FixedOrder(jnp.asarray(weights)), jobs]
    return lead, {"num_steps": 25, "until": jfool.confident(0.9)}


def sweep(folder: str | None, on_progress: Any = lambda progress: None, **options: Any) -> Any:
    lead, settings = arguments()
    settings |= {"lanes": LANES, "chunk": 8, "segment": 4, "checkpoint_seconds": 0.0, **options}
    return jfool.sweep(*lead, **settings, folder=folder, on_progress=on_progress)


def kill(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(number: int, holder: Any, name: str, *, after: bool = False) -> None:
    """Kills this process before, or after, the given call of a function."""
    original: Callable[..., Any] = getattr(holder, name)
    calls = iter(range(1, 1_000_000))

    def counted(*args: Any, **kwargs: Any) -> Any:
        last = next(calls) == number
        if last and not after:
            kill()
        returned = original(*args, **kwargs)
        if last:
            kill()
        return returned

    setattr(holder, name, counted)


def while_writing_a_checkpoint(number: int) -> None:
    """Kills when the checkpoint's files are there, but not under their name yet."""
    original = checkpoint.save
    calls = iter(range(1, 1_000_000))

    def counted(*args: Any) -> None:
        if next(calls) == number:
            for name in ("rename", "replace"):
                at(1, os, name)
        original(*args)

    checkpoint.save = counted


POINTS: dict[str, Callable[[int], None]] = {
    "inside a segment": lambda n: at(n, lane_table, "_wait_for"),
    "before a part is written": lambda n: at(n, RunFolder, "add"),
    "while a part is written": lambda n: at(n, files.os, "fsync"),
    "between a part and its checkpoint": lambda n: at(n, RunFolder, "add", after=True),
    "before a checkpoint is written": lambda n: at(n, checkpoint, "save"),
    "while a checkpoint is written": while_writing_a_checkpoint,
    "after a checkpoint is written": lambda n: at(n, checkpoint, "save", after=True),
    "soon after a segment": lambda n: None,
    "SIGTERM": lambda n: None,
    "SIGINT": lambda n: None,
}


def main(folder: str, point: str | None = None, number: str = "0") -> int:
    segments = iter(range(1, 1_000_000))

    def on_progress(progress: Progress) -> None:
        del progress
        segment = next(segments)
        if point in ("SIGTERM", "SIGINT") and segment == int(number):
            os.kill(os.getpid(), signal.Signals[point])
        if point == "soon after a segment" and segment == int(number) // 100:
            threading.Timer(int(number) % 100 / 1000, kill).start()

    if point is not None:
        POINTS[point](int(number))
    try:
        sweep(folder, on_progress)
    except SweepStopped as stopped:
        print(stopped)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
