"""The ways in which images evolve, by name, and runs of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

import jfool
from experiments.progress import sweep_progress

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
    """
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


def evolve(
    method: str,
    model: Any,
    image_shape: Shape,
    num_classes: int,
    *,
    population: int,
    generations: int,
    runs: int,
    seed: int,
    lanes: int,
    folder: Path,
) -> Runs:
    """Evolves archives of all classes; what lies in the folder is not evolved again."""
    attack = jfool.EvolvedFooling(
        METHODS[method](image_shape),
        num_classes,
        jfool.MAPElites(population, record=generations + 1),
    )
    jobs = jfool.EvolutionJob(np.tile(np.arange(num_classes), (runs, 1)))
    with sweep_progress(f"runs, {TEXTS[method]}") as on_progress:
        found = jfool.sweep(
            jax.random.key(seed),
            attack,
            model,
            jobs,
            num_steps=generations,
            folder=folder,
            lanes=min(lanes, runs),
            chunk=population,
            on_progress=on_progress,
        )
    genotypes = found.genotypes(attack, jfool.EvolutionJob)
    full = np.zeros((runs, num_classes), bool)
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


def rows_of(methods: Mapping[str, Runs]) -> list[str]:
    """Heads of table rows."""
    return [TEXTS[method] for method in methods]
