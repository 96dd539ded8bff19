"""What one call of the model computes, from a batch of genotypes."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from jfool.base import Fitness, Images, Logits, Model, Objective, pytree, reference_class
from jfool.batches import Batch
from jfool.model_outputs import logits_of

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


def _images(batch: Batch, genotypes: Any) -> Images:
    return batch.each(lambda parts, job, genotype: parts[0].decode(job, genotype), genotypes)


def read(model: Model, batch: Batch) -> Any:
    logits = logits_of(model, _images(batch, batch.genotypes))
    return batch.each(
        lambda parts, job, logits, genotype: parts[1](logits, job, genotype),
        logits,
        batch.genotypes,
    )


def gradient(model: Model, batch: Batch) -> tuple[Array, Any, Array]:
    """In inference mode the images of a batch do not interact, so the gradient of the sum of their
    scores holds each image's own; in training mode it also holds what they do to each other."""
    floats, put = _floats_of(batch.genotypes)

    def total(floats: list[Any]) -> Any:
        genotypes = put(floats, batch.genotypes)
        answers = batch.parts[1].show(_fresh(model), _images(batch, genotypes))
        fitness, logits = batch.each(
            lambda parts, job, answer, genotype: parts[1](answer, job, genotype), answers, genotypes
        )
        return fitness.sum(), (fitness, logits)

    gradient, (fitness, logits) = jax.grad(total, has_aux=True)(floats)
    return fitness, put(gradient, jax.tree.map(jnp.zeros_like, batch.genotypes)), logits


def pullback(model: Model, batch: Batch) -> tuple[Array, Any]:
    floats, put = _floats_of(batch.genotypes)

    def show(floats: list[Any]) -> Logits:
        return logits_of(_fresh(model), _images(batch, put(floats, batch.genotypes)))

    logits, pull = jax.vjp(show, floats)
    directions = batch.each(lambda parts, job, logits: parts[1](logits, job), logits)  # [B, M, K]
    directions = directions.astype(logits.dtype)  # such as bfloat16
    each = lax.map(lambda direction: pull(direction)[0], jnp.moveaxis(directions, 1, 0))
    gradients = [jnp.moveaxis(leaf, 0, 1) for leaf in each]
    num_functionals = directions.shape[1]

    def nothing(leaf: Array) -> Array:
        return jnp.zeros((len(leaf), num_functionals, *leaf.shape[1:]), leaf.dtype)

    return logits, put(gradients, jax.tree.map(nothing, batch.genotypes))


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
class Judge:
    """Reads out fitness and logits."""

    objective: Objective

    def __call__(self, logits: Float[Array, " K"], job: Any, genotype: Any) -> tuple[Array, Array]:
        del genotype
        return self.objective(logits, reference_class(job, self.objective.targeted)), logits


def all_logits(logits: Float[Array, " K"], job: Any, genotype: Any) -> Array:
    del job, genotype
    return logits
