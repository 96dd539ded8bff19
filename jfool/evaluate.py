"""The one place that decodes genotypes, shows images to the model, and counts them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Float

from jfool import model_calls
from jfool.base import (
    Fitness,
    Logits,
    Model,
    Objective,
    pytree,
    static,
)
from jfool.batches import Show, in_batches
from jfool.counting import Shown, note
from jfool.model_calls import Directions, Readout, Score


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
        logits = self.read(encoding, Partial(model_calls.all_logits), job, genotypes, when=when)
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
        fitness, logits = self.read(
            encoding, model_calls.Judge(objective), job, genotypes, when=when
        )
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
        read, count = self._show(model_calls.gradient, (encoding, score), job, genotypes, when)
        note(Shown(jnp.zeros_like(count), count, self._draws * _num_zero(read[1])))
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
        read, count = self._show(model_calls.pullback, (encoding, directions), job, genotypes, when)
        num_functionals = jax.tree.leaves(read[1])[0].shape[1]
        num_zero = self._draws * num_functionals * _num_zero(read[1])
        note(Shown(jnp.zeros_like(count), num_functionals * count, num_zero))
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
        read, count = self._show(model_calls.read, (encoding, readout), job, genotypes, when, first)
        if self.axis is not None:  # where all rows or none are wanted, devices need not ask
            of_all = lax.axis_size(self.axis) * count
            count = lax.psum(count, self.axis) if jnp.ndim(when) else of_all
        note(Shown(count, jnp.zeros_like(count), jnp.zeros_like(count)))
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
        chunk = chunk_for(self.model, self.chunk)
        read, count = in_batches(
            self.model, show, parts, job, genotypes, wanted, key, first, chunk=chunk
        )
        return read, self._draws * count

    @property
    def _draws(self) -> int:
        return num_samples(self.model)


def chunk_for(model: Any, chunk: int | None) -> int | None:
    """The most images in a call of a model that may draw each several times."""
    return None if chunk is None else max(chunk // num_samples(model), 1)


def num_samples(model: Any) -> int:
    """How often a model draws each image that it is given."""
    return getattr(model, "num_samples", 1) if is_stochastic(model) else 1


def is_stochastic(model: Any) -> bool:
    """Whether a model draws at random, and so takes keys."""
    return getattr(model, "stochastic", False) is True


def _first_best(fitness: Fitness) -> Array:
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))


def _num_zero(gradients: Any) -> Array:
    """Of how many images `[P, ...]` all gradients are zero in every component. Those that were not
    wanted are NaN."""
    floats = [x for x in jax.tree.leaves(gradients) if jnp.issubdtype(x.dtype, jnp.floating)]
    zero = [(x == 0).reshape(len(x), -1).all(-1) for x in floats]
    return functools.reduce(jnp.logical_and, zero).sum(dtype=jnp.int32) if zero else jnp.int32(0)


def _num_rows(genotypes: Any) -> int:
    return jax.tree.leaves(genotypes)[0].shape[0]
