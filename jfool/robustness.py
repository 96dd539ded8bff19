"""How many images a model gets right whatever the attacks do to them."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jfool.attacks.stage import Stage
from jfool.base import Model, PRNGKey
from jfool.constraints import Constraint
from jfool.criteria import misclassified, prediction
from jfool.debugging import undisturbed
from jfool.metrics.rates import rate_of
from jfool.metrics.robustness import CLEAN, UNBROKEN, Robustness
from jfool.model_checks import are_probabilities
from jfool.robustness_checks import checked
from jfool.robustness_found import ran_of, robustness_of, warnings_of
from jfool.rows import Rows
from jfool.sweeps.pace import Progress
from jfool.sweeps.sweep import sweep


@undisturbed()
def robust_accuracy(
    key: PRNGKey,
    model: Model,
    images: ArrayLike | Rows,
    labels: ArrayLike,
    constraint: Constraint,
    epsilon: float,
    *,
    attack: Stage | Sequence[Stage] | str = "standard",
    folder: Any = None,
    chunk: int = 1024,
    on_progress: Callable[[str, Progress], None] = lambda name, progress: None,
) -> Robustness:
    """The accuracy of a model under attacks that run one after another, each on the images that are
    still right.

    An image leaves the search as soon as it is broken, and its lane goes on with another one. With
    a folder, the same call resumes where an earlier one ended, and further stages may be added.

    Args:
      key: typed threefry key.
      model: as for `jfool.run`, without draws.
      images: `[N, H, W, C]` in [0, 1], or `jfool.Rows` of a data set.
      labels: `[N]`, the true classes.
      constraint: `Linf()`, `L2()` or `L1()`; with attacks of your own, theirs.
      epsilon: its radius in image units, such as 8 / 255.
      attack: "standard" or "plus" (see `jfool.auto_attack`), or your own stages, such as
        `jfool.Stage("pgd", jfool.PGD((28, 28, 1), 10), num_steps=40)`.
      folder: of the sweeps, one for each stage; None keeps nothing.
      chunk: images per model call and device.
      on_progress: called with the name of the stage and a `Progress`, now and then.
    Raises:
      TypeError, ValueError: an argument cannot work, which is checked before compilation; or a
        folder is damaged or belongs to another call.
      SweepStopped, MemoryError, OSError: as `jfool.sweep` does.
    Warns:
      UserWarning: as `jfool.run` does.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> images, labels = jnp.full((2, 2, 2, 3), 0.5).at[0, 0, 0, 0].set(0.9), jnp.array([0, 1])
      >>> pgd = jfool.Stage("pgd", jfool.PGD((2, 2, 3), 3, step_size=0.05), num_steps=10)
      >>> linf, key = jfool.Linf(), jax.random.key(0)
      >>> print(jfool.robust_accuracy(key, model, images, labels, linf, 0.1, attack=pgd))
      clean accuracy    50.0 % of 2 images (9.5 to 90.5)
      after pgd         50.0 % of 2 images (9.5 to 90.5), broke 0 of 1
      robust accuracy   50.0 % of 2 images (9.5 to 90.5)
    """
    everything, stages, folders = checked(
        key, model, images, labels, constraint, epsilon, attack, folder, chunk, on_progress
    )
    logits, predicted = _classified(model, everything.image, int(chunk))
    shape, num_classes = everything.image.shape[1:], logits.shape[1]
    probabilities = are_probabilities(model, shape, num_classes)
    others = _others(logits, everything.label)
    broken_by = np.where(predicted == everything.label, UNBROKEN, CLEAN).astype(object)
    ran, after = {}, {}
    for number, (stage, folder) in enumerate(zip(stages, folders, strict=True)):
        started, rows = time.monotonic(), np.flatnonzero(broken_by == UNBROKEN)
        if len(rows):
            jobs = jax.tree.map(lambda leaf, rows=rows: leaf[rows], everything)
            results = sweep(
                jax.random.fold_in(key, number),
                stage.attack,
                model,
                stage.jobs(jobs, others[rows]),
                num_steps=stage.num_steps,
                until=misclassified(),
                chunk=int(chunk),
                job_ids=rows,
                folder=folder,
                on_progress=functools.partial(on_progress, stage.name),
            )
            seconds = time.monotonic() - started
            of = ran[stage.name] = ran_of(stage, rows, jobs, results, seconds)
            broken_by[rows[of.strayed]] = CLEAN
            broken_by[rows[of.broken]] = stage.name
        after[stage.name] = rate_of(broken_by == UNBROKEN)
    warnings = warnings_of(ran, stages, num_classes, probabilities)
    return robustness_of(everything, constraint, broken_by, after, ran, warnings)


def _classified(
    model: Model, images: Rows, chunk: int
) -> tuple[Float[np.ndarray, "N K"], Int[np.ndarray, " N"]]:
    """Logits and predictions in float32 at the highest precision, in batches of one size."""
    size, parts = min(chunk, len(images)), []
    for start in range(0, len(images), size):
        index = np.arange(start, start + size)
        batch = np.asarray(images[np.minimum(index, len(images) - 1)])
        shown = jax.device_get(_show(model, batch))
        parts.append([part[: len(images) - start] for part in shown])
    logits, predicted = map(np.concatenate, zip(*parts, strict=True))
    return logits, predicted


@jax.jit
def _show(model: Model, images: Any) -> Any:
    with jax.default_matmul_precision("highest"):
        logits = jnp.asarray(model(images), jnp.float32)
    return logits, jax.vmap(prediction)(logits)


def _others(logits: np.ndarray, labels: np.ndarray) -> Int[np.ndarray, "N others"]:
    """The classes other than the label, the likeliest first."""
    order = np.argsort(-logits, axis=1, kind="stable")
    return order[order != labels[:, None]].reshape(len(order), -1)
