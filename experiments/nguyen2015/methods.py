"""How images evolve: encodings by name, settings of an archive's evolution, and runs of it.

`R` runs, `G` generations with the start, `cells` classes.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

import jfool
import models
from experiments import lab
from jfool.encodings.cppn import is_full

Shape = tuple[int, int, int]
Encoding = jfool.DirectPixels | jfool.CPPN


def _colors(shape: Shape) -> str:
    return "grey" if shape[2] == 1 else "hls"


def _direct_grey(shape: Shape) -> Encoding:
    crossover = jfool.SimulatedBinaryCrossover(equal_genes=0.5)
    return jfool.DirectPixels(shape, _colors(shape), crossover=crossover)


# By name: of the shape of an image, the encoding with its operators.
METHODS: Mapping[str, Callable[[Shape], Encoding]] = {
    "direct": lambda shape: jfool.DirectPixels(shape, _colors(shape)),
    "direct_grey": _direct_grey,
    "cppn": lambda shape: jfool.CPPN(shape, _colors(shape)),
}
TITLES = {"direct": "direct", "direct_grey": "direct, equal genes turn grey", "cppn": "CPPN"}
Methods = Annotated[tuple[Annotated[str, lab.one_of(METHODS)], ...], lab.distinct]


@lab.settings
class ArchiveEvolution:
    """Runs of MAP-Elites."""

    population: lab.EvenCount = 200  # children of a generation
    generations: lab.Count = 1000  # after the start
    seed: lab.Seed = 0  # of the runs' draws
    lanes: lab.Lanes = 10  # runs side by side
    chunk: lab.Chunk | None = None  # images per call of the network; by default `population`


@dataclass(frozen=True, eq=False)
class Archives:
    """What evolved in R runs.

    Attributes:
      targets: `[R, cells]`, the class of each cell.
      fitness: `[R, G, cells]`, the champions' confidences in the search, after each generation;
        NaN after the last.
      confidence: `[R, cells]`, of the last champions, recomputed from their images.
      prediction: `[R, cells]`, the class that the network takes them for.
      num_queries: `[R]`, images shown to the network.
      results, attack: of the sweep; None for numbers alone.
    """

    targets: Int[np.ndarray, "R cells"]
    fitness: Float[np.ndarray, "R G cells"]
    confidence: Float[np.ndarray, "R cells"]
    prediction: Int[np.ndarray, "R cells"]
    num_queries: Int[np.ndarray, " R"]
    results: Any = None
    attack: Any = None

    @property
    def fooled(self) -> Bool[np.ndarray, "R cells"]:
        """Whether the network takes a champion for its class."""
        return self.prediction == self.targets

    @property
    def population(self) -> int:
        """Images of a generation."""
        generations = (~np.isnan(self.fitness[0])).any(1).sum()
        return int(self.num_queries[0] // generations)

    @property
    def wins(self) -> Int[np.ndarray, "R G cells"]:
        """Who won each cell in each generation; see `jfool.search.map_elites.Lineage`."""
        return self.results.column("notes.wins")

    @property
    def records(self) -> lab.Records:
        """A record for each run and class: the last champion, without its image."""
        runs, cells = self.targets.shape
        return lab.Records.of(
            run=np.repeat(np.arange(runs), cells),
            target=self.targets.ravel(),
            confidence=self.confidence.ravel(),
            prediction=self.prediction.ravel(),
            fooled=self.fooled.ravel(),
        )

    @functools.cached_property
    def champions(self) -> lab.Records:
        """The same with all images, which must fit into memory."""
        images = self.results.images(self.attack, jfool.EvolutionJob)
        return self.records.plus(image=images.reshape(-1, *self.attack.image_shape))

    def genotypes(self, run: int, cells: Any) -> Any:
        """Of some champions of a run."""
        genotypes = self.results.genotypes(self.attack, jfool.EvolutionJob, [run])
        return jax.tree.map(lambda leaf: leaf[0][np.asarray(cells)], genotypes)

    def images(self, run: int, cells: Any) -> Float[np.ndarray, "n H W C"]:
        """Of some champions of a run."""
        return np.asarray(_paint(self.attack.encoding, self.genotypes(run, cells)))

    @functools.cached_property
    def num_full(self) -> int:
        """Champions whose CPPNs can grow no more."""
        if not isinstance(self.attack.encoding, jfool.CPPN):
            return 0
        runs, cells = map(range, self.targets.shape)
        return sum(int(jax.vmap(is_full)(self.genotypes(run, cells)).sum()) for run in runs)


@jax.jit
def _paint(encoding: Any, genotypes: Any) -> jax.Array:
    return jax.vmap(encoding.decode, (None, 0))(None, genotypes)


def every_class(num_cells: int, runs: int) -> Int[np.ndarray, "R cells"]:
    """Cells of runs: each of the first classes has one in every run."""
    return np.tile(np.arange(num_cells), (runs, 1))


def evolve(
    run: lab.Run,
    name: str,
    encoding: Encoding,
    model: models.Network,
    targets: Int[np.ndarray, "R cells"],
    settings: ArchiveEvolution,
    *,
    num_steps: int | None = None,
    first_run: int = 0,
) -> Archives:
    """Evolves archives; what lies in the folder is not evolved again.

    Args:
      run: whose folder keeps the sweep.
      name: of the sweep's folder, and of the progress.
      encoding: of the images, such as `METHODS["cppn"](model.image_shape)`.
      model: that is fooled.
      targets: the classes of each run's cells.
      settings: of the evolution.
      num_steps: generations after which runs end, by default all; after 0 they are at the start,
        the same as that of the whole runs.
      first_run: number of the first run; runs of different numbers have different draws.
    """
    search = jfool.MAPElites(settings.population, record=settings.generations + 1)
    attack = jfool.EvolvedFooling(encoding, model.num_classes, search)
    results = run.sweep(
        name,
        jax.random.key(settings.seed, impl="threefry2x32"),
        attack,
        model,
        jfool.EvolutionJob(targets),
        lanes=settings.lanes,
        title=f"runs, {name}",
        num_steps=settings.generations if num_steps is None else num_steps,
        chunk=settings.population if settings.chunk is None else settings.chunk,
        job_ids=first_run + np.arange(len(targets)),
    )
    return Archives(
        targets=targets,
        fitness=results.column("notes.fitness"),
        confidence=results.column("confidence"),
        prediction=results.column("prediction"),
        num_queries=results.column("num_queries"),
        results=results,
        attack=attack,
    )


def beside_paper(
    title: str, rows: Mapping[str, Mapping[str, lab.Cell]], paper: Mapping[str, Any]
) -> lab.Table:
    """A table whose rows are methods by their titles, beside the paper's by their names."""
    of_paper = {TITLES[name]: cells for name, cells in paper.items() if TITLES[name] in rows}
    return lab.table(title, rows, of_paper, columns=list(next(iter(rows.values()))))
