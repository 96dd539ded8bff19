"""How many images a model gets right whatever the attacks do to them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jfool.arguments import check_attack, check_key
from jfool.attacks.auto_attack import Stage, auto_attack
from jfool.attacks.in_turn import InTurn
from jfool.attacks.perturbing import PerturbationJob
from jfool.base import Model, PRNGKey
from jfool.constraints import Constraint
from jfool.criteria import misclassified
from jfool.metrics.rates import Rate, rate_of
from jfool.sweeps.pace import Progress
from jfool.sweeps.sweep import sweep

_NONE = ""  # no attack broke the image
_CLEAN = "clean"  # it was wrong before


@dataclasses.dataclass(frozen=True)
class Robustness:
    """What attacks made of `N` images.

    Attributes:
      clean_accuracy, robust_accuracy: over all images; an image that was wrong before any attack is
        not robust.
      after: the accuracy that is left after each stage, by its name.
      broken_by: `[N]`, the name of the stage that broke the image, "clean" if it was wrong before,
        "" if it is robust.
      images: `[N, H, W, C]`, the adversarial images; those that no stage broke as they were.
      num_queries, num_gradients: `[N]`, of all stages together.
      warnings: what makes the figures doubtful, one sentence each.
    """

    clean_accuracy: Rate
    robust_accuracy: Rate
    after: dict[str, Rate]
    broken_by: np.ndarray
    images: np.ndarray
    num_queries: np.ndarray
    num_gradients: np.ndarray
    warnings: tuple[str, ...]


def robust_accuracy(
    key: PRNGKey,
    model: Model,
    images: ArrayLike,
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
    a folder, the same call resumes where an earlier one ended.

    Args:
      key: typed threefry key.
      model: as for `jfool.run`.
      images: `[N, H, W, C]` in [0, 1].
      labels: `[N]`, the true classes.
      constraint: `Linf()`, `L2()` or `L1()`; with attacks of your own, any.
      epsilon: its radius.
      attack: "standard" or "plus" (see `jfool.auto_attack`), or your own stages, such as
        `jfool.Stage("pgd", jfool.PGD((28, 28, 1), 10), num_steps=40)`.
      folder: of the sweeps, one for each stage; None keeps nothing.
      chunk: images per model call and device.
      on_progress: called with the name of the stage and a `Progress`, now and then.
    Raises:
      TypeError, ValueError: an argument cannot work, which is checked before compilation.
    Example:
      >>> import jax, jax.numpy as jnp, jfool
      >>> model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.eye(12)[:, :3])
      >>> images, labels = jnp.full((2, 2, 2, 3), 0.5).at[0, 0, 0, 0].set(0.9), jnp.array([0, 1])
      >>> pgd = jfool.Stage("pgd", jfool.PGD((2, 2, 3), 3, step_size=0.05), num_steps=10)
      >>> linf, key = jfool.Linf(), jax.random.key(0)
      >>> found = jfool.robust_accuracy(key, model, images, labels, linf, 0.1, attack=pgd)
      >>> found.clean_accuracy.rate, found.robust_accuracy.rate, found.broken_by.tolist()
      (0.5, 0.5, ['', 'clean'])
    """
    check_key(key)
    images, labels = np.asarray(images), np.asarray(labels)
    logits = _logits_of(model, images, chunk)
    num_classes = logits.shape[1]
    if isinstance(attack, str):
        attack = auto_attack(images.shape[1:], num_classes, constraint, attack)
    stages = [attack] if isinstance(attack, Stage) else list(attack)
    everything = PerturbationJob(images, np.full(len(images), epsilon, np.float32), labels)
    _check(stages, everything, logits)

    broken_by = np.where(logits.argmax(1) == labels, _NONE, _CLEAN).astype(object)
    num_queries, num_gradients = np.zeros((2, len(images)), np.int64)
    found, after = np.array(images, np.float32), {}
    for number, stage in enumerate(stages):
        rows = np.flatnonzero(broken_by == _NONE)
        if len(rows):
            results = sweep(
                jax.random.fold_in(key, number),
                stage.attack,
                model,
                _jobs(stage, everything, logits, rows),
                num_steps=stage.num_steps,
                until=misclassified(),
                chunk=chunk,
                job_ids=rows,
                folder=None if folder is None else f"{folder}/{number + 1}-{stage.name}",
                on_progress=lambda progress, name=stage.name: on_progress(name, progress),
            )
            num_queries[rows] += results.column("num_queries")
            num_gradients[rows] += results.column("num_gradients")
            wins = np.flatnonzero(results.column("success"))
            if len(wins):
                found[rows[wins]] = results.images(stage.attack, PerturbationJob, wins)
                broken_by[rows[wins]] = stage.name
        after[stage.name] = rate_of(broken_by == _NONE)
    return Robustness(
        clean_accuracy=rate_of(broken_by != _CLEAN),
        robust_accuracy=rate_of(broken_by == _NONE),
        after=after,
        broken_by=broken_by.astype(str),
        images=found,
        num_queries=num_queries,
        num_gradients=num_gradients,
        warnings=_warnings(stages, broken_by, num_classes),
    )


def _jobs(
    stage: Stage, everything: PerturbationJob, logits: np.ndarray, rows: np.ndarray
) -> PerturbationJob:
    """Of some images, with their targets."""
    jobs = jax.tree.map(lambda leaf: leaf[rows], everything)
    if not stage.num_targets:
        return jobs
    others = logits[rows].copy()
    others[np.arange(len(rows)), jobs.label] = -np.inf
    targets = np.argsort(-others, axis=1, kind="stable")[:, : stage.num_targets]
    if not isinstance(stage.attack, InTurn):
        targets = targets[:, 0]
    return dataclasses.replace(jobs, target=targets.astype(np.int32))


def _check(stages: Sequence[Any], everything: PerturbationJob, logits: np.ndarray) -> None:
    """Raises on stages that cannot run."""
    rows = np.arange(len(logits))
    for stage in stages:
        if not isinstance(stage, Stage):
            raise TypeError(
                'attack: expected "standard", "plus" or jfool.Stage(name, attack, num_steps), '
                f"got {stage!r:.60}"
            )
        check_attack(stage.attack)
        stage.attack.check(_jobs(stage, everything, logits, rows))
    names = [stage.name for stage in stages]
    if len({*names}) < len(names) or not names:
        raise ValueError(f"attack: expected stages with different names, got {names!r:.120}")


def _warnings(stages: Sequence[Stage], broken_by: np.ndarray, num_classes: int) -> tuple[str, ...]:
    """(Croce & Hein, 2020; Pintor et al., 2022)"""
    found = []
    by_square = int((broken_by == "square").sum())
    before = [stage.name for stage in stages]
    if by_square and "square" in before[1:]:
        found.append(
            f"Square, which takes no gradient, broke {by_square} images that the attacks before it "
            "did not: gradients may be masked, so attack the model in a way that is made for it."
        )
    if "apgd-margin" in before:
        found.append(
            f"With {num_classes} classes there is no targeted logit ratio; the margin took its "
            "place."
        )
    return tuple(found)


def _logits_of(model: Model, images: np.ndarray, chunk: int) -> np.ndarray:
    """`[N, K]`, in float32 at the highest precision, in batches of one size."""
    size = min(chunk, len(images))
    parts = []
    for start in range(0, len(images), size):
        part = images[start : start + size].astype(np.float32)
        padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        parts.append(np.asarray(_show(model, padded), np.float32)[: len(part)])
    return np.concatenate(parts)


@jax.jit
def _show(model: Model, images: Any) -> Any:
    with jax.default_matmul_precision("highest"):
        return model(jnp.asarray(images))
