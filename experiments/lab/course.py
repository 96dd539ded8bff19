"""The progress of one long search, from the checkpoints of its sweep.

A sweep tells of finished searches only. The checkpoints of one that takes days hold its population
with the fitness.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from experiments.lab.kinds import Evolution
from experiments.lab.progress import say
from experiments.lab.stored import read_record, write_record
from jfool.sweeps import Progress
from jfool.sweeps.run_folder import RunFolder

_FILE = "course.json"  # in the sweep's folder, and gone with it
_JOB = 0


def read_course(folder: Path) -> Mapping[int, float]:
    """The best fitness by generation that `follow` noted of a sweep; nothing at first.

    Raises:
      ValueError: the file is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return {}
    return read_record(
        path, "a course", lambda record: {int(g): float(f) for g, f in record.items()}
    )


def at_checkpoint(folder: Path) -> tuple[int, float] | None:
    """Generation and best fitness in the newest checkpoint; None where there is none yet."""
    state = RunFolder(folder).states().get(_JOB)
    if state is None:
        return None
    return int(state["step"]) - 1, float(state["state.fitness"].max())


def follow(folder: Path, search: Evolution, seconds: float) -> Callable[[Progress], None]:
    """Callback for a sweep of job 0 alone: records and prints its progress after each segment.

    Args:
      folder: of the sweep.
      search: its settings.
      seconds: between two looks.
    """
    looked = 0.0

    def look(now: Progress) -> None:
        nonlocal looked
        if now.seconds - looked < seconds or (point := at_checkpoint(folder)) is None:
            return
        looked = now.seconds
        (generation, fitness), course = point, read_course(folder)
        if generation not in course:
            longer = {**course, generation: fitness}
            write_record(folder / _FILE, {str(step): best for step, best in longer.items()})
            images = (search.generations - generation) * search.population
            left = timedelta(seconds=round(images * now.seconds / max(now.num_queries, 1)))
            percent = f"{100 * fitness:.2f} %"
            say(f"generation {generation} of {search.generations}: {percent}, {left} left")

    return look
