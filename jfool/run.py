"""The one loop: every attack, over all jobs at once, in one compiled program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.tree_util import Partial
from jaxtyping import Bool, Float, Int

from jfool import criteria
from jfool.base import Attack, Criterion, Logits, Model, PRNGKey, pytree
from jfool.check import check_run
from jfool.encodings.pixels import Pixels
from jfool.evaluate import Evaluate, batch_size, evaluate_lanes
from jfool.jobs import num_jobs


@pytree
class AttackResult:
    """What `run` found; every field has the leading axis N of the jobs.

    The truths are computed anew, in float32 at the highest matmul precision, from the final images.

    Attributes:
      images: `[N, H, W, C]` in [0, 1].
      confidence: `[N]`, softmax probability of the target; untargeted, of the predicted class.
      prediction: `[N]`, the predicted class; -1 where logits are NaN.
      success: `[N]`; targeted: the target is predicted and, if `until` asks for a confidence, has
        it; untargeted: the prediction is not the label. NaN logits are never a success.
      confidence_uint8, success_uint8: the same after rounding the images to 8 bits.
      stopped: `[N]`, whether `until` ended the job, judging by the logits of the search itself.
      num_queries: `[N]`, images shown to the model by the search.
      num_steps: `[N]`, generations or gradient steps taken.
      genotype: the encoding's own form of the images.
      history: `[N, num_steps + 1]` best fitness after each generation, the start population first,
        NaN after the job stopped; None unless asked for.
    """

    images: Array
    confidence: Array
    prediction: Array
    success: Array
    confidence_uint8: Array
    success_uint8: Array
    stopped: Array
    num_queries: Array
    num_steps: Array
    genotype: Any
    history: Array | None


def run(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    num_steps: int,
    until: Criterion | None = None,
    chunk: int | None = 1024,
    job_ids: Any = None,
    history: bool = False,
) -> AttackResult:
    """Runs `attack` on `model` for all jobs, in one compiled call.

    New numbers (keys, weights, jobs, settings that are leaves, `num_steps` without `history`) meet
    the same compiled program. A job's random draws depend on `key` and its id alone; at a fixed
    batch shape, which follows from `chunk` and N, so do its results, bit for bit.

    Args:
      key: typed threefry key; job i uses `fold_in(key, job_ids[i])`.
      attack: e.g. `jfool.SparseFooling(...)`.
      model: callable pytree `[B, H, W, C] in [0, 1] -> logits [B, K]`, in inference mode: an NNX
        module after `.eval()`, or what `jfool.wrap` makes of anything else.
      jobs: the attack's jobs with a leading axis N on every field, e.g. `jfool.SparseJob`.
      num_steps: the most generations (the start population is evaluated besides).
      until: ends a job early, e.g. `jfool.confident(0.9)`; it no longer changes, nor counts, and
        costs next to nothing.
      chunk: images per model call over all jobs together; bounds memory. None: all in one.
      job_ids: `[N]` distinct whole numbers, by default 0..N-1.
      history: also return the best fitness of each generation.
    Returns:
      An `AttackResult`.
    Raises:
      TypeError, ValueError: an argument that cannot work, named, before anything is compiled.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> attack = jfool.SparseFooling((2, 2, 3), 3, max_k=1)
      >>> jobs = jfool.grid(jfool.SparseJob, base=[[0.0, 0.0, 0.0]], label=range(3), k=1)
      >>> jfool.run(jax.random.key(0), attack, model, jobs, num_steps=20).success.tolist()
      [True, True, True]
    """
    check_run(key, attack, model, jobs, num_steps, until, chunk, job_ids)
    ids = np.arange(num_jobs(jobs)) if job_ids is None else jnp.asarray(job_ids)
    if callable(until) and jax.tree_util.all_leaves([until]):
        until = Partial(until)  # a bare function of the user's own, as a pytree
    attack, jobs, ids, until, steps = jax.tree.map(_strong, (attack, jobs, ids, until, num_steps))
    history_size = num_steps + 1 if history else 0
    return _run(key, attack, model, jobs, ids, steps, until, chunk=chunk, history_size=history_size)


@functools.partial(jax.jit, static_argnames=("chunk", "history_size"))
def _run(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    ids: Int[Array, " N"],
    num_steps: Int[Array, ""],
    until: Criterion | None,
    *,
    chunk: int | None,
    history_size: int,
) -> AttackResult:
    count = ids.shape[0]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, ids)
    images_per_call = []  # filled while the loop is traced

    def one_step(key, job, state, live):
        evaluate = Evaluate(model, live, chunk)
        stepped = attack.step(key, evaluate, job, state)
        images_per_call.append(evaluate.images_per_call)
        kept = jax.tree.map(lambda new, old: jnp.where(live, new, old), stepped, state)
        return kept, evaluate.num_queries

    def generation(now: _Progress) -> _Progress:
        step_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, now.t + 1)
        state, queries = jax.vmap(one_step)(step_keys, jobs, now.state, now.live)
        best = jax.vmap(attack.best)(jobs, state)
        ended = jnp.zeros(count, bool)
        if until is not None:
            ended = _judge(until, best.logits, jobs.label, attack.targeted)
        history = now.history
        if history is not None:
            history = history.at[:, now.t].set(jnp.where(now.live, best.fitness, jnp.nan))
        return _Progress(
            t=now.t + 1,
            state=state,
            live=now.live & ~ended,
            stopped=now.stopped | (now.live & ended),
            num_queries=now.num_queries + jnp.where(now.live, queries, 0),
            num_steps=jnp.where(now.live, now.t, now.num_steps),
            history=history,
        )

    start = _Progress(
        t=jnp.zeros((), jnp.int32),
        state=jax.vmap(attack.init)(jax.vmap(jax.random.fold_in, (0, None))(keys, 0), jobs),
        live=jnp.ones(count, bool),
        stopped=jnp.zeros(count, bool),
        num_queries=jnp.zeros(count, jnp.int32),
        num_steps=jnp.zeros(count, jnp.int32),
        history=jnp.full((count, history_size), jnp.nan, jnp.float32) if history_size else None,
    )
    end = lax.while_loop(lambda now: (now.t <= num_steps) & now.live.any(), generation, start)

    best = jax.vmap(attack.best)(jobs, end.state)
    batch = batch_size(count * max(images_per_call), chunk)
    truths = _truths(attack.targeted, model, best.image, jobs.label, until, batch)
    return AttackResult(
        images=best.image,
        **truths,
        stopped=end.stopped,
        num_queries=end.num_queries,
        num_steps=end.num_steps,
        genotype=best.genotype,
        history=end.history,
    )


@pytree
class _Progress:
    """The loop's carry: generation `t`, and for each job its state and its account."""

    t: Array
    state: Any
    live: Array
    stopped: Array
    num_queries: Array
    num_steps: Array
    history: Array | None


