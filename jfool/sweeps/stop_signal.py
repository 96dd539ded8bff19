"""Stopping in good order: SIGTERM and Ctrl-C are noted, and heeded between two segments."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SweepStopped(KeyboardInterrupt):
    """A sweep ended early because it was asked to; its folder holds all it needs to go on."""


class StopSignal:
    """`name` is that of the signal that came, or None."""

    name: str | None = None


@contextmanager
def stop_signal(heed: bool) -> Iterator[StopSignal]:
    """Notes the first SIGTERM or SIGINT; a second one acts as it did before.

    Outside the main thread, where Python allows no handlers, and unless asked to `heed` them,
    signals act as they always did.
    """
    noted = StopSignal()
    if not heed or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {}

    def note(number: int, frame: object) -> None:
        del frame
        noted.name = signal.Signals(number).name
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, note)
    try:
        yield noted
    finally:
        restore()
