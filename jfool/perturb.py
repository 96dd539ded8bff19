"""The bare attack, for training steps."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jfool.arguments import check_attack, check_job_ids, check_key, is_whole, known
from jfool.base import Attack, Images, Model, PRNGKey
from jfool.debugging import undisturbed
from jfool.evaluate import Evaluate, is_stochastic
from jfool.jobs import as_arrays, num_jobs
from jfool.loop import strong
from jfool.mesh import on_any_mesh
from jfool.model_checks import check_logits, check_weights


@undisturbed()
def perturb(
    key: PRNGKey, attack: Attack, model: Model, jobs: Any, *, num_steps: int, job_ids: Any = None
) -> Images:
    """The images after `num_steps` steps of `attack`, and nothing else.

    For training loops: it can be traced anywhere and looks at no values. There is no early stop, no
    evaluation after the last step, no judgement, and one model call a step for all jobs together,
    so a model in training mode (batch statistics) sees whole, unpadded batches. What such a model
    writes to itself meanwhile is dropped, so its dropout is the same in all steps.

    Args:
      key, attack, model, jobs, job_ids: as for `jfool.run`; the model may be in training mode.
      num_steps: gradient steps; FGSM takes 1.
    Returns:
      `[N, H, W, C]` in [0, 1]: the last images of a gradient attack, of any other its best.
    Raises:
      TypeError, ValueError: an argument cannot work, by its type and shape.
    Example:
      >>> import jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> image, label = jnp.full((1, 2, 2, 3), 0.5), jnp.array([0])
      >>> jobs = jfool.PerturbationJob(image, jnp.array([0.1]), label)
      >>> attack = jfool.PGD((2, 2, 3), 3, step_size=0.05, random_start=False)
      >>> images = jfool.perturb(jax.random.key(0), attack, model, jobs, num_steps=3)
      >>> [round(value, 2) for value in images[0, 0, 0].tolist()]
      [0.4, 0.6, 0.6]
    """
    check_key(key)
    check_attack(attack)
    check_weights(model)
    jobs = as_arrays(jobs)
    if job_ids is not None:
        check_job_ids(job_ids, num_jobs(jobs))
    attack.check(jax.tree.map(known, jobs))
    if not is_whole(num_steps, 1):
        raise ValueError(f"num_steps: expected a whole number of at least 1, got {num_steps!r}")
    check_logits(model, attack, num_jobs(jobs) * attack.images_at_once)
    ids = jnp.arange(num_jobs(jobs)) if job_ids is None else jnp.asarray(job_ids)
    attack, jobs = strong((attack, jobs))
    attack, model, jobs = _constant((attack, model, jobs))
    steps = functools.partial(_steps, num_steps=num_steps)
    return on_any_mesh(steps, jobs)(key, attack, model, jobs, ids)


def _constant(tree: Any) -> Any:
    """Without gradients: a loss is not differentiated through the attack on it."""

    def of_leaf(leaf: Any) -> Any:
        is_float = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return lax.stop_gradient(leaf) if is_float else leaf

    return jax.tree.map(of_leaf, tree)


def _steps(
    key: PRNGKey, attack: Attack, model: Model, jobs: Any, ids: Array, *, num_steps: int
) -> Images:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, ids)
    start = jax.vmap(attack.init)(jax.vmap(jax.random.fold_in, (0, None))(keys, 0), jobs)

    def one_step(key: Array, job: Any, state: Any, t: Array) -> Any:
        key, draws = jax.random.fold_in(key, t), None
        if is_stochastic(model):
            key, draws = jax.random.split(key)
        return attack.step(key, Evaluate(model, key=draws), job, state)[0]

    def step(states: Any, t: Array) -> tuple[Any, None]:
        return jax.vmap(one_step, (0, 0, 0, None))(keys, jobs, states, t), None

    states, _ = lax.scan(step, start, jnp.arange(1, num_steps + 1))
    return jax.vmap(getattr(attack, "last", attack.best))(jobs, states).image
