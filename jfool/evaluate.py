"""The one place where genotypes become images, images meet the model, and queries are counted."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool

from jfool.base import Logits, Model, pytree, static


@pytree
class Evaluate:
    """A model as the attacks see it: `evaluate(encoding, job, genotypes [P, ...]) -> [P, K]`.

    Images exist only inside a chunk: decoded, shown to the model, dropped. Under `vmap` over jobs
    the candidates of all lanes are queued together, those of live lanes first, and only as many
    chunks are computed as hold live ones; the last chunk is padded, so that there is one compiled
    body. The logits of lanes that are not live are NaN.

    Attributes:
      model: `images [B, H, W, C] -> logits [B, K]`, any callable pytree.
      live: `[]` bool; False once the lane's job is finished.
      chunk: images per model call, over all lanes together; None for all at once.
    """

    model: Model
    live: Array | bool = True
    chunk: int | None = static(default=None)

    def __post_init__(self) -> None:
        # Not a field: the calls made through this handle, noted while a step is traced.
        object.__setattr__(self, "_calls", [])

    def __call__(self, encoding: Any, job: Any, genotypes: Any) -> Logits:
        num_images = jax.tree.leaves(genotypes)[0].shape[0]
        # Counted by an operation, not an int: should an attack evaluate inside a loop of its own,
        # where the trace sees one call but many happen, JAX stops it (a leaked tracer).
        self.calls.append((num_images, lax.optimization_barrier(jnp.int32(num_images))))
        leaves, treedef = jax.tree.flatten(self.model)
        return _lanes(treedef, self.chunk)(leaves, encoding, job, genotypes, jnp.asarray(self.live))

    @property
    def calls(self) -> list[tuple[int, Array]]:
        """Per call: how many images were evaluated, as a number and as an array."""
        return self.__dict__["_calls"]

    @property
    def num_queries(self) -> Array:
        """`[]`, images shown to the model through this handle, padding excluded."""
        return sum((counted for _, counted in self.calls), start=jnp.zeros((), jnp.int32))

    @property
    def images_per_call(self) -> int:
        """The most images that any call through this handle evaluated at once."""
        return max((num_images for num_images, _ in self.calls), default=1)


def _lanes(treedef: Any, chunk: int | None) -> Callable[..., Logits]:
    """Evaluation of one lane, which `vmap` turns into one queue for all lanes."""

    def queue(leaves, encoding, jobs, genotypes, live):
        model = jax.tree.unflatten(treedef, leaves)
        num_lanes, population = jax.tree.leaves(genotypes)[0].shape[:2]
        batch = batch_size(num_lanes * population, chunk)
        return evaluate_lanes(model, encoding, jobs, genotypes, live, batch)

    def one(leaves, encoding, job, genotypes, live):
        add_axis = functools.partial(jax.tree.map, lambda leaf: leaf[None])
        return queue(leaves, encoding, add_axis(job), add_axis(genotypes), live[None])[0]

    def many(axis_size, in_batched, leaves, encoding, job, genotypes, live):
        if any(jax.tree.leaves(in_batched[:2])):  # stacked models: nothing to share between lanes
            axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
            return jax.vmap(one, axes)(leaves, encoding, job, genotypes, live), True
        job, genotypes, live = jax.tree.map(
            lambda leaf, batched: (
                leaf if batched else jnp.broadcast_to(leaf, (axis_size, *jnp.shape(leaf)))
            ),
            (job, genotypes, live),
            tuple(in_batched[2:]),
        )
        return queue(leaves, encoding, job, genotypes, live), True

    lane = jax.custom_batching.custom_vmap(one)
    lane.def_vmap(many)
    return lane


def batch_size(num_images: int, chunk: int | None) -> int:
    """Images per call of the model for a queue of `num_images`: at most `chunk`, calls even."""
    num_calls = 1 if chunk is None else -(-num_images // chunk)
    return -(-num_images // num_calls)


def evaluate_lanes(
    model: Model,
    encoding: Any,
    jobs: Any,
    genotypes: Any,
    live: Bool[Array, " L"],
    batch: int,
) -> Logits:
    """Logits `[L, P, K]` of genotypes `[L, P, ...]`, `batch` images per call of the model, the last
    call padded; lanes that are not live get NaN."""
    num_lanes, population = jax.tree.leaves(genotypes)[0].shape[:2]
    total = num_lanes * population

    order = jnp.argsort(~live, stable=True)  # live lanes first
    num_live = live.sum() * population

    def chunk_logits(start: Array) -> Logits:
        index = jnp.minimum(start + jnp.arange(batch), total - 1)  # a remainder repeats the last
        lane, row = order[index // population], index % population
        job = jax.tree.map(lambda leaf: leaf[lane], jobs)
        genotype = jax.tree.map(lambda leaf: leaf[lane, row], genotypes)
        return model(jax.vmap(encoding.decode)(job, genotype))

    def compute(i: ArrayLike, logits: Array) -> Array:
        start = jnp.asarray(i, jnp.int32) * batch
        return lax.dynamic_update_slice(logits, chunk_logits(start), (start, 0))

    num_chunks = -(-total // batch)
    out = jax.eval_shape(chunk_logits, jnp.zeros((), jnp.int32))
    logits = jnp.full((num_chunks * batch, out.shape[1]), jnp.nan, out.dtype)
    logits = lax.fori_loop(0, -(-num_live // batch), compute, logits)[:total]
    logits = jnp.where((jnp.arange(total) < num_live)[:, None], logits, jnp.nan)
    return logits.reshape(num_lanes, population, -1)[jnp.argsort(order)]
