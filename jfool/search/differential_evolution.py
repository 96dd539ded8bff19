"""Differential evolution. (Storn & Price, 1997; Kumano et al., 2020, sec. 3.1; Su et al., 2019)

Each generation, for every member i at once:

  v_i = x_r1 + F (x_r2 - x_r3),   r1, r2, r3 different from each other and from i
  x_i <- v_i  where f(v_i) > f(x_i)

The last two use no crossover (the whole vector is replaced), F = 0.5, and no "best" term.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jfool.base import Candidate, Info, PRNGKey, pytree, static
from jfool.composition import Task
from jfool.numbers import brief, check_choice, check_number, check_whole, is_number, values_of
from jfool.search.sampling import STARTS, donors

Population = Float[Array, "P ..."]


@runtime_checkable
class VectorEncoding(Protocol):
    """What this search needs of an encoding: real vectors, a start and a repair."""

    @property
    def genotype_shape(self) -> tuple[int, ...]: ...
    def from_unit(self, u: Population) -> Population: ...
    def repair(self, key: PRNGKey, genotypes: Population) -> Population: ...


@pytree
class DEState:
    """
    population: `[P, *genotype_shape]`.
    fitness: `[P]`, -inf until evaluated.
    logits: `[K]`, those of the fittest member; NaN until evaluated.
    generation: `[]` int, how many steps were taken; the first evaluates the start population.
    """

    population: Array
    fitness: Array
    logits: Array
    generation: Array


@pytree
class DifferentialEvolution:
    """rand/1 without crossover by default; common variants as options.

    Attributes:
      population_size: P, at least 4.
      scaling_factor: F; or a pair (low, high), from which it is drawn uniformly in each generation
        ("dither").
      crossover_rate: None for none; else the probability that a gene comes from the mutant, as at
        least one gene does (binomial crossover).
      mutant: "rand" mutates a random member, "best" the fittest.
      start: "uniform" or "latin_hypercube".
    """

    population_size: int = static(default=500)
    scaling_factor: ArrayLike | tuple[ArrayLike, ArrayLike] = 0.5
    crossover_rate: ArrayLike | None = None
    mutant: str = static(default="rand")
    start: str = static(default="uniform")

    def __post_init__(self) -> None:
        if isinstance(self.scaling_factor, list):
            object.__setattr__(self, "scaling_factor", tuple(self.scaling_factor))
        expected = "at least 4 (a member and three donors)"
        check_whole("population_size", self.population_size, 4, expected)
        check_choice("mutant", self.mutant, ("rand", "best"))
        check_choice("start", self.start, STARTS)

    needs = VectorEncoding

    @property
    def images_at_once(self) -> int:
        return self.population_size

    def init(self, key: PRNGKey, task: Task) -> DEState:
        size = self.population_size
        u = STARTS[self.start](key, (size, *task.encoding.genotype_shape))
        return DEState(
            population=task.encoding.from_unit(u),
            fitness=jnp.full(size, -jnp.inf, jnp.float32),
            logits=jnp.full(task.num_classes, jnp.nan, jnp.float32),
            generation=jnp.zeros((), jnp.int32),
        )

    def step(self, key: PRNGKey, task: Task, state: DEState) -> tuple[DEState, Info]:
        first = state.generation == 0
        trial = jnp.where(first, state.population, self.trial(key, task.encoding, state))
        fitness, logits = task.fittest(trial)
        better = fitness > state.fitness  # strictly; a NaN never wins
        fitness = jnp.where(better, fitness, state.fitness)
        best = jnp.argmax(fitness)  # the first of equals
        stepped = DEState(
            population=jnp.where(_per_member(better, trial), trial, state.population),
            fitness=fitness,
            # The fittest member is either the fittest of this generation's trials, or the
            # fittest from before (ties go to the first).
            logits=jnp.where(better[best], logits.astype(jnp.float32), state.logits),
            generation=state.generation + 1,
        )
        return stepped, Info(fitness[best])

    def best(self, task: Task, state: DEState) -> Candidate:
        """The fittest member, the first of equals."""
        i = jnp.argmax(state.fitness)
        genotype = state.population[i]
        image = task.encoding.decode(task.job, genotype)
        return Candidate(image, state.logits, state.fitness[i], genotype)

    def trial(self, key: PRNGKey, encoding: VectorEncoding, state: DEState) -> Population:
        """The trial vectors v."""
        donor_key, scale_key, cross_key, repair_key = jax.random.split(key, 4)
        x = state.population
        r1, r2, r3 = donors(donor_key, self.population_size)
        origin = x[r1] if self.mutant == "rand" else x[jnp.argmax(state.fitness)][None]
        mutants = origin + self._scale(scale_key) * (x[r2] - x[r3])
        if self.crossover_rate is not None:
            mutants = binomial_crossover(cross_key, self.crossover_rate, x, mutants)
        return encoding.repair(repair_key, mutants)

    def check(self) -> None:
        """Raises on numbers that cannot work."""
        scale = self.scaling_factor
        low, high = scale if isinstance(scale, tuple) and len(scale) == 2 else (scale, scale)
        least: Any = 0 if (value := values_of(low)) is None else value
        if not (is_number(low, above=0) and is_number(high, above=0, least=least)):
            raise ValueError(
                "scaling_factor: expected a positive number or a pair (low, high) of them, "
                f"got {brief(scale)}"
            )
        if self.crossover_rate is not None:
            expected = "None or a number in [0, 1]"
            check_number("crossover_rate", self.crossover_rate, expected, least=0, most=1)

    def _scale(self, key: PRNGKey) -> Array:
        if isinstance(self.scaling_factor, tuple):
            low, high = self.scaling_factor
            return jax.random.uniform(key, (), jnp.float32, low, high)
        return jnp.asarray(self.scaling_factor, jnp.float32)


def binomial_crossover(
    key: PRNGKey, rate: ArrayLike, x: Population, mutants: Population
) -> Population:
    """Each gene from the mutant with probability `rate`, and at least one; else from the parent."""
    gene_key, sure_key = jax.random.split(key)
    size, num_genes = x.shape[0], x[0].size
    sure = (
        jax.random.randint(sure_key, (size, 1), 0, num_genes, jnp.int32)
        == jnp.arange(num_genes)[None]
    )
    take = (jax.random.uniform(gene_key, (size, num_genes), jnp.float32) < rate) | sure
    return jnp.where(take.reshape(x.shape), mutants, x)


def _per_member(mask: Bool[Array, " P"], like: Population) -> Array:
    return mask.reshape(mask.shape + (1,) * (like.ndim - 1))
