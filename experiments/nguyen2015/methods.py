"""The ways in which images evolve, by name, and runs of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

import jfool
from experiments.lab.progress import sweep_progress
from experiments.lab.shown import check_least
from experiments.lab.victims import check_seed

Shape = tuple[int, int, int]


def _colors(shape: Shape) -> str:
    return "grey" if shape[2] == 1 else "hls"


def _direct(shape: Shape) -> jfool.DirectPixels:
    return jfool.DirectPixels(shape, _colors(shape))


def _direct_grey(shape: Shape) -> jfool.DirectPixels:
    crossover = jfool.SimulatedBinaryCrossover(equal_genes=0.5)
    return jfool.DirectPixels(shape, _colors(shape), crossover=crossover)


def _cppn(shape: Shape) -> jfool.CPPN:
    return jfool.CPPN(shape, _colors(shape))


# By name: of the shape of an image, the encoding with its operators.
METHODS = MappingProxyType({"direct": _direct, "direct_grey": _direct_grey, "cppn": _cppn})
TEXTS = MappingProxyType(
    {
        "direct": "direct",
        "direct_grey": "direct, equal genes turn grey",
        "cppn": "CPPN",
    }
)


@dataclass(frozen=True)
class Runs:
    """What evolved in R runs.

    Attributes:
      fitness: `[R, G + 1, cells]`, every champion's confidence after each generation.
      confidence: `[R, cells]`, recomputed from the last champions' images.
      prediction: `[R, cells]`.
      images: `[R, cells, H, W, C]`, of the last champions.
      full: `[R, cells]`, whether a champion's network can grow no more; False without one.
      num_queries: `[R]`.
    """

    fitness: Float[np.ndarray, "R generations cells"]
    confidence: Float[np.ndarray, "R cells"]
    prediction: np.ndarray
    images: Float[np.ndarray, "R cells H W C"]
    full: np.ndarray
    num_queries: np.ndarray


def every_class(num_cells: int, runs: int) -> Int[np.ndarray, "R cells"]:
    """Runs of archives: each of the first classes has a cell in each run."""
    return np.tile(np.arange(num_cells), (runs, 1))


def evolve(
    method: str,
    model: Any,
    image_shape: Shape,
    num_classes: int,
    labels: Int[np.ndarray, "R cells"],
    *,
    population: int,
    generations: int,
    stop: int | None = None,
    first_run: int = 0,
    seed: int,
    lanes: int,
    folder: Path,
) -> Runs:
    """Evolves archives; what lies in the folder is not evolved again.

    Args:
      num_classes: of the model.
      labels: the classes of each run's cells.
      generations: of which the fitness is kept, behind the start.
      stop: the generation behind which runs end, by default the last; 0 is the start.
      first_run: the number of the first run; no two of different numbers have the same draws.
    """
    attack = jfool.EvolvedFooling(
        METHODS[method](image_shape),
        num_classes,
        jfool.MAPElites(population, record=generations + 1),
    )
    with sweep_progress(f"runs, {TEXTS[method]}") as on_progress:
        found = jfool.sweep(
            jax.random.key(seed),
            attack,
            model,
            jfool.EvolutionJob(labels),
            num_steps=generations if stop is None else stop,
            folder=folder,
            lanes=min(lanes, len(labels)),
            chunk=population,
            job_ids=first_run + np.arange(len(labels)),
            on_progress=on_progress,
        )
    genotypes = found.genotypes(attack, jfool.EvolutionJob)
    full = np.zeros(labels.shape, bool)
    if isinstance(attack.encoding, jfool.CPPN):
        full = genotypes.active.all(-1) | genotypes.connected.all(-1)
    return Runs(
        fitness=found.column("notes.fitness"),
        confidence=found.column("confidence"),
        prediction=found.column("prediction"),
        images=found.images(attack, jfool.EvolutionJob),
        full=full,
        num_queries=found.column("num_queries"),
    )


def check_evolution(config: Any) -> None:
    """Refuses settings with which nothing can evolve: population, generations, runs, lanes, seed.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    check_seed(config.seed)
    check_least(config, {"population": 2, "generations": 1, "runs": 1, "lanes": 1})
    if config.population % 2:
        raise ValueError(f"population: expected an even number, got {config.population}")


def check_methods(methods: Sequence[str]) -> None:
    """Refuses names that are none of `METHODS`.

    Raises:
      ValueError: naming the setting, what was expected and what came.
    """
    if set(methods) - set(METHODS) or not methods or len(set(methods)) < len(methods):
        got = " ".join(methods) or "none"
        raise ValueError(f"methods: expected some of {', '.join(METHODS)}, each once, got {got}")


def rows_of(methods: Mapping[str, Runs]) -> list[str]:
    """Heads of table rows."""
    return [TEXTS[method] for method in methods]
