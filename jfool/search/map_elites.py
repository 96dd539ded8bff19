"""MAP-Elites with one cell for each class. (Mouret & Clune, 2015; as in paper 001, sec. 2.2)

Each generation, for a whole batch of children at once:

  parents <- pairs of champions, each drawn uniformly from the occupied cells
  children <- vary(parents)
  of every cell, the child with the largest score takes it where that beats the champion's

So a child may win many cells at once, all children descend from the champions at the generation's
start, and a tie keeps the champion. The paper's text varies one organism at a time; its code works
in batches, as here.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jfool.arguments import is_whole
from jfool.base import PRNGKey, pytree, static

NOT_WON = -2  # in the record: a cell that nobody won in a generation

# Of P genotypes: scores in every cell [P, cells], logits [P, K].
Judge = Callable[[Any], tuple[Float[Array, "P cells"], Float[Array, "P K"]]]


@runtime_checkable
class EvolvableEncoding(Protocol):
    """What this search asks of an encoding: a start, and children of pairs."""

    def start(self, key: PRNGKey, size: int) -> Any: ...
    def vary(self, key: PRNGKey, first: Any, second: Any, generation: Int[Array, ""]) -> Any: ...


@pytree
class Lineage:
    """Who descends from whom.

    Attributes:
      born: `[cells]` int, the generation in which each champion won its cell; -1 for none.
      parent: `[cells]` int, the cell whose champion was its (first) parent; -1 at the start, and as
        long as all cells are empty.
      wins: `[G, cells]` int, per generation the parent's cell of who won the cell then; -1 for a
        cell that was won by somebody without a champion for a parent, `NOT_WON` for one that was
        not won. With it all ancestors of a champion can be told (`ancestors`). G is
        `MAPElites.record`.
      fitness: `[G, cells]`, the champions' after each generation; NaN for those to come.
    """

    born: Any
    parent: Any
    wins: Any
    fitness: Any


@pytree
class Archive:
    """
    genotypes: `[cells, ...]`, the champions; in an empty cell one of the start that won nothing.
    fitness: `[cells]`, their scores; -inf for an empty cell.
    logits: `[cells, K]`, what the model said of them; NaN for an empty cell.
    lineage: where they come from.
    children: `[P, ...]`, to be shown next.
    parents: `[P]` int, the cell of each child's first parent; -1 if that was no champion.
    generation: `[]` int, how many steps were taken; the first evaluates the start population.
    """

    genotypes: Any
    fitness: Array
    logits: Array
    lineage: Lineage
    children: Any
    parents: Array
    generation: Array


@pytree
class MAPElites:
    """One champion for each class, and children of champions.

    Attributes:
      population_size: P, children per generation, in pairs; paper 001: 200 for MNIST, 400 (CPPN)
        and 200 (direct) for ImageNet.
      record: generations to keep a record of, the start among them; 0 for none.
    """

    population_size: int = static(default=200)
    record: int = static(default=0)

    def __post_init__(self) -> None:
        if not is_whole(self.population_size, 2) or self.population_size % 2:
            raise ValueError(
                "population_size: expected an even number of at least 2 (children come in pairs), "
                f"got {self.population_size!r}"
            )
        if not is_whole(self.record, 0):
            raise ValueError(f"record: expected a number of generations, got {self.record!r}")

    def init(
        self, key: PRNGKey, encoding: EvolvableEncoding, num_cells: int, num_classes: int
    ) -> Archive:
        children = encoding.start(key, self.population_size)
        nobody = jnp.full(num_cells, -1, jnp.int32)
        return Archive(
            genotypes=_take(children, jnp.arange(num_cells) % self.population_size),
            fitness=jnp.full(num_cells, -jnp.inf, jnp.float32),
            logits=jnp.full((num_cells, num_classes), jnp.nan, jnp.float32),
            lineage=Lineage(
                born=nobody,
                parent=nobody,
                wins=jnp.full((self.record, num_cells), NOT_WON, jnp.int32),
                fitness=jnp.full((self.record, num_cells), jnp.nan, jnp.float32),
            ),
            children=children,
            parents=jnp.full(self.population_size, -1, jnp.int32),
            generation=jnp.zeros((), jnp.int32),
        )

    def step(
        self, key: PRNGKey, encoding: EvolvableEncoding, judge: Judge, state: Archive
    ) -> Archive:
        """Shows the children, lets them win cells, and makes the next ones."""
        scores, logits = judge(state.children)
        scores = jnp.where(jnp.isnan(scores), -jnp.inf, scores)
        winner = scores.argmax(axis=0)  # of each cell; the first of equals
        score = scores.max(axis=0)
        wins = score > state.fitness  # strictly

        def settle(child: Array, champion: Array) -> Array:
            return jnp.where(_per_cell(wins, champion), child[winner], champion)

        genotypes = jax.tree.map(settle, state.children, state.genotypes)
        fitness = jnp.where(wins, score, state.fitness)
        pair_key, vary_key = jax.random.split(key)
        first, second = self._pairs(pair_key, jnp.isfinite(fitness))
        return Archive(
            genotypes=genotypes,
            fitness=fitness,
            logits=settle(logits.astype(jnp.float32), state.logits),
            lineage=self._remember(state, wins, state.parents[winner], fitness),
            children=encoding.vary(
                vary_key, _take(genotypes, first), _take(genotypes, second), state.generation + 1
            ),
            parents=jnp.where(jnp.isfinite(fitness).any(), jnp.concatenate([first, second]), -1),
            generation=state.generation + 1,
        )

    def _pairs(self, key: PRNGKey, occupied: Bool[Array, " cells"]) -> tuple[Array, Array]:
        """Two cells for each pair, independently and uniformly among the occupied ones."""
        cells = jnp.flatnonzero(occupied, size=len(occupied), fill_value=0).astype(jnp.int32)
        drawn = jax.random.uniform(key, (2, self.population_size // 2), jnp.float32)
        count = occupied.sum(dtype=jnp.int32)
        index = (drawn * count.astype(jnp.float32)).astype(jnp.int32)
        first, second = cells[jnp.minimum(index, count - 1)]
        return first, second

    def _remember(
        self,
        state: Archive,
        wins: Bool[Array, " cells"],
        parent: Int[Array, " cells"],
        fitness: Float[Array, " cells"],
    ) -> Lineage:
        old, now = state.lineage, state.generation

        def note(record: Array, row: Array) -> Array:
            return record.at[now].set(row, mode="drop") if self.record else record

        return Lineage(
            born=jnp.where(wins, now, old.born),
            parent=jnp.where(wins, parent, old.parent),
            wins=note(old.wins, jnp.where(wins, parent, NOT_WON)),
            fitness=note(old.fitness, fitness),
        )


def ancestors(
    wins: Int[np.ndarray, "G cells"], cell: int, generation: int
) -> list[tuple[int, int]]:
    """The champions that a champion descends from, by first parents, from itself to the start.

    Args:
      wins: of one run's `Lineage`, as NumPy; needs `MAPElites(record=...)`.
      cell: of the champion.
      generation: behind which it is the champion.
    Returns:
      (cell, generation in which it was won) of each.
    Raises:
      ValueError: the cell was empty then, or the record is too short.
    """
    if wins.ndim != 2 or not wins.size:
        raise ValueError(
            "wins: expected the record [G, cells] of one run, as MAPElites(record=G) keeps it, "
            f"got shape {list(wins.shape)}"
        )
    if not 0 <= cell < wins.shape[1]:
        raise ValueError(f"cell: expected 0 to {wins.shape[1] - 1}, got {cell}")
    if not 0 <= generation < len(wins):
        raise ValueError(f"generation: expected 0 to {len(wins) - 1}, got {generation}")
    line = []
    while True:
        while generation >= 0 and wins[generation, cell] == NOT_WON:
            generation -= 1
        if generation < 0:
            raise ValueError(f"cell: expected one that was occupied, got {cell}")
        line.append((cell, generation))
        parent = int(wins[generation, cell])
        if parent < 0:
            return line
        cell, generation = parent, generation - 1


def _take(genotypes: Any, cells: Int[Array, " Q"]) -> Any:
    return jax.tree.map(lambda leaf: leaf[cells], genotypes)


def _per_cell(mask: Bool[Array, " cells"], like: Array) -> Array:
    return mask.reshape(mask.shape + (1,) * (like.ndim - 1))
