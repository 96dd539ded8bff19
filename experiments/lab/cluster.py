"""Several processes for one command, started by a small parent that reports how each one ended.

The runtime of JAX kills the processes that are left when one of them dies; the parent turns that
into a sentence.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import jax

_CHILD = "JFOOL_PROCESS"  # coordinator, number of processes, number of this one
_HEARTBEAT = 10  # seconds until a dead process is noticed
STOPPED = 75  # the exit code of a sweep that saved everything before it ended early


def join_processes() -> bool:
    """Joins the other processes if this one is a child of `launch`. Call it before using JAX."""
    if (place := os.environ.get(_CHILD)) is None:
        return False
    coordinator, count, index = place.split()
    jax.distributed.initialize(
        coordinator, int(count), int(index), heartbeat_timeout_seconds=_HEARTBEAT
    )
    return True


def launch(count: int, index: int | None, coordinator: str | None) -> int:
    """Starts the same command as one child, or as all of them, and waits.

    Args:
      count: processes altogether.
      index: of the one that this host runs; None: all of them, on this host.
      coordinator: address of process 0; None: a free port of this host.
    Returns:
      The exit code: 0, 75 if the processes were stopped and saved everything, else 1.
    """
    coordinator = coordinator or _free_address()
    indices = range(count) if index is None else [index]
    children = {
        i: subprocess.Popen(
            [sys.executable, "-m", "experiments", *sys.argv[1:]],
            env={**os.environ, _CHILD: f"{coordinator} {count} {i}"},
        )
        for i in indices
    }

    def pass_on(number: int, frame: object) -> None:
        del frame
        for child in children.values():
            if child.poll() is None:
                child.send_signal(number)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _wait(children, count)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: dict[int, subprocess.Popen], count: int) -> int:
    """Waits until all have ended. Kills those that are still stuck long after another one died."""
    died: tuple[int, int] | None = None
    deadline = float("inf")
    while any(child.poll() is None for child in children.values()):
        bad = [(i, child.returncode) for i, child in children.items() if child.returncode]
        if bad and died is None:
            died, deadline = bad[0], time.monotonic() + 3 * _HEARTBEAT
        if time.monotonic() > deadline:
            for child in children.values():
                child.kill()
        time.sleep(0.1)
    codes = {i: child.returncode for i, child in children.items()}
    if not any(codes.values()):
        return 0
    if all(code == STOPPED for code in codes.values()):
        return STOPPED
    first, code = died or next((i, code) for i, code in codes.items() if code)
    print(
        f"process {first} of {count} ended with exit code {code}, and the others with it; what was "
        "finished is kept, and the same command goes on from there",
        file=sys.stderr,
    )
    return 1


@contextmanager
def one_after_another() -> Iterator[None]:
    """Runs the block in the first process, then in the others, which find what it made."""
    if jax.process_count() == 1:
        yield
        return
    from jax.experimental import multihost_utils

    if jax.process_index() > 0:
        multihost_utils.sync_global_devices("first")
    yield
    if jax.process_index() == 0:
        multihost_utils.sync_global_devices("first")


def _free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"
