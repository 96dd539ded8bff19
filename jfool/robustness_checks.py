"""Checks of what `jfool.robust_accuracy` takes, before anything is compiled or written."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jfool.arguments import check_classes, check_key
from jfool.attacks.auto_attack import VERSIONS, auto_attack
from jfool.attacks.perturbing import PerturbationJob
from jfool.attacks.stage import Stage
from jfool.base import Model
from jfool.constraints import Constraint
from jfool.jobs import as_array
from jfool.model_checks import check_deterministic, check_logits, check_model, outlines
from jfool.model_outputs import logits_of
from jfool.numbers import brief, check_number, check_whole
from jfool.parts import check_part
from jfool.rows import Rows
from jfool.sweeps.files import children, open_path
from jfool.texts import told

_WORDS = {  # of jobs, as the arguments are called here
    "jobs.image": "images",
    "jobs.label": "labels",
    "jobs.epsilon": "epsilon",
    "jobs.target": "num_targets",
}


def checked(
    key: Any,
    model: Any,
    images: Any,
    labels: Any,
    constraint: Any,
    epsilon: Any,
    attack: Any,
    folder: Any,
    chunk: Any,
    on_progress: Any,
) -> tuple[Any, Sequence[Stage], Sequence[Any]]:
    """The jobs of all images, which are `Rows`, the stages, and the folder of each or None.

    Raises:
      TypeError, ValueError: naming the first argument that cannot work.
    """
    check_key(key)
    check_model(model)
    check_deterministic(model, "judge many draws by jfool.run(..., num_draws=100)")
    check_whole("chunk", chunk, 1)
    if not callable(on_progress):
        raise TypeError(
            "on_progress: expected a function of a stage's name and a Progress, got "
            f"{brief(on_progress)}"
        )
    jobs, num_classes = _jobs(model, images, labels, constraint, epsilon)
    stages = _stages(attack, jobs, num_classes, constraint)
    order = np.arange(1, num_classes) + jobs.label[:, None]
    for stage in stages:
        with _in_words_of_the_call():
            check_logits(model, stage.attack, len(jobs.label), int(chunk))
            stage.attack.check(stage.jobs(jobs, order % num_classes))
    return jobs, stages, _folders(folder, stages)


def _jobs(model: Model, images: Any, labels: Any, constraint: Any, epsilon: Any) -> tuple[Any, int]:
    """Of all images, and K."""
    images, labels = as_array("images", images), as_array("labels", labels)
    check_number("epsilon", epsilon, "one finite radius of at least 0", least=0)
    radii = np.full(np.shape(images)[:1], epsilon, np.float32)
    jobs = PerturbationJob(images, radii, labels)
    with _in_words_of_the_call():
        check_part("constraint", constraint, Constraint, "jfool.Linf()", jobs)
        batch = outlines(model, images.shape[1:], 2)
        num_classes = jax.eval_shape(logits_of, model, *batch).shape[1]
        check_classes(jobs, False, num_classes)
    if len(labels) != len(images):
        raise ValueError(
            f"labels: expected one for each of {len(images)} images, got {len(labels)}"
        )
    if not isinstance(images, Rows):
        images = Rows(np.asarray(images, np.float32), np.arange(len(images)))
    return PerturbationJob(images, radii, np.asarray(labels, np.int32)), num_classes


def _stages(attack: Any, jobs: Any, num_classes: int, constraint: Constraint) -> Sequence[Stage]:
    if isinstance(attack, str) and attack in VERSIONS:
        return auto_attack(jobs.image.shape[1:], num_classes, constraint, attack)
    stages: Any = list(attack) if isinstance(attack, (list, tuple)) else [attack]
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise TypeError(
            'attack: expected "standard", "plus" or jfool.Stage(name, attack, num_steps), got '
            f"{brief(attack)}"
        )
    names = [stage.name for stage in stages]
    if len({*names}) < len(names):
        raise ValueError(f"attack: expected stages with different names, got {names!r:.120}")
    for stage in stages:
        ball = getattr(stage.attack, "constraint", None)
        if type(ball) is not type(constraint):
            raise ValueError(
                f"attack: expected attacks inside {brief(constraint)}, as constraint says, got "
                f"{stage.name} inside {brief(ball)}"
            )
        if stage.num_targets >= num_classes:
            raise ValueError(
                f"num_targets: expected at most {num_classes - 1} for {num_classes} classes, got "
                f"{stage.num_targets} in {stage.name}"
            )
    return stages


def _folders(folder: Any, stages: Sequence[Stage]) -> Sequence[Any]:
    """One for each stage, inside that of the call."""
    if folder is None:
        return [None] * len(stages)
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder: expected None or a path, got {brief(folder)}")
    path = open_path(folder)
    names = [f"{number}-{stage.name}" for number, stage in enumerate(stages, 1)]
    if path.exists() and not path.is_dir():
        raise ValueError(f"folder: expected a folder, got the file {told(path)}")
    if foreign := [found.name for found in children(path, path) if found.name not in names]:
        raise ValueError(
            f"folder: expected a new one or that of these stages, got {told(path)} with "
            f"{brief(foreign[0])} (choose another folder)"
        )
    for name in names:
        children(path / name, path)  # refuses a link, through which it would write elsewhere
    return [path / name for name in names]


@contextlib.contextmanager
def _in_words_of_the_call() -> Iterator[None]:
    """Errors name the arguments of `robust_accuracy` instead of fields of jobs."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        for ours, theirs in _WORDS.items():
            text = text.replace(ours, theirs)
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from error
