"""Variation of genes in [0, 1]: polynomial mutation and simulated binary crossover.

Both by Deb & Agrawal (1995), in the form of Nguyen et al.'s (2015) code, which uses Sferes. One
uniform number per gene decides whether and how it changes.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jfool.base import PRNGKey, pytree
from jfool.draws import uniform
from jfool.numbers import check_number

Genes = Float[Array, "*axes"]  # in [0, 1]


@runtime_checkable
class Mutation(Protocol):
    """`mutation(key, genes, generation) -> genes`."""

    def __call__(self, key: PRNGKey, genes: Genes, generation: Int[Array, ""]) -> Genes: ...
    def check(self) -> None: ...


@runtime_checkable
class Crossover(Protocol):
    """`crossover(key, first [Q, ...], second [Q, ...])`: two children of each pair."""

    def __call__(self, key: PRNGKey, first: Genes, second: Genes) -> tuple[Genes, Genes]: ...
    def check(self) -> None: ...


@pytree
class PolynomialMutation:
    """A gene moves by a step of density (eta + 1) / 2 (1 - |step|)^eta in [-1, 1], then is clipped.

    As in the code of Nguyen et al. (2015), steps ignore the bounds: at a bound, every second step
    is clipped away. At eta = 15 the mean step is 1 / 17.

    Attributes:
      rate: share of the genes that move.
      eta: larger means smaller steps.
      halve_every: the rate halves after each so many generations (Nguyen et al., 2015, sec. 3.1:
        1000; their code: never); None for never.
    """

    rate: ArrayLike = 0.1
    eta: ArrayLike = 15.0
    halve_every: ArrayLike | None = None

    def __call__(self, key: PRNGKey, genes: Genes, generation: Int[Array, ""]) -> Genes:
        moves, u = _movers(key, genes.shape, _rate(self, generation))
        return jnp.where(moves, jnp.clip(genes + polynomial_step(u, self.eta), 0, 1), genes)

    def check(self) -> None:
        _check_mutation(self)


@pytree
class BoundedMutation:
    """Deb's own form of `PolynomialMutation`: steps never leave [0, 1], so a gene at a bound always
    moves inwards.

    Attributes: as for `PolynomialMutation`.
    """

    rate: ArrayLike = 0.1
    eta: ArrayLike = 15.0
    halve_every: ArrayLike | None = None

    def __call__(self, key: PRNGKey, genes: Genes, generation: Int[Array, ""]) -> Genes:
        moves, u = _movers(key, genes.shape, _rate(self, generation))
        down = u < 0.5
        beyond = _power(jnp.where(down, 1 - genes, genes), self.eta + 1)  # what would leave [0, 1]
        share = 2 * jnp.where(down, u, 1 - u)
        step = _step(down, share + (1 - share) * beyond, self.eta)
        return jnp.where(moves, jnp.clip(genes + step, 0, 1), genes)

    def check(self) -> None:
        _check_mutation(self)


@pytree
class SimulatedBinaryCrossover:
    """Two children on both sides of their parents' mean, gene by gene (bounded form).

    Attributes:
      rate: share of the pairs that cross; the children of the others are copies.
      eta: larger means children closer to their parents.
      equal_genes: the children's gene where both parents have the same one; None keeps it. In the
        code of Nguyen et al. (2015) it is 0.5, so two copies of one champion have gray children.
    """

    rate: ArrayLike = 0.5
    eta: ArrayLike = 10.0
    equal_genes: ArrayLike | None = None

    def __call__(self, key: PRNGKey, first: Genes, second: Genes) -> tuple[Genes, Genes]:
        pair_key, gene_key = jax.random.split(key)
        low, high = jnp.minimum(first, second), jnp.maximum(first, second)
        u = uniform(gene_key, first.shape)
        swap, u = u < 0.5, 2 * u % 1
        spread = jnp.where(high > low, high - low, 1)
        below = (low + high - self._spread(u, low / spread) * spread) / 2
        above = (low + high + self._spread(u, (1 - high) / spread) * spread) / 2
        one, other = jnp.where(swap, above, below), jnp.where(swap, below, above)

        equal = high - low <= jnp.finfo(jnp.float32).eps
        agreed = first if self.equal_genes is None else jnp.asarray(self.equal_genes, jnp.float32)
        crosses = jax.random.uniform(pair_key, first.shape[:1], jnp.float32) < self.rate
        crosses = crosses.reshape(-1, *(1,) * (first.ndim - 1))

        def child(crossed: Genes, copy: Genes) -> Genes:
            crossed = jnp.where(equal, agreed, jnp.clip(crossed, 0, 1))
            return jnp.where(crosses, crossed, copy)

        return child(one, first), child(other, second)

    def check(self) -> None:
        _check_share("crossover.rate", self.rate)
        _check_positive("crossover.eta", self.eta)
        if self.equal_genes is not None:
            _check_share("crossover.equal_genes", self.equal_genes)

    def _spread(self, u: Genes, room: Genes) -> Genes:
        """How far apart the children are, in units of their parents' distance; `room` is what lies
        between the parent and the bound, in the same units."""
        power = 1 / (jnp.asarray(self.eta, jnp.float32) + 1)
        alpha = 2 - _power(1 + 2 * room, -(self.eta + 1))
        inside = u * alpha <= 1
        return _power(jnp.where(inside, u * alpha, 1 / jnp.where(inside, 1, 2 - u * alpha)), power)


@pytree
class NoCrossover:
    """Children are copies of their parents."""

    def __call__(self, key: PRNGKey, first: Genes, second: Genes) -> tuple[Genes, Genes]:
        del key
        return first, second

    def check(self) -> None:
        """There is nothing to check."""


def polynomial_step(u: Genes, eta: ArrayLike) -> Genes:
    """A step in [-1, 1] from a number uniform in [0, 1)."""
    down = u < 0.5
    return _step(down, 2 * jnp.where(down, u, 1 - u), eta)


def _step(down: Bool[Array, "*axes"], share: Genes, eta: ArrayLike) -> Genes:
    length = 1 - _power(share, 1 / (jnp.asarray(eta, jnp.float32) + 1))
    return jnp.where(down, -length, length)


def _power(base: Genes, exponent: ArrayLike) -> Genes:
    """`base ** exponent` for bases >= 0, in a quarter of its time on CPUs."""
    return jnp.exp(exponent * jnp.log(base))


def _movers(key: PRNGKey, shape: tuple[int, ...], rate: Array) -> tuple[Array, Array]:
    """Which genes move, and a uniform number for each that does."""
    u = uniform(key, shape)
    return u < rate, jnp.clip(u / rate, 0, 1)


def _rate(mutation: PolynomialMutation | BoundedMutation, generation: Int[Array, ""]) -> Array:
    rate = jnp.asarray(mutation.rate, jnp.float32)
    if mutation.halve_every is None:
        return rate
    halvings = generation // jnp.asarray(mutation.halve_every, jnp.int32)
    return rate * jnp.exp2(-halvings.astype(jnp.float32))


def _check_mutation(mutation: PolynomialMutation | BoundedMutation) -> None:
    _check_share("mutation.rate", mutation.rate)
    _check_positive("mutation.eta", mutation.eta)
    if mutation.halve_every is not None:
        expected = "None or a whole number of at least 1"
        check_number("mutation.halve_every", mutation.halve_every, expected, least=1, whole=True)


def _check_share(name: str, value: ArrayLike) -> None:
    check_number(name, value, "a number in [0, 1]", least=0, most=1)


def _check_positive(name: str, value: ArrayLike) -> None:
    check_number(name, value, "a positive number", above=0)
