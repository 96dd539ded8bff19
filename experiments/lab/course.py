"""How far a long search has come, from the checkpoints of its sweep.

A sweep tells of finished jobs only. One that takes days shall be seen on its way: its checkpoints
hold the whole population with its fitness.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from experiments.lab.progress import say
from experiments.lab.record import write_json
from experiments.lab.shown import new_figure, save_figure
from jfool.sweeps import Progress
from jfool.sweeps.run_folder import RunFolder

_FILE = "course.json"  # in the sweep's folder, and gone with it
_JOB = 0


@dataclass(frozen=True)
class Course:
    """The best fitness at some generations, ascending."""

    generations: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()

    def then(self, generation: int, confidence: float) -> "Course":
        """With one more point; one that is not later changes nothing."""
        if self.generations and generation <= self.generations[-1]:
            return self
        return Course((*self.generations, generation), (*self.confidences, confidence))


def read_course(folder: Path) -> Course:
    """What `following` noted of a sweep; nothing at first.

    Raises:
      ValueError: the file is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return Course()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Course(tuple(record["generations"]), tuple(record["confidences"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a course, got {error!r:.200}; delete it") from error


def at_checkpoint(folder: Path) -> tuple[int, float] | None:
    """Generation and best fitness of job 0 in the newest checkpoint; None: there is none yet."""
    state = RunFolder(folder).states().get(_JOB)
    if state is None:
        return None
    return int(state["step"]) - 1, float(state["state.fitness"].max())


@contextmanager
def following(
    folder: Path, generations: int, seconds: float
) -> Iterator[Callable[[Progress], None]]:
    """Lends what a sweep of one job calls behind each segment: it notes and says how things stand.

    Args:
      folder: of the sweep.
      generations: of the search.
      seconds: between two looks.
    """
    looked, begun = 0.0, None

    def look(now: Progress) -> None:
        nonlocal looked, begun
        if now.seconds - looked < seconds or (point := at_checkpoint(folder)) is None:
            return
        looked = now.seconds
        course = read_course(folder)
        longer = course.then(*point)
        if longer == course:
            return
        write_json(
            folder / _FILE, {"generations": longer.generations, "confidences": longer.confidences}
        )
        generation, confidence = point
        begun = begun or (generation, now.seconds)
        text = f"generation {generation} of {generations}: {100 * confidence:.2f} %"
        if generation > begun[0]:
            pace = (now.seconds - begun[1]) / (generation - begun[0])
            text += f", {timedelta(seconds=round((generations - generation) * pace))} left"
        say(text)

    yield look


def draw_course(path: Path, course: Course, paper: float | None) -> None:
    """Confidence over generations, beside the paper's at the end, in percent, if it has one."""
    figure = new_figure(7, 3.5)
    axis = figure.subplots()
    percent = [100 * confidence for confidence in course.confidences]
    axis.plot(course.generations, percent, ".-", color="#1f4e9c")
    if paper is not None:
        axis.axhline(paper, color="grey", linestyle="--", linewidth=1, label=f"paper: {paper:g} %")
        axis.legend(loc="best", fontsize="small")
    axis.set_yscale("log")
    axis.set_xlabel("generation")
    axis.set_ylabel("confidence (%)")
    save_figure(figure, path)
