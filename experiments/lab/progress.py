"""Progress on standard error: a bar on a terminal, an occasional plain line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.progress import TextColumn as Text
from rich.progress import TimeRemainingColumn as Remaining
from rich.status import Status

from jfool.sweeps import Progress

_SECONDS_BETWEEN_LINES = 20.0


def say(text: str) -> None:
    """Prints one line to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(text)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Lends `advance(count)` to call when `count` more of the `total` are done."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (Text("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, TimeElapsedColumn(), Remaining(), console=console) as bar:
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


@contextmanager
def sweep_progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """Lends what a sweep calls after each segment: jobs done, success rate, images per second,
    time left."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    said = -_SECONDS_BETWEEN_LINES
    with Status(title, console=console) if console.is_terminal else nullcontext() as status:

        def report(now: Progress) -> None:
            nonlocal said
            if status is not None:
                status.update(f"{title}: {sweep_line(now)}")
            elif now.seconds - said > _SECONDS_BETWEEN_LINES or now.done == now.total:
                said = now.seconds
                console.print(f"{title}: {sweep_line(now)}", markup=False)

        yield report


def sweep_line(now: Progress) -> str:
    """How a sweep stands, in one line."""
    ended = now.done - now.earlier
    parts = [f"{now.done} of {now.total}"]
    if ended:
        parts.append(f"{now.successes / ended:.0%} successful")
    if now.num_queries:
        parts.append(f"{now.num_queries / now.seconds:,.0f} images/s")
    if ended:
        left = (now.total - now.done) / ended * now.seconds
        parts.append(f"{timedelta(seconds=round(left))} left")
    return ", ".join(parts)
