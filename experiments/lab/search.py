"""Sparse fooling images for every cell of a table (base colour x class), several times over.

`K` classes, `R` rows found, `k` altered pixels.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from experiments.lab.colors import MAX_COLORS, Color
from experiments.lab.found import Found, Row, joined
from jfool.softmax import softmax
from jfool.sweeps import Progress, Results

OBJECTIVES: dict[str, Any] = {
    "confidence": jfool.Confidence,
    "log_confidence": jfool.LogConfidence,
    "margin": jfool.Margin,
}


@dataclass(frozen=True)
class Cell:
    """One entry of the table: an image of `color` that is to be taken for class `label`."""

    color: Color
    label: int


@dataclass(frozen=True)
class Search:
    """Settings of the searches.

    Attributes:
      k, population, generations, objective, boundary: of the attack.
      until: confidence at which a search ends, or None.
      repeats: searches per cell, each with draws of its own.
      stop_at_success: repeat a cell no more once a search of it has ended by `until`.
      seed: of the draws.
      lanes: searches side by side.
      chunk: images per model call. Up to `population`, the default, every call has this batch shape
        whatever `lanes` is, and so the results do not depend on it, to the last bit.
    """

    k: int = 5
    population: int = 500
    generations: int = 1000
    objective: str = "confidence"
    boundary: str = "clip"
    until: float | None = None
    repeats: int = 1
    stop_at_success: bool = False
    seed: int = 0
    lanes: int = 10
    chunk: int | None = None

    def attack(self, image_shape: tuple[int, int, int], num_classes: int) -> jfool.Composition:
        return jfool.SparseFooling(
            image_shape,
            num_classes,
            max_k=self.k,
            search=jfool.DifferentialEvolution(population_size=self.population),
            objective=OBJECTIVES[self.objective](),
            boundary=self.boundary,
        )

    @property
    def criterion(self) -> Any:
        return None if self.until is None else jfool.confident(self.until)

    @property
    def key(self) -> jax.Array:
        return jax.random.key(self.seed, impl="threefry2x32")


def job_id(cell: Cell, repeat: int, num_classes: int) -> int:
    """Names the draws of a search, whichever other cells and repeats are asked for beside it."""
    return (repeat * num_classes + cell.label) * MAX_COLORS + cell.color.slot


Place = tuple[Cell, int, int]  # a job's cell, k and repeat


def places_of(
    ks: Sequence[int], cells: Sequence[Cell], repeats: int, num_classes: int
) -> dict[int, Place]:
    """Every k, cell and repeat by job id; with one k, the ids are those of `job_id`."""
    block = repeats * num_classes * MAX_COLORS
    return {
        i * block + job_id(cell, repeat, num_classes): (cell, k, repeat)
        for i, k in enumerate(ks)
        for cell in cells
        for repeat in range(repeats)
    }


def search_cells(
    search: Search,
    model: Any,
    image_shape: tuple[int, int, int],
    num_classes: int,
    cells: Sequence[Cell],
    on_progress: Callable[[int], None] = lambda count: None,
) -> Found:
    """Searches all cells, `search.repeats` times.

    Args:
      search: settings.
      model: as `jfool.run` takes it.
      image_shape: `(H, W, C)`.
      num_classes: `K`.
      cells: at least one.
      on_progress: called with how many searches were finished, or turned out needless, just now.
    Returns:
      One row per search, in the order of cells, then of repeats.
    """
    repeats = range(search.repeats)
    rounds = [[repeat] for repeat in repeats] if search.stop_at_success else [list(repeats)]
    open_cells, found = list(cells), []
    for round_repeats in rounds:
        on_progress((len(cells) - len(open_cells)) * len(round_repeats))
        todo = list(itertools.product(round_repeats, open_cells))
        if not todo:
            continue
        found.append(_run(search, model, image_shape, num_classes, todo, on_progress))
        if search.stop_at_success:
            ended = {(r.base, r.label) for part in found for r in part.rows if r.stopped}
            open_cells = [c for c in open_cells if (c.color.name, c.label) not in ended]
    place = {(cell.color.name, cell.label): i for i, cell in enumerate(cells)}
    return joined(found).ordered(lambda row: (place[row.base, row.label], row.repeat))


def plain_confidences(
    model: Any, colors: Sequence[Color], image_shape: tuple[int, int, int]
) -> np.ndarray:
    """`[colors, K]`, what the model says of the colours themselves."""
    bases = [np.broadcast_to(color.base(image_shape[2]), image_shape) for color in colors]
    with jax.default_matmul_precision("highest"):
        logits = jax.jit(_call)(model, jnp.asarray(np.stack(bases), jnp.float32))
    return np.asarray(softmax(logits))


def _run(
    search: Search,
    model: Any,
    image_shape: tuple[int, int, int],
    num_classes: int,
    todo: Sequence[tuple[int, Cell]],
    on_progress: Callable[[int], None],
) -> Found:
    places = {job_id(cell, repeat, num_classes): (cell, search.k, repeat) for repeat, cell in todo}
    done = 0

    def advance(progress: Progress) -> None:
        nonlocal done
        on_progress(progress.done - done)
        done = progress.done

    search = dataclasses.replace(search, lanes=min(search.lanes, len(todo)))
    return sweep_places(search, model, image_shape, num_classes, places, on_progress=advance)


def sweep_places(
    search: Search,
    model: Any,
    image_shape: tuple[int, int, int],
    num_classes: int,
    places: Mapping[int, Place],
    *,
    folder: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Found:
    """Searches all places (see `places_of`), and with a folder goes on with what is there.

    Args:
      search: settings; its `k` is the most of any place.
      model, image_shape, num_classes: as for `search_cells`.
      places: by job id.
      folder: of the run; None keeps everything in memory.
      on_progress: called behind each segment.
    Returns:
      One row per place, by job id.
    """
    attack = search.attack(image_shape, num_classes)
    results = jfool.sweep(
        search.key,
        attack,
        model,
        jobs_of(places.values(), image_shape[2]),
        num_steps=search.generations,
        until=search.criterion,
        folder=folder,
        lanes=search.lanes,
        chunk=search.population if search.chunk is None else search.chunk,
        job_ids=np.array(list(places)),
        on_progress=on_progress,
    )
    return found_of(results, attack, places, search.objective)


def jobs_of(places: Iterable[Place], channels: int) -> jfool.SparseJob:
    """The jobs of cells, each with its k."""
    cells, ks, _ = zip(*places, strict=True)
    return jfool.SparseJob(
        label=np.array([cell.label for cell in cells]),
        base=np.array([cell.color.base(channels) for cell in cells], np.float32),
        k=np.array(ks),
    )


def found_of(
    results: Results,
    attack: jfool.Composition,
    places: Mapping[int, Place],
    objective: str,
    rows: Sequence[int] | None = None,
) -> Found:
    """Rows of a sweep as an experiment reports them, with their images.

    Args:
      results: of the sweep.
      attack: the sweep's.
      places: by job id, the cell, k and repeat of a job.
      objective: of the attack, by name.
      rows: of the results; all by default.
    """
    rows = range(len(results)) if rows is None else rows
    names = [field.name for field in dataclasses.fields(Row)[6:]]
    columns = {name: results.column(name).tolist() for name in ("job_id", *names)}
    found = []
    for i in rows:
        cell, k, repeat = places[columns["job_id"][i]]
        measured = {name: columns[name][i] for name in names}
        found.append(
            Row(
                job_id=columns["job_id"][i],
                base=cell.color.name,
                label=cell.label,
                k=k,
                repeat=repeat,
                objective=objective,
                **measured,
            )
        )
    images = results.images(attack, jfool.SparseJob, list(rows))
    return Found(found, images, results.column("genotype")[list(rows)])


def _call(model: Any, images: jax.Array) -> jax.Array:
    return model(images)
