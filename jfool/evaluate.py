"""The one place that decodes genotypes, calls the model, and counts queries."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jfool.base import Fitness, Images, Logits, Model, Objective, pytree, reference_class, static

# From the logits [K] of one image, and its job, to a pytree of arrays.
Readout = Callable[[Float[Array, " K"], Any], Any]
# `show(model, jobs, genotypes [B, ...])`: one call of the model; a pytree of arrays [B, ...].
Show = Callable[[Model, Any, Any], Any]
# `score(model, images, jobs) -> (fitness [B], logits [B, K])`, differentiable in the images.
Score = Callable[[Model, Images, Any], tuple[Fitness, Logits]]


@pytree
class Evaluate:
    """A model as attacks see it: `evaluate(encoding, job, genotypes [P, ...]) -> logits [P, K]`,
    `evaluate.fittest(...)` for searches that need only fitness, and `evaluate.gradient(...)`.

    Images exist only inside a chunk: they are decoded, shown to the model and dropped. Under `vmap`
    over jobs, the candidates of all lanes form one queue, those of live lanes first, and only the
    chunks with live ones are computed. The last chunk is padded, so one body is compiled. Lanes
    that are not live get NaN logits.

    Attributes:
      model: `images [B, H, W, C] -> logits [B, K]`, any callable pytree.
      live: `[]` bool; False once the lane's job is finished.
      chunk: images per model call, over all lanes together; None for all at once.
      axis: mesh axis over whose devices each population is split; None for no split.
    """

    model: Model
    live: Array | bool = True
    chunk: int | None = static(default=None)
    axis: str | None = static(default=None)

    def __post_init__(self) -> None:
        # Not fields: the calls made through this handle while a step is traced.
        object.__setattr__(self, "_calls", [])
        object.__setattr__(self, "_gradients", [])

    def __call__(self, encoding: Any, job: Any, genotypes: Any) -> Logits:
        logits = self._read(encoding, Partial(_logits), job, genotypes)
        return logits if self.axis is None else lax.all_gather(logits, self.axis, tiled=True)

    def fittest(
        self, encoding: Any, objective: Objective, job: Any, genotypes: Any
    ) -> tuple[Float[Array, " P"], Float[Array, " K"]]:
        """Fitness `[P]` of all genotypes, and logits `[K]` of the fittest, the first of equals; NaN
        is never the fittest. When a population is split, only these leave a device."""
        fitness, logits = self._read(encoding, _Judge(objective), job, genotypes)
        best = _first_best(fitness)
        if self.axis is None:
            return fitness, logits[best]
        of_all = lax.all_gather((fitness, fitness[best], logits[best]), self.axis)
        return of_all[0].reshape(-1), of_all[2][_first_best(of_all[1])]

    def gradient(
        self, encoding: Any, score: Score, job: Any, genotypes: Any
    ) -> tuple[Float[Array, " P"], Any, Logits]:
        """Fitness `[P]`, its gradient with respect to the genotypes, and logits `[P, K]`.

        With the encoding `Pixels` it is the gradient with respect to the image. Every device
        computes the whole of a split population.

        Args:
          score: of images, e.g. `jfool.objectives.OfLogits(objective)` or a `FeatureMatch`.
        """
        self._count(self.gradient_calls, genotypes)
        return self._show(_Differentiate(encoding, score), job, genotypes)

    def _read(self, encoding: Any, readout: Readout, job: Any, genotypes: Any) -> Any:
        """Evaluates this device's share of the population; without an axis, all of it."""
        num_images = self._count(self.calls, genotypes)
        if self.axis is not None:
            share = num_images // lax.axis_size(self.axis)
            start = lax.axis_index(self.axis) * share
            genotypes = jax.tree.map(
                lambda leaf: lax.dynamic_slice_in_dim(leaf, start, share), genotypes
            )
        return self._show(Read(encoding, readout), job, genotypes)

    def _show(self, show: Show, job: Any, genotypes: Any) -> Any:
        leaves, treedef = jax.tree.flatten(self.model)
        return _lanes(treedef, self.chunk)(leaves, show, job, genotypes, jnp.asarray(self.live))

    def _count(self, calls: list[tuple[int, Array]], genotypes: Any) -> int:
        num_images = jax.tree.leaves(genotypes)[0].shape[0]
        # An array, not an int: if an attack evaluates inside a loop of its own, where one traced
        # call is many calls, JAX raises (a leaked tracer) instead of miscounting.
        calls.append((num_images, lax.optimization_barrier(jnp.int32(num_images))))
        return num_images

    @property
    def calls(self) -> list[tuple[int, Array]]:
        """Images of each call without a gradient, as an int and as an array."""
        return self.__dict__["_calls"]

    @property
    def gradient_calls(self) -> list[tuple[int, Array]]:
        """The same for calls of `gradient`."""
        return self.__dict__["_gradients"]

    @property
    def num_queries(self) -> Array:
        """`[]`, images shown to the model without a gradient, padding excluded."""
        return _sum(self.calls)

    @property
    def num_gradients(self) -> Array:
        """`[]`, images differentiated, padding excluded."""
        return _sum(self.gradient_calls)

    @property
    def images_per_call(self) -> int:
        """The most images in one call through this handle."""
        return max((count for count, _ in self.calls + self.gradient_calls), default=1)


def _sum(calls: list[tuple[int, Array]]) -> Array:
    return sum((counted for _, counted in calls), start=jnp.zeros((), jnp.int32))


