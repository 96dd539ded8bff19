"""The one place that decodes genotypes, shows images to the model, and counts them."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool.base import (
    Fitness,
    Images,
    Logits,
    Model,
    Objective,
    pytree,
    reference_class,
    static,
)
from jfool.batches import Rows, Show, in_batches
from jfool.counting import Shown, note

# `readout(logits [K], job, genotype)`, of one image: a pytree of arrays.
Readout = Callable[[Float[Array, " K"], Any, Any], Any]
# From the logits [K] of one image, and its job, to M linear functionals of the logits, [M, K].
Directions = Callable[[Float[Array, " K"], Any], Float[Array, "M K"]]


@runtime_checkable
class Score(Protocol):
    """What `evaluate.gradient` differentiates; a pytree.

    `show(model, images [B, H, W, C])` is the model's answer, arrays `[B, ...]`. The score itself is
    written for one image: `score(answer, job, genotype) -> (fitness [], logits [K])`.
    """

    def show(self, model: Model, images: Images, /) -> Any: ...
    def __call__(self, answer: Any, job: Any, genotype: Any, /) -> tuple[Fitness, Logits]: ...


@pytree
class Evaluate:
    """A model as attacks see it: `evaluate(encoding, job, genotypes [P, ...]) -> logits [P, K]`.

    Under `vmap` over jobs the candidates of all lanes are evaluated together (`jfool.batches`).
    Every call takes `when`, `[]` or `[P]` bool: other rows are not computed where a queue can skip
    them, are not counted, and read NaN. `jfool.counted` tells how many images a function showed.

    Attributes:
      model: `images [B, H, W, C] -> logits [B, K]`, any callable pytree. If its attribute
        `stochastic` is True it is called `model(images, keys [B])`. If it draws each image
        `num_samples` times, as `jfool.Averaged` does, each counts.
      live: `[]` bool; False once the lane's job is finished: then nothing is wanted.
      key: of the draws of a stochastic model: row i draws from `fold_in(key, i)`.
      chunk: images per model call, over all lanes together; None for all at once.
      axis: mesh axis over whose devices each population is split; None for no split.
    """

    model: Model
    live: Any = True
    key: Any = None
    chunk: int | None = static(default=None)
    axis: str | None = static(default=None)

    def __call__(
        self, encoding: Any, job: Any, genotypes: Any, *, when: ArrayLike = True
    ) -> Logits:
        logits = self.read(encoding, Partial(_logits), job, genotypes, when=when)
        return logits if self.axis is None else lax.all_gather(logits, self.axis, tiled=True)

    def fittest(
        self,
        encoding: Any,
        objective: Objective,
        job: Any,
        genotypes: Any,
        *,
        when: ArrayLike = True,
    ) -> tuple[Float[Array, " P"], Float[Array, " K"]]:
        """Fitness `[P]` of all genotypes, and logits `[K]` of the fittest, the first of equals; NaN
        is never the fittest. When a population is split, only these leave a device."""
        fitness, logits = self.read(encoding, _Judge(objective), job, genotypes, when=when)
        best = _first_best(fitness)
        if self.axis is None:
            return fitness, logits[best]
        of_all = lax.all_gather((fitness, fitness[best], logits[best]), self.axis)
        return of_all[0].reshape(-1), of_all[2][_first_best(of_all[1])]

    def gradient(
        self, encoding: Any, score: Score, job: Any, genotypes: Any, *, when: ArrayLike = True
    ) -> tuple[Float[Array, " P"], Any, Logits]:
        """Fitness `[P]`, its gradient with respect to the genotypes, and logits `[P, K]`.

        Leaves of the genotypes that are no floats have gradient 0. With the encoding `Pixels` it is
        the gradient with respect to the image. Every device computes the whole of a split
        population.

        Args:
          score: e.g. `jfool.objectives.OfLogits(objective)` or a `FeatureMatch`.
        """
        read, count = self._show(_gradient, (encoding, score), job, genotypes, when)
        note(Shown(jnp.zeros_like(count), count))
        return read

    def pullback(
        self,
        encoding: Any,
        directions: Directions,
        job: Any,
        genotypes: Any,
        *,
        when: ArrayLike = True,
    ) -> tuple[Logits, Any]:
        """Logits `[P, K]`, and the gradients `[P, M, ...]` of M linear functionals of them, from
        one forward pass. Counts M gradients an image.

        Args:
          directions: from logits `[K]` and job to the functionals `[M, K]`; a pytree.
        """
        read, count = self._show(_pullback, (encoding, directions), job, genotypes, when)
        num_functionals = jax.tree.leaves(read[1])[0].shape[1]
        note(Shown(jnp.zeros_like(count), num_functionals * count))
        return read

    def scan(self, body: Callable[..., Any], carry: Any, xs: Any = None, length: Any = None) -> Any:
        """`lax.scan(body, carry, xs, length)` with `body(evaluate, carry, x)`, whose handle draws
        anew in each iteration if the model is stochastic."""

        def numbered(now: tuple[Any, Array], x: Any) -> tuple[tuple[Any, Array], Any]:
            carry, y = body(self.fold_in(now[1]), now[0], x)
            return (carry, now[1] + 1), y

        (carry, _), ys = lax.scan(numbered, (carry, jnp.zeros((), jnp.int32)), xs, length)
        return carry, ys

    def fold_in(self, number: ArrayLike) -> "Evaluate":
        """The same handle with other draws, for a further call in the same step."""
        key = None if self.key is None else jax.random.fold_in(self.key, number)
        return dataclasses.replace(self, key=key)

    def read(
        self,
        encoding: Any,
        readout: Readout,
        job: Any,
        genotypes: Any,
        *,
        when: ArrayLike = True,
    ) -> Any:
        """What `readout` reads out of the logits of each genotype, arrays `[P, ...]`, computed with
        the model's call. Of a split population, this device's share."""
        first: ArrayLike = 0
        if self.axis is not None:
            share = _num_rows(genotypes) // lax.axis_size(self.axis)
            first = lax.axis_index(self.axis) * share

            def part(leaf: Any) -> Array:
                return lax.dynamic_slice_in_dim(leaf, first, share)

            genotypes = jax.tree.map(part, genotypes)
            when = part(when) if jnp.ndim(when) else when
        read, count = self._show(_read, (encoding, readout), job, genotypes, when, first)
        count = count if self.axis is None else lax.psum(count, self.axis)
        note(Shown(count, jnp.zeros_like(count)))
        return read

    def _show(
        self,
        show: Show,
        parts: Any,
        job: Any,
        genotypes: Any,
        when: ArrayLike,
        first: ArrayLike = 0,
    ) -> tuple[Any, Array]:
        key = None
        if is_stochastic(self.model):
            if self.key is None:
                raise ValueError(
                    "key: expected jfool.Evaluate(model, key=...) for a stochastic model, got None"
                )
            key = jax.random.key_data(self.key)
        all_wanted = self.live is True and when is True
        wanted = None if all_wanted else jnp.logical_and(self.live, when)
        samples = getattr(self.model, "num_samples", 1)
        chunk = None if self.chunk is None else max(self.chunk // samples, 1)
        read, count = in_batches(
            self.model, show, parts, job, genotypes, wanted, key, first, chunk=chunk
        )
        return read, samples * count


def is_stochastic(model: Any) -> bool:
    """Whether a model draws at random, and so takes keys."""
    return getattr(model, "stochastic", False) is True


def _images(rows: Rows, genotypes: Any) -> Images:
    return rows.each(lambda parts, job, genotype: parts[0].decode(job, genotype), genotypes)


def _read(model: Model, rows: Rows) -> Any:
    logits = model(_images(rows, rows.genotypes))
    return rows.each(
        lambda parts, job, logits, genotype: parts[1](logits, job, genotype), logits, rows.genotypes
    )


def _gradient(model: Model, rows: Rows) -> tuple[Array, Any, Array]:
    """In inference mode the images of a batch do not interact, so the gradient of the sum of their
    scores holds each image's own; in training mode it also holds what they do to each other."""
    floats, put = _floats_of(rows.genotypes)

    def total(floats: list[Any]) -> Any:
        genotypes = put(floats, rows.genotypes)
        answers = rows.parts[1].show(_fresh(model), _images(rows, genotypes))
        fitness, logits = rows.each(
            lambda parts, job, answer, genotype: parts[1](answer, job, genotype), answers, genotypes
        )
        return fitness.sum(), (fitness, logits)

    gradient, (fitness, logits) = jax.grad(total, has_aux=True)(floats)
    return fitness, put(gradient, jax.tree.map(jnp.zeros_like, rows.genotypes)), logits


