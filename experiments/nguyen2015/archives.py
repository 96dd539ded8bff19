"""Archives of many classes and large images, of which only a few are ever painted.

`R` runs, `G` generations with the start, `cells` classes.
"""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

import jfool
from experiments.lab.progress import sweep_progress
from experiments.nguyen2015.methods import METHODS, TEXTS, Shape
from jfool.encodings.cppn import is_full
from jfool.sweeps import Results


@dataclass(frozen=True, eq=False)
class Archives:
    """
    Attributes:
      labels: `[cells]`, the class of each.
      fitness: `[R, G, cells]`, every champion's confidence after each generation.
      wins: `[R, G, cells]`; see `jfool.search.map_elites.Lineage`.
      confidence: `[R, cells]`, recomputed from the last champions' images.
      prediction: `[R, cells]`.
      num_queries: `[R]`, images shown.
    """

    labels: Int[np.ndarray, " cells"]
    fitness: Float[np.ndarray, "R G cells"]
    wins: Int[np.ndarray, "R G cells"]
    confidence: Float[np.ndarray, "R cells"]
    prediction: Int[np.ndarray, "R cells"]
    num_queries: Int[np.ndarray, " R"]
    results: Results
    attack: jfool.EvolvedFooling

    @property
    def predicted(self) -> Bool[np.ndarray, "R cells"]:
        """Whether the network takes a champion for its class."""
        return self.prediction == self.labels

    def genotypes(self, run: int, cells: Any) -> Any:
        """Of some champions of a run."""
        of_run = self._genotypes(run)
        return jax.tree.map(lambda leaf: leaf[np.asarray(cells)], of_run)

    def images(self, run: int, cells: Any) -> Float[np.ndarray, "n H W C"]:
        """Of some champions of a run, painted anew."""
        return np.asarray(_paint(self.attack.encoding, self.genotypes(run, cells)))

    @functools.cached_property
    def num_full(self) -> int | None:
        """Champions whose networks can grow no more; None where there are no networks."""
        if not isinstance(self.attack.encoding, jfool.CPPN):
            return None
        full = jax.vmap(is_full)
        runs = range(len(self.confidence))
        return sum(int(full(self._genotypes(run)).sum()) for run in runs)

    def _genotypes(self, run: int) -> Any:
        genotypes = self.results.genotypes(self.attack, jfool.EvolutionJob, [run])
        return jax.tree.map(lambda leaf: leaf[0], genotypes)


@jax.jit
def _paint(encoding: Any, genotypes: Any) -> jax.Array:
    return jax.vmap(encoding.decode, (None, 0))(None, genotypes)


def evolve_archives(
    method: str,
    model: Any,
    image_shape: Shape,
    labels: Int[np.ndarray, " cells"],
    *,
    population: int,
    generations: int,
    runs: int,
    seed: int,
    lanes: int,
    chunk: int,
    folder: Path,
) -> Archives:
    """Evolves; what lies in the folder is not evolved again. Pixels are kept as bytes."""
    encoding = METHODS[method](image_shape)
    if isinstance(encoding, jfool.DirectPixels):
        encoding = dataclasses.replace(encoding, dtype="uint8")
    search = jfool.MAPElites(population, record=generations + 1)
    attack = jfool.EvolvedFooling(encoding, model.num_classes, search)
    with sweep_progress(f"runs, {TEXTS[method]}") as on_progress:
        results = jfool.sweep(
            jax.random.key(seed),
            attack,
            model,
            jfool.EvolutionJob(np.tile(labels, (runs, 1))),
            num_steps=generations,
            folder=folder,
            lanes=min(lanes, runs),
            chunk=chunk,
            on_progress=on_progress,
        )
    return Archives(
        labels=labels,
        fitness=results.column("notes.fitness"),
        wins=results.column("notes.wins"),
        confidence=results.column("confidence"),
        prediction=results.column("prediction"),
        num_queries=results.column("num_queries"),
        results=results,
        attack=attack,
    )
