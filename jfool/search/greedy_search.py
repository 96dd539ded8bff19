"""Greedy re-placement of pixels, one at a time. jfool's own, from no paper.

Algorithm 1 of Kumano et al. (2020) adds pixels one by one, each the best of all. With a deep
network that costs too many evaluations, and the first pixels do not stay the best. Here all k
pixels are in place from the start, and one is moved at a time (`jfool.search.pixel_moves`), in a
beam of images:

  every proposal copies a random image of the beam and moves one random row of it,
  beam <- the best distinct images of beam and proposals.

When a beam stops improving, a new one starts from some rows of the best image so far and random
rows. The best image of all is kept.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.base import Candidate, Info, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.numbers import brief, check_number, check_whole, is_number
from jfool.search.pixel_moves import MOVES, anywhere, size_of

Genotypes = Float[Array, "P k genes"]
Beam = Float[Array, "beam k genes"]
SHARES = {"jump": 0.4, "near": 0.25, "flip": 0.15, "shade": 0.1, "borrow": 0.1}


@runtime_checkable
class PixelEncoding(Protocol):
    """What this search needs of an encoding: rows (x, y, c), as in `jfool.SparsePixels`."""

    @property
    def image_shape(self) -> tuple[int, int, int]: ...
    @property
    def max_k(self) -> int: ...
    def repair(self, key: PRNGKey, genotypes: Genotypes) -> Genotypes: ...


@pytree
class GreedyState:
    """
    population: `[beam + 1, k, genes]`, the beam by falling fitness, then the best of all.
    fitness: `[beam + 1]`, -inf until evaluated.
    logits: `[K]`, those of the best of all; NaN until evaluated.
    proposals: `[P, k, genes]`, to be evaluated next.
    mark: `[]`, the fitness that the beam must exceed by `least_gain` to count as improved.
    stale: `[]` int, steps since it last improved.
    """

    population: Array
    fitness: Array
    logits: Array
    proposals: Array
    mark: Array
    stale: Array


@pytree
class GreedySearch:
    """
    Attributes:
      num_proposals: P, images evaluated per step.
      beam: images kept.
      shares: weights of the moves, in the order of `MOVES`; they need not sum to 1.
      patience: steps without improvement before a new beam starts.
      least_gain: of fitness, to count as an improvement.
      kept: share of the best image's rows, chosen at random, that a new beam starts with.
    """

    num_proposals: int = static(default=48)
    beam: int = static(default=4)
    shares: tuple[ArrayLike, ...] = tuple(SHARES.values())
    patience: ArrayLike = 30
    least_gain: ArrayLike = 0.01
    kept: ArrayLike = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.shares, list):
            object.__setattr__(self, "shares", tuple(self.shares))
        for name in ("num_proposals", "beam"):
            check_whole(name, getattr(self, name), 1)
        if self.beam > self.num_proposals:
            raise ValueError(
                f"beam: expected at most the {self.num_proposals} proposals, got {self.beam}"
            )

    needs = PixelEncoding

    @property
    def images_at_once(self) -> int:
        return self.num_proposals

    def init(self, key: PRNGKey, task: Task) -> GreedyState:
        start = self._random(key, task.encoding)
        return GreedyState(
            population=start[jnp.arange(self.beam + 1) % self.num_proposals],
            fitness=jnp.full(self.beam + 1, -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
            proposals=start,
            mark=jnp.full((), -jnp.inf, jnp.float32),
            stale=jnp.zeros((), jnp.int32),
        )

    def step(self, key: PRNGKey, task: Task, state: GreedyState) -> tuple[GreedyState, Info]:
        fresh_key, proposal_key = jax.random.split(key)
        fitness, logits = task.fittest(state.proposals)
        fitness = jnp.where(jnp.isnan(fitness), -jnp.inf, fitness)
        population, of_beam = self._survivors(state, fitness)
        first = jnp.argmax(fitness)
        record = fitness[first] > state.fitness[-1]
        best = jnp.where(record, state.proposals[first], state.population[-1])

        gained = of_beam[0] > state.mark + self.least_gain
        stale = jnp.where(gained, 0, state.stale + 1)
        given_up = stale >= self.patience
        proposals = jnp.where(
            given_up,
            self._restart(fresh_key, task.encoding, best),
            self._proposals(proposal_key, task.encoding, population),
        )
        highest = jnp.maximum(fitness[first], state.fitness[-1])
        stepped = GreedyState(
            population=jnp.concatenate([population, best[None]]),
            fitness=jnp.append(jnp.where(given_up, -jnp.inf, of_beam), highest),
            logits=jnp.where(record, logits.astype(jnp.float32), state.logits),
            proposals=proposals,
            mark=jnp.where(given_up, -jnp.inf, jnp.where(gained, of_beam[0], state.mark)),
            stale=jnp.where(given_up, 0, stale),
        )
        return stepped, Info(highest)

    def best(self, task: Task, state: GreedyState) -> Candidate:
        """The best image of all, the last."""
        genotype = state.population[-1]
        image = task.encoding.decode(task.job, genotype)
        return Candidate(image, state.logits, state.fitness[-1], genotype)

    def check(self) -> None:
        """Raises on numbers that cannot work."""
        if not (isinstance(self.shares, tuple) and len(self.shares) == len(MOVES)):
            raise ValueError(
                f"shares: expected one number each for {', '.join(MOVES)}, got {brief(self.shares)}"
            )
        for move, share in zip(MOVES, self.shares, strict=True):
            check_number("shares", share, f"a number of at least 0 for {move}", least=0)
        if not any(is_number(share, above=0) for share in self.shares):
            raise ValueError("shares: expected a number above 0 for some move, got only zeros")
        check_number("patience", self.patience, "at least 1 step", least=1)
        check_number("least_gain", self.least_gain, "at least 0", least=0)
        check_number("kept", self.kept, "a share in [0, 1)", least=0, below=1)

    def _survivors(
        self, state: GreedyState, fitness: Float[Array, " P"]
    ) -> tuple[Beam, Float[Array, " beam"]]:
        """The best of beam and proposals. Of equal fitness only the first stays: those are nearly
        always copies of one image."""
        genotypes = jnp.concatenate([state.population[:-1], state.proposals])
        fitness = jnp.concatenate([state.fitness[:-1], fitness])
        order = jnp.argsort(-fitness, stable=True)
        falling = fitness[order]
        again = jnp.append(False, falling[1:] == falling[:-1])
        picked = jnp.argsort(again, stable=True)[: self.beam]
        fitness = jnp.where(again, -jnp.inf, falling)[picked]
        return genotypes[order[picked]], fitness

    def _proposals(self, key: PRNGKey, encoding: PixelEncoding, beam: Beam) -> Genotypes:
        """Images of the beam with one row moved in each."""
        parent_key, row_key, other_key, choice_key, repair_key, *move_keys = jax.random.split(
            key, 5 + len(MOVES)
        )
        members, k, _ = beam.shape
        each = jnp.arange(self.num_proposals)
        parents = beam[jax.random.randint(parent_key, each.shape, 0, members, jnp.int32)]
        row = jax.random.randint(row_key, each.shape, 0, k, jnp.int32)
        others = beam.reshape(members * k, -1)[
            jax.random.randint(other_key, each.shape, 0, members * k, jnp.int32)
        ]
        size = size_of(encoding.image_shape)
        replaced = jnp.stack(
            [
                move(move_key, parents[each, row], others, size)
                for move_key, move in zip(move_keys, MOVES.values(), strict=True)
            ]
        )
        shares = jnp.stack([jnp.asarray(share, jnp.float32) for share in self.shares])
        chosen = jax.random.categorical(choice_key, jnp.log(shares), shape=each.shape)
        return encoding.repair(repair_key, parents.at[each, row].set(replaced[chosen, each]))

    def _restart(
        self, key: PRNGKey, encoding: PixelEncoding, best: Float[Array, "k genes"]
    ) -> Genotypes:
        """A new start: some rows of the best image, the same in all proposals, and random ones."""
        row_key, random_key = jax.random.split(key)
        k = len(best)
        rank = jax.random.permutation(row_key, jnp.arange(1.0, k + 1, dtype=jnp.float32))
        stays = rank <= self.kept * k
        return jnp.where(stays[None, :, None], best[None], self._random(random_key, encoding))

    def _random(self, key: PRNGKey, encoding: PixelEncoding) -> Genotypes:
        return anywhere(key, (self.num_proposals, encoding.max_k), encoding.image_shape)
