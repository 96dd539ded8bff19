"""The loop: jobs run side by side in `L` lanes, each stepped until it is done.

`run` gives every job a lane and waits for the slowest; a sweep refills lanes.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int, UInt32

from jfool import criteria
from jfool.base import (
    KEY_TYPE,
    Attack,
    Candidate,
    Criterion,
    Model,
    PRNGKey,
    pytree,
    reference_class,
    static,
)
from jfool.encodings.pixels import Pixels
from jfool.evaluate import Evaluate, Read, batch_size, evaluate_lanes
from jfool.functions import as_pytree
from jfool.result import AttackResult

GRADIENT_COST = 3  # in images: a forward pass, and a backward pass of about twice its cost
_NO_LIMIT = 2**31 - 1


@pytree
class Lanes:
    """Running jobs; every field has the leading axis L.

    Attributes:
      key: `[L, 2]`, the data of each job's key.
      job: the attack's jobs.
      state: the attack's states.
      step: `[L]`, steps taken; the first evaluates the start.
      live: `[L]`, False once a job is done; it then neither changes nor counts.
      stopped: `[L]`, whether `until` ended the job.
      num_queries: `[L]`, images shown to the model without a gradient.
      num_gradients: `[L]`, images differentiated.
    """

    key: Array
    job: Any
    state: Any
    step: Array
    live: Array
    stopped: Array
    num_queries: Array
    num_gradients: Array


@pytree
class Limits:
    """When a job is done.

    Attributes:
      num_steps: `[]` int, the most steps after the start's evaluation.
      max_queries: `[]` int, images; the step that reaches it is the job's last. A gradient counts
        as `GRADIENT_COST` images.
      until: a criterion that ends it, or None.
    """

    num_steps: Any
    max_queries: Any
    until: Criterion | None


def enter(attack: Attack, key: PRNGKey, ids: Int[Array, " L"], jobs: Any) -> Lanes:
    """Jobs at their start. A job's key is `fold_in(key, id)`, that of its step t a fold of it."""
    count = ids.shape[0]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, ids)
    step = jnp.zeros(count, jnp.int32)
    data = jax.random.key_data(keys)
    return Lanes(
        key=data,
        job=jobs,
        state=jax.vmap(attack.init)(_fold(data, step), jobs),
        step=step,
        live=jnp.ones(count, bool),
        stopped=jnp.zeros(count, bool),
        num_queries=jnp.zeros(count, jnp.int32),
        num_gradients=jnp.zeros(count, jnp.int32),
    )


