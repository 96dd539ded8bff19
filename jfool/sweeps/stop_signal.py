"""Orderly stops: SIGTERM and Ctrl-C are noted, and obeyed after the current segment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SweepStopped(KeyboardInterrupt):
    """A signal stopped the sweep; its folder holds all it needs to resume."""


class StopSignal:
    """`name` is that of the received signal, or None."""

    name: str | None = None


@contextmanager
def stop_signal(heed: bool) -> Iterator[StopSignal]:
    """Notes the first SIGTERM or SIGINT; a second one has its usual effect.

    Unless `heed`, and outside the main thread, where Python allows no handlers, signals have their
    usual effect.
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
