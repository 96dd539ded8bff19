"""Sparse fooling images for any network, data set, colors and classes, as in Kumano et al. (2020).

    python -m experiments sfi --dataset mnist --network cnn --k 5

As tables 2 to 15 of the paper: for each base color (rows) and class (columns) the best and the mean
confidence of `repeats` searches by differential evolution, beside that of the color alone. An
interrupted run resumes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab.sparse_tables import (
    NOT_FOOLED,
    budget,
    confidence_table,
    gallery_of,
    tables_of,
    title_of,
)

# Cells whose best confidence is less can be searched again, with the same draws, for the log of the
# confidence: it still differs where the confidence is 0 in floating point.
RETRY_BELOW = 0.01
LOG = "log_confidence"


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"  # digits needs no download
    network: lab.Network = "lenet"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    k: lab.Pixels = 5  # the most pixels that are altered
    colors: lab.Colors = ("black", "grey", "white")  # also red, green, blue, gray levels, r,g,b
    classes: lab.Classes | None = None  # classes to reach; by default all
    repeats: lab.Repeats = 1  # searches for each color and class
    search: lab.Evolution = lab.Evolution(until=0.995)
    stop_at_success: bool = False  # stop repeating a cell once a search has reached `until`
    objective: lab.Objective = "confidence"  # what is maximized
    boundary: lab.Boundary = "clip"  # what happens to pixels that leave the image
    retry_log_confidence: bool = False  # search cells below 1 % again, by log-confidence

    def check(self) -> None:
        if self.stop_at_success and self.search.until is None:
            raise ValueError("stop_at_success: expected a confidence as --until, got None")
        if self.retry_log_confidence and self.objective != "confidence":
            raise ValueError(
                "retry_log_confidence: expected --objective confidence, which it retries, "
                f"got {self.objective}"
            )


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each search; `retried` has those of the cells that were searched again."""
    dataset = models.load_dataset(s.dataset)
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    shape, count = victim.image_shape, victim.num_classes
    classes = range(count) if s.classes is None else s.classes
    wanted = lab.cells([s.k], s.colors, classes, s.repeats, num_classes=count, shape=shape)
    found = searched(s, run, victim, s.objective, wanted)
    retried = None
    if s.retry_log_confidence:
        best = found.best("color", "target")
        hopeless = set(best.rows(~(best["confidence"] >= RETRY_BELOW)).columns("color", "target"))
        if hopeless:
            retried = searched(s, run, victim, LOG, only(wanted, hopeless))
    return {"searches": found, "retried": retried, "victim": victim}


def searched(
    s: Settings, run: lab.Run, victim: lab.Victim, objective: str, wanted: lab.Records
) -> lab.Records:
    """All searches; with `stop_at_success` repeat by repeat, of the cells that are still open."""
    attack = jfool.SparseFooling(
        victim.image_shape,
        victim.num_classes,
        max_k=s.k,
        search=s.search.search(),
        objective=lab.OBJECTIVES[objective](),
        boundary=s.boundary,
    )
    rounds = {objective: wanted}
    if s.stop_at_success:
        rounds = {f"{objective}_{repeat}": of for repeat, of in wanted.groups("repeat")}
    still, parts = set(wanted.columns("color", "target")), []
    for name, of in rounds.items():
        if not still:
            break
        todo = only(of, still)
        parts.append(lab.search(run, f"searches/{name}", attack, victim.model, todo, s.search))
        still -= set(parts[-1].where(stopped=True).columns("color", "target"))
    found = lab.Records.joined(parts)
    return lab.beside_colors(found, victim.model, s.colors, victim.image_shape)


def only(of: lab.Records, cells: set[tuple[str, int]]) -> lab.Records:
    """The records of some colors and classes."""
    return of.rows(np.array([cell in cells for cell in of.columns("color", "target")], bool))


def tables(s: Settings, found: dict[str, Any]) -> Iterator[lab.Table]:
    names = models.class_names(s.dataset)
    yield from tables_of(found["searches"], names, f"k = {s.k}")
    if found["retried"] is not None:
        best = found["retried"].best("color", "target")
        title = "Below 1 %: highest confidence (%) of searches for the log-confidence"
        yield confidence_table(title, best, names)


def pictures(s: Settings, found: dict[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The most confident image of each cell; those searched again in rows of their own."""
    names = models.class_names(s.dataset)
    rows, heads = gallery_of(found["searches"].best("color", "target"), names)
    if found["retried"] is not None:
        again, columns = gallery_of(found["retried"].best("color", "target"), names)
        for color, shown in again:
            tile = dict(zip(columns, shown, strict=True))
            rows.append((f"{color}\n(log)", [tile.get(head) for head in heads]))
    told = [f"test accuracy {100 * found['victim'].accuracy:.1f} %"]
    told += [budget(s.search.population, s.search.generations)]
    told += [f"best of {s.repeats}"] if s.repeats > 1 else []
    told += [f"objective {s.objective}"] if s.objective != "confidence" else []
    footnote = "" if found["retried"] is None else "(log): searched again for the log-confidence."
    lab.draw_gallery(
        out / "gallery.png",
        rows,
        heads,
        title=title(s),
        subtitle=", ".join(told),
        footnote=footnote,
        orange=NOT_FOOLED,
    )
    yield lab.Picture("gallery.png", "The most confident image of every color and class.")


def title(s: Settings) -> str:
    altered = "1 pixel altered" if s.k == 1 else f"at most {s.k} pixels altered"
    return f"{title_of(lab.name_of(s.network))} on {title_of(s.dataset)}: {altered}"


def notes(s: Settings, found: dict[str, Any]) -> Iterator[str]:
    yield found["victim"].note
    yield (
        "Kumano et al. (2020) search with 500 candidates over 1000 generations, on CIFAR-10 3000, "
        "and end no search early."
    )
    if s.search.until is not None:
        yield f"Here a search ends at {100 * s.search.until:g} % confidence."
    if s.stop_at_success:
        yield f"Up to {s.repeats} searches for each cell: none after one that reached it."


EXPERIMENT = lab.Experiment(
    Settings(), {}, records, tables, pictures, notes,
    title=title,
    source="Sparse fooling images, as in tables 2 to 15 of Kumano et al. (2020)",
    agenda=(),
)  # fmt: skip