@dataclasses.dataclass(frozen=True)
class Loop:
    """Makes the steps of one compiled program, while it is traced.

    Attributes:
      attack, model: as `run` takes them.
      limits: when jobs are done.
      chunk: images per model call, over all lanes together; None for all at once.
      axis: mesh axis over which populations are split; None for no split.
    """

    attack: Attack
    model: Model
    limits: Limits
    chunk: int | None
    axis: str | None = None
    _calls: list[int] = dataclasses.field(default_factory=list, init=False)  # images of each

    def advance(self, lanes: Lanes) -> tuple[Lanes, Candidate]:
        """Takes one step of every live job; also returns the best answers after it."""
        attack, limits = self.attack, self.limits

        def one_step(key, job, state, live):
            evaluate = Evaluate(self.model, live, self.chunk, self.axis)
            stepped = attack.step(key, evaluate, job, state)
            self._calls.append(evaluate.images_per_call)
            kept = jax.tree.map(lambda new, old: jnp.where(live, new, old), stepped, state)
            return kept, (evaluate.num_queries, evaluate.num_gradients)

        step_keys = _fold(lanes.key, lanes.step + 1)
        state, shown = jax.vmap(one_step)(step_keys, lanes.job, lanes.state, lanes.live)
        best = jax.vmap(attack.best)(lanes.job, state)
        ended = jnp.zeros_like(lanes.live)
        if limits.until is not None:
            until = functools.partial(limits.until, targeted=attack.targeted)
            met = jnp.vectorize(until, signature="(K),()->()")(
                best.logits, reference_class(lanes.job, attack.targeted)
            )
            ended = met.reshape(len(ended), -1).all(axis=1)
        step = lanes.step + lanes.live.astype(jnp.int32)
        queries, gradients = (jnp.where(lanes.live, count, 0) for count in shown)
        num_queries, num_gradients = lanes.num_queries + queries, lanes.num_gradients + gradients
        cost = num_queries + GRADIENT_COST * num_gradients
        more = (step <= limits.num_steps) & (cost < limits.max_queries)
        return (
            Lanes(
                key=lanes.key,
                job=lanes.job,
                state=state,
                step=step,
                live=lanes.live & ~ended & more,
                stopped=lanes.stopped | (lanes.live & ended),
                num_queries=num_queries,
                num_gradients=num_gradients,
            ),
            best,
        )

    def results(
        self, lanes: Lanes, asked: Bool[Array, " L"], history: Array | None = None
    ) -> AttackResult:
        """Results of the jobs that are `asked` for; those of others are undefined."""
        best = jax.vmap(self.attack.best)(lanes.job, lanes.state)
        return AttackResult(
            images=best.image,
            **self._truths(best, reference_class(lanes.job, self.attack.targeted), asked),
            stopped=lanes.stopped,
            num_queries=lanes.num_queries,
            num_gradients=lanes.num_gradients,
            num_steps=jnp.maximum(lanes.step - 1, 0),
            genotype=best.genotype,
            notes=best.notes,
            history=history,
        )

    def _truths(
        self,
        best: Candidate,
        references: Int[Array, " lanes *cells"],
        asked: Bool[Array, " lanes"],
    ) -> dict[str, Array]:
        """Evaluates the final images and their 8-bit roundings, at the loop's batch shape and the
        highest matmul precision. An image that the search has no fitness for never counts."""
        images: Float[Array, "lanes *cells H W C"] = best.image
        split = 1 if self.axis is None else lax.axis_size(self.axis)
        batch = batch_size(len(images) * max(self._calls) // split, self.chunk)
        flat = images.reshape(references.size, *self.attack.image_shape)
        both = jnp.stack([flat, jnp.round(flat * 255) / 255], axis=1)  # [A, 2, H, W, C]
        asked = jnp.repeat(asked, references.size // len(references))
        truth = _Truth(self.limits.until, self.attack.targeted)
        with jax.default_matmul_precision("highest"):
            truths = evaluate_lanes(
                self.model, Read(Pixels(), truth), _Answer(references.ravel()), both, asked, batch
            )
        truths = {name: read.reshape(*references.shape, 2) for name, read in truths.items()}
        judged = (best.fitness > -jnp.inf)[..., None]
        nothing = {"confidence": jnp.nan, "prediction": -1, "success": False}
        truths = {name: jnp.where(judged, truths[name], nothing[name]) for name in truths}
        exact, rounded = ({name: truths[name][..., i] for name in truths} for i in range(2))
        return {
            **exact,
            "confidence_uint8": rounded["confidence"],
            "success_uint8": rounded["success"],
        }


@pytree
class _Answer:
    """What the truths need of the jobs: the class of each of `A` answers."""

    reference: Array


@pytree
class _Truth:
    """Reads confidence, prediction and success out of logits."""

    until: Criterion | None
    targeted: bool = static()

    def __call__(self, logits: Float[Array, " K"], job: Any) -> dict[str, Array]:
        logits, targeted = logits.astype(jnp.float32), self.targeted
        success = criteria.fooled(logits, job.reference, targeted)
        if targeted and self.until is not None:
            success &= self.until(logits, job.reference, targeted)
        return {
            "confidence": criteria.confidence(logits, job.reference, targeted),
            "prediction": criteria.prediction(logits),
            "success": success,
        }


def _fold(data: UInt32[Array, "L 2"], numbers: Int[Array, " L"]) -> Array:
    keys = jax.random.wrap_key_data(data, impl=KEY_TYPE)
    return jax.vmap(jax.random.fold_in)(keys, numbers)


def limits_of(num_steps: int, max_queries: int | None, until: Criterion | None) -> Limits:
    """Limits that share a trace, whatever the types of their numbers."""
    if max_queries is None:
        max_queries = _NO_LIMIT
    return strong(Limits(num_steps, max_queries, _as_pytree(until)))


def strong(tree: Any) -> Any:
    """Numbers as strongly typed 32-bit arrays, so that 0.7, float32(0.7) and float64(0.7), or 3
    and int64(3), share a trace."""
    return jax.tree.map(_strong, tree)


def _strong(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(jnp.float32)
    return array.astype(jnp.int32) if jnp.issubdtype(array.dtype, jnp.integer) else array


def _as_pytree(until: Criterion | None) -> Criterion | None:
    """A function that is no pytree would be a leaf."""
    return as_pytree(until) if jax.tree_util.all_leaves([until]) else until