def _pullback(model: Model, rows: Rows) -> tuple[Array, Any]:
    floats, put = _floats_of(rows.genotypes)

    def logits_of(floats: list[Any]) -> Logits:
        return _fresh(model)(_images(rows, put(floats, rows.genotypes)))

    logits, pull = jax.vjp(logits_of, floats)
    directions = rows.each(lambda parts, job, logits: parts[1](logits, job), logits)  # [B, M, K]
    each = lax.map(lambda direction: pull(direction)[0], jnp.moveaxis(directions, 1, 0))
    gradients = [jnp.moveaxis(leaf, 0, 1) for leaf in each]
    num_functionals = directions.shape[1]

    def nothing(leaf: Array) -> Array:
        return jnp.zeros((len(leaf), num_functionals, *leaf.shape[1:]), leaf.dtype)

    return logits, put(gradients, jax.tree.map(nothing, rows.genotypes))


def _floats_of(genotypes: Any) -> tuple[list[Array], Callable[[list[Array], Any], Any]]:
    """The leaves that are floats, and a function that puts others in their places."""
    leaves, form = jax.tree.flatten(genotypes)
    places = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def put(floats: list[Array], others: Any) -> Any:
        leaves = jax.tree.leaves(others)
        for place, leaf in zip(places, floats, strict=True):
            leaves[place] = leaf
        return jax.tree.unflatten(form, leaves)

    return [leaves[place] for place in places], put


def _fresh(model: Any) -> Any:
    """A copy for the innermost trace: a module in training mode writes to itself."""
    leaves, form = jax.tree.flatten(model)
    return jax.tree.unflatten(form, leaves)


@pytree
class _Judge:
    """Reads out fitness and logits."""

    objective: Objective

    def __call__(self, logits: Float[Array, " K"], job: Any, genotype: Any) -> tuple[Array, Array]:
        del genotype
        return self.objective(logits, reference_class(job, self.objective.targeted)), logits


def _logits(logits: Float[Array, " K"], job: Any, genotype: Any) -> Array:
    del job, genotype
    return logits


def _first_best(fitness: Fitness) -> Array:
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))


def _num_rows(genotypes: Any) -> int:
    return jax.tree.leaves(genotypes)[0].shape[0]
