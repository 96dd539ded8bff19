"""Runs an attack on all jobs at once, in one compiled program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Int

from jfool.arguments import (
    check_job_ids,
    check_key,
    check_model,
    check_until,
    is_traced,
    is_whole,
    kind_of,
)
from jfool.base import Attack, Criterion, Model, PRNGKey, reference_class
from jfool.jobs import gathered, num_jobs
from jfool.loop import Lanes, Limits, Loop, enter, limits_of, strong
from jfool.result import AttackResult
from jfool.rows import as_numpy


def run(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    *,
    num_steps: int,
    until: Criterion | None = None,
    max_queries: int | None = None,
    chunk: int | None = 1024,
    job_ids: Any = None,
    history: bool = False,
) -> AttackResult:
    """Runs `attack` on `model` for all jobs, in one compiled call.

    New numbers (keys, weights, jobs, settings that are leaves, `num_steps` without `history`) need
    no new compilation. A job's draws depend on `key` and its id alone; at a fixed batch shape,
    which follows from `chunk` and N, so do its results, bit for bit.

    Args:
      key: typed threefry key; job i uses `fold_in(key, job_ids[i])`.
      attack: e.g. `jfool.SparseFooling(...)`.
      model: callable pytree `[B, H, W, C] in [0, 1] -> logits [B, K]`, in inference mode: an NNX
        module after `.eval()`, or anything else through `jfool.wrap`.
      jobs: the attack's jobs with a leading axis N on every field, e.g. `jfool.SparseJob`.
      num_steps: the most generations, not counting the start population's evaluation.
      until: ends a job early, e.g. `jfool.confident(0.9)`. The job then neither changes nor counts,
        and costs almost nothing.
      max_queries: images; the step that reaches it is a job's last. A gradient counts as three.
      chunk: images per model call over all jobs together; bounds memory. None for one call.
      job_ids: `[N]` distinct whole numbers, by default 0..N-1.
      history: also return the best fitness of each generation.
    Returns:
      An `AttackResult`.
    Raises:
      TypeError, ValueError: an argument cannot work; raised before compilation.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> attack = jfool.SparseFooling((2, 2, 3), 3, max_k=1)
      >>> jobs = jfool.grid(jfool.SparseJob, base=[[0.0, 0.0, 0.0]], target=range(3), k=1)
      >>> jfool.run(jax.random.key(0), attack, model, jobs, num_steps=20).success.tolist()
      [True, True, True]
    """
    check_run(key, attack, model, jobs, num_steps, until, max_queries, chunk, job_ids)
    ids = np.arange(num_jobs(jobs)) if job_ids is None else jnp.asarray(job_ids)
    limits = limits_of(num_steps, max_queries, until)
    attack, jobs, ids = strong((attack, gathered(jobs), ids))
    history_size = num_steps + 1 if history else 0
    return _run(key, attack, model, jobs, ids, limits, chunk=chunk, history_size=history_size)


@functools.partial(jax.jit, static_argnames=("chunk", "history_size"))
def _run(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    ids: Int[Array, " N"],
    limits: Limits,
    *,
    chunk: int | None,
    history_size: int,
) -> AttackResult:
    loop = Loop(attack, model, limits, chunk)
    cells = reference_class(jobs, attack.targeted).shape[1:]
    recorded = (len(ids), history_size, *cells)
    history = jnp.full(recorded, jnp.nan, jnp.float32) if history_size else None

    def generation(now: tuple[Array, Lanes, Array | None]) -> tuple[Array, Lanes, Array | None]:
        t, lanes, history = now
        stepped, best = loop.advance(lanes)
        if history is not None:
            live = lanes.live.reshape(-1, *(1 for _ in cells))
            history = history.at[:, t].set(jnp.where(live, best.fitness, jnp.nan))
        return t + 1, stepped, history

    start = (jnp.int32(0), enter(attack, key, ids, jobs), history)
    _, lanes, history = lax.while_loop(lambda now: now[1].live.any(), generation, start)
    return loop.results(lanes, jnp.ones_like(lanes.live), history)


def check_run(
    key: Any,
    attack: Any,
    model: Any,
    jobs: Any,
    num_steps: Any,
    until: Any,
    max_queries: Any,
    chunk: Any,
    job_ids: Any,
) -> None:
    """Raises TypeError or ValueError on the first argument that cannot work.

    Of traced arguments (`run` inside a user's `jit`) only shapes and types are checked.
    """
    check_key(key)
    missing = [n for n in ("init", "step", "best", "check") if not hasattr(attack, n)]
    if missing:
        raise TypeError(f"attack: expected an attack, got {kind_of(attack)} without {missing}")
    count = num_jobs(jobs)
    if not is_traced((attack, jobs)):
        attack.check(jax.tree.map(as_numpy, jobs))
    reference_class(jobs, attack.targeted)
    if not is_whole(num_steps, 0) or num_steps >= 2**31 - 1:
        raise ValueError(f"num_steps: expected a whole number in [0, 2**31 - 1), got {num_steps!r}")
    if until is not None:
        check_until(until, attack.num_classes, attack.targeted)
    if max_queries is not None and not is_whole(max_queries, 1):
        raise ValueError(f"max_queries: expected None or a positive number, got {max_queries!r}")
    if chunk is not None and not is_whole(chunk, 1):
        raise ValueError(f"chunk: expected None or a positive number of images, got {chunk!r}")
    if job_ids is not None:
        check_job_ids(job_ids, count)
    check_model(model, attack.image_shape, attack.num_classes)
