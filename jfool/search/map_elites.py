"""MAP-Elites with one cell per class. (Mouret & Clune, 2015; Nguyen et al., 2015, sec. 2.2)

Each generation, for a whole batch of children at once:

  parents <- pairs of champions, drawn uniformly from the occupied cells
  children <- vary(parents)
  each cell: the child with the highest score there replaces the champion if it scores higher

A child may win many cells at once, all children descend from champions of the generation before,
and a tie keeps the champion. The text of Nguyen et al. varies one organizm at a time; their code
works in batches, as here.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from jfool.base import Candidate, Info, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.numbers import brief, check_whole, is_whole

NOT_WON = -2  # in the record: the cell kept its champion in that generation


@runtime_checkable
class EvolvableEncoding(Protocol):
    """What this search needs of an encoding: a start, and children of pairs."""

    def start(self, key: PRNGKey, size: int) -> Any: ...
    def vary(self, key: PRNGKey, first: Any, second: Any, generation: Int[Array, ""]) -> Any: ...


@pytree
class Lineage:
    """Who descends from whom.

    Attributes:
      born: `[cells]` int, the generation in which the champion won its cell; -1 for none.
      parent: `[cells]` int, the cell of the champion's first parent; -1 if that was no champion.
      wins: `[G, cells]` int, for each generation the cell of the new champion's first parent; -1 if
        that was no champion, `NOT_WON` if the cell was not won. `ancestors` follows these. G is
        `MAPElites.record`.
      fitness: `[G, cells]`, that of the champions after each generation; NaN for future ones.
    """

    born: Any
    parent: Any
    wins: Any
    fitness: Any


@pytree
class Archive:
    """
    genotypes: `[cells, ...]`, the champions; for an empty cell any of the start population.
    fitness: `[cells]`, their scores; -inf for an empty cell.
    logits: `[cells, K]`, their logits; NaN for an empty cell.
    lineage: who descends from whom.
    children: `[P, ...]`, to be evaluated next.
    parents: `[P]` int, the cell of each child's first parent; -1 if that was no champion.
    generation: `[]` int, steps taken; the first evaluates the start population.
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
    """Keeps one champion per class; children descend from champions.

    Attributes:
      population_size: P, children per generation, in pairs; Nguyen et al. (2015): 200 for MNIST,
        400 (CPPN) and 200 (direct) for ImageNet.
      record: how many generations to record, the start included; 0 for none.
    """

    population_size: int = static(default=200)
    record: int = static(default=0)

    def __post_init__(self) -> None:
        if not is_whole(self.population_size, 2) or self.population_size % 2:
            raise ValueError(
                "population_size: expected an even number of at least 2 (children come in pairs), "
                f"got {brief(self.population_size)}"
            )
        check_whole("record", self.record, 0, "a number of generations")

    needs = EvolvableEncoding

    @property
    def images_at_once(self) -> int:
        return self.population_size

    def init(self, key: PRNGKey, task: Task) -> Archive:
        children = task.encoding.start(key, self.population_size)
        (num_cells,) = np.shape(task.job.target)
        none = jnp.full(num_cells, -1, jnp.int32)
        return Archive(
            genotypes=_take(children, jnp.arange(num_cells) % self.population_size),
            fitness=jnp.full(num_cells, -jnp.inf, jnp.float32),
            logits=jnp.full((num_cells, task.num_classes), jnp.nan, jnp.float32),
            lineage=Lineage(
                born=none,
                parent=none,
                wins=jnp.full((self.record, num_cells), NOT_WON, jnp.int32),
                fitness=jnp.full((self.record, num_cells), jnp.nan, jnp.float32),
            ),
            children=children,
            parents=jnp.full(self.population_size, -1, jnp.int32),
            generation=jnp.zeros((), jnp.int32),
        )

    def step(self, key: PRNGKey, task: Task, state: Archive) -> tuple[Archive, Info]:
        """Evaluates the children, updates the champions, and makes the next children."""
        logits = task.logits(state.children)
        targets = jnp.asarray(task.job.target)
        scores = jax.vmap(task.objective, in_axes=(None, 0), out_axes=1)(logits, targets)
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
        stepped = Archive(
            genotypes=genotypes,
            fitness=fitness,
            logits=settle(logits.astype(jnp.float32), state.logits),
            lineage=self._remember(state, wins, state.parents[winner], fitness),
            children=task.encoding.vary(
                vary_key, _take(genotypes, first), _take(genotypes, second), state.generation + 1
            ),
            parents=jnp.where(jnp.isfinite(fitness).any(), jnp.concatenate([first, second]), -1),
            generation=state.generation + 1,
        )
        return stepped, Info(fitness)

    def best(self, task: Task, state: Archive) -> Candidate:
        """The champions; of an empty cell, an image of the start population that is no answer."""
        images = jax.vmap(task.encoding.decode, (None, 0))(task.job, state.genotypes)
        found = state.lineage.born >= 0
        return Candidate(images, state.logits, state.fitness, state.genotypes, state.lineage, found)

    def check(self) -> None:
        """Its settings were checked when it was made."""

    def _pairs(self, key: PRNGKey, occupied: Bool[Array, " cells"]) -> tuple[Array, Array]:
        """Two cells for each pair, drawn independently and uniformly from the occupied ones."""
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
    """A champion's line of descent by first parents, from itself back to the start.

    Args:
      wins: of one run's `Lineage`, as NumPy; needs `MAPElites(record=...)`.
      cell: of the champion.
      generation: after which it is the champion.
    Returns:
      (cell, generation in which it was won) of each champion in the line.
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
