"""Progress on standard error: a bar on a terminal, now and then a plain line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.progress import TextColumn as Text
from rich.progress import TimeRemainingColumn as Remaining

_SECONDS_BETWEEN_LINES = 20.0


def say(text: str) -> None:
    """One line."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(text)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Lends `advance(count)` to call when `count` more of the `total` are done."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (Text("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), Remaining(), console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda count: bar.advance(task, count)
        return

    started = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.monotonic()
        if count and (done == total or now - said > _SECONDS_BETWEEN_LINES):
            said = now
            say(f"{title}: {done} of {total} after {now - started:.0f} s")

    yield advance
