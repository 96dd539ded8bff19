"""Sparse fooling images for every cell of a table (base colour x class), several times over.

`K` classes, `R` rows found, `k` altered pixels.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from experiments.colors import MAX_COLORS, Color
from experiments.found import Found, Row, joined

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
      lanes: searches per compiled call; between calls there is progress to report.
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


def job_id(cell: Cell, repeat: int, num_classes: int) -> int:
    """Names the draws of a search, whichever other cells and repeats are asked for beside it."""
    return (repeat * num_classes + cell.label) * MAX_COLORS + cell.color.slot


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
        for start in range(0, len(todo), search.lanes):
            lanes = todo[start : start + search.lanes]
            found.append(_run(search, model, image_shape, num_classes, lanes))
            on_progress(len(lanes))
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
    return np.asarray(jax.nn.softmax(logits.astype(jnp.float32)))


def _run(
    search: Search,
    model: Any,
    image_shape: tuple[int, int, int],
    num_classes: int,
    lanes: Sequence[tuple[int, Cell]],
) -> Found:
    """One compiled call. Fewer lanes than the last time compile anew: seconds, where padding them
    would cost whole searches."""
    ids = [job_id(cell, repeat, num_classes) for repeat, cell in lanes]
    jobs = jfool.SparseJob(
        label=np.array([cell.label for _, cell in lanes]),
        base=np.array([cell.color.base(image_shape[2]) for _, cell in lanes], np.float32),
        k=np.full(len(lanes), search.k),
    )
    result = jfool.run(
        jax.random.key(search.seed, impl="threefry2x32"),
        search.attack(image_shape, num_classes),
        model,
        jobs,
        num_steps=search.generations,
        until=None if search.until is None else jfool.confident(search.until),
        chunk=search.population if search.chunk is None else search.chunk,
        job_ids=np.array(ids),
    )
    _wait_for(result.images)
    measured = [field.name for field in dataclasses.fields(Row)[6:]]
    columns = {name: np.asarray(getattr(result, name)).tolist() for name in measured}
    rows = [
        Row(
            job_id=ids[i],
            base=cell.color.name,
            label=cell.label,
            k=search.k,
            repeat=repeat,
            objective=search.objective,
            **{name: column[i] for name, column in columns.items()},
        )
        for i, (repeat, cell) in enumerate(lanes)
    ]
    return Found(rows, np.asarray(result.images), np.asarray(result.genotype))


def _wait_for(array: Any) -> None:
    """Blocks in Python, where Ctrl-C is heard, not in the runtime."""
    while not array.is_ready():
        time.sleep(0.02)


def _call(model: Any, images: jax.Array) -> jax.Array:
    return model(images)