@pytree
class Read:
    """Decodes genotypes, calls the model, and reads something out of the logits."""

    encoding: Any
    readout: Readout

    def __call__(self, model: Model, jobs: Any, genotypes: Any) -> Any:
        images = jax.vmap(self.encoding.decode)(jobs, genotypes)
        return jax.vmap(self.readout)(model(images), jobs)


@pytree
class _Differentiate:
    """Decodes genotypes, calls the model, and differentiates through both.

    In inference mode the images of a batch do not interact, so the gradient of the sum of their
    scores holds each image's own.
    """

    encoding: Any
    score: Score

    def __call__(self, model: Model, jobs: Any, genotypes: Any) -> Any:
        def total(genotypes):
            images = jax.vmap(self.encoding.decode)(jobs, genotypes)
            fitness, logits = self.score(model, images, jobs)
            return fitness.sum(), (fitness, logits)

        (_, (fitness, logits)), gradient = jax.value_and_grad(total, has_aux=True)(genotypes)
        return fitness, gradient, logits


@pytree
class _Judge:
    """Reads out fitness and logits."""

    objective: Objective

    def __call__(self, logits: Float[Array, " K"], job: Any) -> tuple[Array, Array]:
        return self.objective(logits, reference_class(job, self.objective.targeted)), logits


def _logits(logits: Float[Array, " K"], job: Any) -> Array:
    del job
    return logits


def _lanes(treedef: Any, chunk: int | None) -> Callable[..., Any]:
    """Evaluates one lane; `vmap` turns it into one queue for all lanes."""

    def queue(leaves, show, jobs, genotypes, live):
        model = jax.tree.unflatten(treedef, leaves)
        num_lanes, population = jax.tree.leaves(genotypes)[0].shape[:2]
        batch = batch_size(num_lanes * population, chunk)
        return evaluate_lanes(model, show, jobs, genotypes, live, batch)

    def one(leaves, show, job, genotypes, live):
        job, genotypes, live = jax.tree.map(lambda leaf: leaf[None], (job, genotypes, live))
        read = queue(leaves, show, job, genotypes, live)
        return jax.tree.map(lambda leaf: leaf[0], read)

    def many(axis_size, in_batched, leaves, show, job, genotypes, live):
        if any(jax.tree.leaves(in_batched[:2])):  # stacked models: nothing to share between lanes
            axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
            read = jax.vmap(one, axes)(leaves, show, job, genotypes, live)
        else:
            job, genotypes, live = jax.tree.map(
                lambda leaf, batched: (
                    leaf if batched else jnp.broadcast_to(leaf, (axis_size, *jnp.shape(leaf)))
                ),
                (job, genotypes, live),
                tuple(in_batched[2:]),
            )
            read = queue(leaves, show, job, genotypes, live)
        return read, jax.tree.map(lambda _: True, read)

    lane = jax.custom_batching.custom_vmap(one)
    lane.def_vmap(many)
    return lane


def _first_best(fitness: Fitness) -> Array:
    return jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))


def batch_size(num_images: int, chunk: int | None) -> int:
    """Images per model call for a queue of `num_images`: calls of even size, at most `chunk`."""
    num_calls = 1 if chunk is None else -(-num_images // chunk)
    return -(-num_images // num_calls)


def evaluate_lanes(
    model: Model,
    show: Show,
    jobs: Any,
    genotypes: Any,
    live: Bool[Array, " L"],
    batch: int,
) -> Any:
    """Applies `show` to genotypes `[L, P, ...]`: arrays `[L, P, ...]`, NaN (or 0) in lanes that are
    not live. Each model call takes `batch` images; the last one is padded.

    Decoding, model and readout are one call, so the result's bits depend on the batch shape alone,
    not on the number of lanes.
    """
    num_lanes, population = jax.tree.leaves(genotypes)[0].shape[:2]
    total = num_lanes * population

    order = jnp.argsort(~live, stable=True)  # live lanes first
    num_live = live.sum() * population

    def read_chunk(start: Array) -> Any:
        index = jnp.minimum(start + jnp.arange(batch), total - 1)  # a remainder repeats the last
        lane, row = order[index // population], index % population
        job = jax.tree.map(lambda leaf: leaf[lane], jobs)
        genotype = jax.tree.map(lambda leaf: leaf[lane, row], genotypes)
        return show(model, job, genotype)

    def compute(i: ArrayLike, read: Any) -> Any:
        start = jnp.asarray(i, jnp.int32) * batch
        return jax.tree.map(
            lambda all_, part: lax.dynamic_update_slice_in_dim(all_, part, start, 0),
            read,
            read_chunk(start),
        )

    def in_lanes(read: Array) -> Array:
        nothing = _nothing(read.dtype)
        is_live = (jnp.arange(total) < num_live).reshape(-1, *[1] * (read.ndim - 1))
        read = jnp.where(is_live, read[:total], nothing)
        return read.reshape(num_lanes, population, *read.shape[1:])[jnp.argsort(order)]

    num_chunks = -(-total // batch)
    shapes = jax.eval_shape(read_chunk, jnp.zeros((), jnp.int32))
    read = jax.tree.map(
        lambda out: jnp.full((num_chunks * batch, *out.shape[1:]), _nothing(out.dtype), out.dtype),
        shapes,
    )
    read = lax.fori_loop(0, -(-num_live // batch), compute, read)
    return jax.tree.map(in_lanes, read)


def _nothing(dtype: Any) -> Array:
    value = jnp.nan if jnp.issubdtype(dtype, jnp.floating) else 0
    return jnp.asarray(value, dtype)