def _truths(
    targeted: bool,
    model: Model,
    images: Float[Array, "N H W C"],
    labels: Int[Array, " N"],
    until: Criterion | None,
    batch: int,
) -> dict[str, Array]:
    """What the model says of the final images, and of their 8-bit roundings, at the loop's batch
    shape and the highest matmul precision."""
    count = len(images)
    rounded = jnp.round(images * 255) / 255
    both = jnp.concatenate([images, rounded])[:, None]  # [2N, 1, H, W, C]
    with jax.default_matmul_precision("highest"):
        logits = evaluate_lanes(model, Pixels(), None, both, jnp.ones(2 * count, bool), batch)
    labels = jnp.tile(labels, 2)
    logits = logits[:, 0].astype(jnp.float32)
    confidence = jax.vmap(functools.partial(criteria.confidence, targeted=targeted))(logits, labels)
    success = _judge(criteria.fooled, logits, labels, targeted)
    if targeted and until is not None:
        success &= _judge(until, logits, labels, targeted)
    return {
        "confidence": confidence[:count],
        "prediction": jax.vmap(criteria.prediction)(logits[:count]),
        "success": success[:count],
        "confidence_uint8": confidence[count:],
        "success_uint8": success[count:],
    }


def _judge(
    criterion: Criterion, logits: Logits, labels: Int[Array, " N"], targeted: bool
) -> Bool[Array, " N"]:
    return jax.vmap(functools.partial(criterion, targeted=targeted))(logits, labels)


def _strong(leaf: Any) -> Any:
    """Numbers as strongly typed 32-bit arrays, so that 0.7, float32(0.7) and float64(0.7), or 3
    and int64(3), meet the same trace."""
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(jnp.float32)
    return array.astype(jnp.int32) if jnp.issubdtype(array.dtype, jnp.integer) else array
