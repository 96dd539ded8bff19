"""Runs an attack on all jobs at once, in one compiled program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Int

from jfool.arguments import (
    check_attack,
    check_job_ids,
    check_key,
    check_until,
    is_whole,
    known,
)
from jfool.base import Attack, Criterion, Model, PRNGKey, reference_class
from jfool.debugging import undisturbed
from jfool.jobs import as_arrays, gathered, num_jobs
from jfool.loop import (
    KEEP,
    Lanes,
    Limits,
    Loop,
    Settings,
    limits_of,
    nothing_like,
    num_recorded,
    strong,
    where,
)
from jfool.mesh import on_any_mesh
from jfool.model_checks import check_model, check_output
from jfool.result import AttackResult
from jfool.stuck import warn_if_stuck


@undisturbed()
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
    keep: str = "fittest",
    num_draws: int = 100,
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
        and where several calls are needed it costs almost nothing.
      max_queries: images; the step that reaches it is a job's last. A gradient counts as three.
      chunk: images per model call over all jobs together; bounds memory. None for one call.
      job_ids: `[N]` distinct whole numbers, by default 0..N-1.
      history: also return what each step told, such as the best fitness so far.
      keep: the answer of a job that `until` did not stop: its "fittest" candidate, or the "last",
        which needs no evaluation after the last step; gradient attacks have it.
      num_draws: how often a stochastic model is shown each final image.
    Returns:
      An `AttackResult`.
    Raises:
      TypeError, ValueError: an argument cannot work; raised before compilation.
    Warns:
      UserWarning: the model seems to return probabilities; or, when the run has ended, jobs are
        stuck where the gradient is exactly zero. Inside a user's `jit` nothing is said.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> attack = jfool.SparseFooling((2, 2, 3), 3, max_k=1)
      >>> jobs = jfool.grid(jfool.SparseJob, base=[[0.0, 0.0, 0.0]], target=range(3), k=1)
      >>> jfool.run(jax.random.key(0), attack, model, jobs, num_steps=20).success.tolist()
      [True, True, True]
    """
    jobs = as_arrays(jobs)
    check_run(
        key, attack, model, jobs, num_steps, until, max_queries, chunk, job_ids, keep, num_draws
    )
    check_output(model, attack, num_jobs(jobs) * attack.images_at_once, chunk)
    ids = np.arange(num_jobs(jobs)) if job_ids is None else jnp.asarray(job_ids)
    limits = limits_of(num_steps, max_queries, until)
    attack, jobs, ids = strong((attack, gathered(jobs), ids))
    settings = Settings(chunk, keep, num_recorded(num_steps, keep) if history else 0, num_draws)
    run = on_any_mesh(functools.partial(_run, settings=settings), jobs)
    result = run(key, attack, model, jobs, ids, limits)
    classes = reference_class(jobs, attack.targeted)
    counts = result.num_gradients, result.num_zero_gradients
    warn_if_stuck(result.prediction, classes, attack.targeted, *counts)
    return result


@functools.partial(jax.jit, static_argnames="settings")
def _run(
    key: PRNGKey,
    attack: Attack,
    model: Model,
    jobs: Any,
    ids: Int[Array, " N"],
    limits: Limits,
    *,
    settings: Settings,
) -> AttackResult:
    loop = Loop(attack, model, limits, settings)

    def until_judged(now: tuple[Lanes, AttackResult, Array]) -> tuple[Lanes, AttackResult, Array]:
        lanes, results, judged = now
        lanes = lax.while_loop(lambda lanes: lanes.live.any(), loop.advance, lanes)
        lanes, found, done = loop.results(lanes, ~judged)
        results = jax.tree.map(functools.partial(where, done), found, results)
        return lanes, results, judged | done

    lanes = loop.enter(key, ids, jobs)
    nothing = nothing_like(lambda lanes: loop.results(lanes, lanes.live)[1], lanes)
    start = (lanes, nothing, jnp.zeros(len(ids), bool))
    # Once, but for jobs that `until` stopped at a lower precision and that failed when judged.
    return lax.while_loop(lambda now: ~now[2].all(), until_judged, start)[1]


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
    keep: Any,
    num_draws: Any,
) -> None:
    """Raises TypeError or ValueError on the first argument that cannot work.

    Of traced arrays (`run` inside a user's `jit`) only shapes and types are checked.
    """
    check_key(key)
    check_attack(attack)
    count = num_jobs(jobs)
    attack.check(jax.tree.map(known, jobs))
    if not is_whole(shown := getattr(attack, "images_at_once", None), 1):
        raise TypeError(
            "attack.images_at_once: expected how many images a step shows in one call, "
            f"got {shown!r}"
        )
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
    if not is_whole(num_draws, 1):
        raise ValueError(f"num_draws: expected a whole number of at least 1, got {num_draws!r}")
    if keep not in KEEP:
        raise ValueError(f"keep: expected one of {list(KEEP)}, got {keep!r}")
    if keep == "last" and not hasattr(attack, "last"):
        raise ValueError(
            f"keep: expected 'fittest' for {type(attack).__name__}, which has no last candidate"
        )
    check_model(model)
