"""Checks of single arguments, made before compilation. Their errors say what was expected and what
came instead.

Inside a user's `jit` some arrays are traced: only their shapes and types are known and checked. The
others are checked as always.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.base import KEY_TYPE, Objective, is_key, reference_class
from jfool.model_outputs import first_line
from jfool.numbers import LARGEST, brief, is_kind, is_real, is_whole, known, values_of
from jfool.rows import Rows

_ROUNDING = 1e-3  # of images that were in [0, 1] before they were resized, blurred, ...


def check_num_classes(value: Any) -> None:
    """Raises ValueError unless it is a number of classes. Of one class, softmax is always 1."""
    if not is_whole(value, 2):
        raise ValueError(
            f"num_classes: expected a whole number of at least 2, got {brief(value)} (make two "
            "logits of a sigmoid's logit z: jnp.concatenate([jnp.zeros_like(z), z], -1))"
        )


def check_part(name: str, part: Any, protocol: type, example: str, *given: Any) -> None:
    """Checks a part of an attack or of another part, and calls its own `check(*given)` if it has
    one.

    Raises:
      TypeError: it does not follow the protocol, is a class instead of an instance, or no pytree of
        numbers.
      TypeError, ValueError: from its own `check()`.
    """
    if isinstance(part, type) or not isinstance(part, protocol):
        raise TypeError(f"{name}: expected one such as {example}, got {brief(part)}")
    if callable(check := getattr(part, "check", None)):
        check(*given)
    check_leaves(name, part)


def check_leaves(name: str, part: Any) -> None:
    """Raises TypeError unless it is a pytree of numbers, so that programs can take it."""
    if jax.tree_util.all_leaves([part]):
        raise TypeError(
            f"{name}: expected a pytree (decorate its class with jfool.base.pytree), "
            f"got {brief(part)}"
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(part):
        array = known(leaf)
        if not (isinstance(leaf, jax.Array) or is_real(array) or array.dtype == bool):
            raise TypeError(
                f"{name}{jax.tree_util.keystr(path)}: expected a number or an array (a choice is a "
                f"field by jfool.base.static()), got {brief(leaf)}"
            )


def check_objective(objective: Any, num_classes: int, *, targeted: bool | None = None) -> None:
    """Checks that it gives a fitness for the logits of every image.

    Args:
      targeted: whether only a targeted one will do; None for either.
    Raises:
      TypeError, ValueError: naming `objective`.
    """
    check_part("objective", objective, Objective, "jfool.Confidence()")
    if not isinstance(objective.targeted, bool):
        raise TypeError(
            "objective: expected targeted to be True (reach jobs.target) or False (leave "
            f"jobs.label), got {brief(objective.targeted)}"
        )
    if targeted and not objective.targeted:
        raise TypeError(
            "objective: expected a targeted one, such as jfool.Confidence(), "
            f"got {brief(objective)}"
        )
    if num_classes < (least := getattr(objective, "least_classes", 2)):
        raise ValueError(
            f"num_classes: expected at least {least} for {brief(objective)}, got {num_classes}"
        )
    if hasattr(objective, "show"):  # a score of more than the logits
        return
    logits = jax.ShapeDtypeStruct((2, num_classes), jnp.float32)
    try:
        fitness = jax.eval_shape(objective, logits, jax.ShapeDtypeStruct((), jnp.int32))
    except Exception as error:
        raise TypeError(
            "objective: expected a function of (logits [P, K], class []), got "
            f"{brief(objective)}: {first_line(error):.120}"
        ) from error
    if getattr(fitness, "shape", None) != (2,) or not is_kind(fitness, np.floating):
        got = fitness if hasattr(fitness, "dtype") else brief(fitness)
        raise TypeError(
            f"objective: expected floats [P] from (logits [P, K], class []), here [2] from "
            f"{[2, num_classes]}, got {got!s:.80}"
        )


def check_classes(jobs: Any, targeted: bool, num_classes: int, axes: str = "N") -> None:
    """Checks that jobs have the class that the attack needs, and that classes are in range.

    Args:
      axes: of each array of classes.
    Raises:
      TypeError, ValueError: naming the field.
    """
    reference_class(jobs, targeted)
    for name in ("target", "label"):
        if getattr(jobs, name, None) is None:
            continue
        given = known(getattr(jobs, name))
        whole = is_kind(given, np.integer)
        if given.ndim != len(axes.split(", ")) or not given.size or not whole:
            raise TypeError(
                f"jobs.{name}: expected integers [{axes}], got {given.dtype} {given.shape}"
            )
        if (classes := values_of(given)) is None:
            continue
        if classes.min() < 0 or classes.max() >= num_classes:
            raise ValueError(
                f"jobs.{name}: expected classes 0 to {num_classes - 1}, "
                f"got {classes.min()} to {classes.max()}"
            )
    if targeted and getattr(jobs, "label", None) is not None:
        _check_apart(jobs)


def check_heading(jobs: Any, part: Any) -> None:
    """Raises TypeError or ValueError where an attack that leaves `jobs.label` has a part that needs
    another class to head for, and jobs have none."""
    if not getattr(part, "needs_target", False):
        return
    if getattr(jobs, "target", None) is None:
        raise TypeError(
            f"jobs.target: expected the class to head for, as {brief(part)} needs it, got none"
        )
    _check_apart(jobs)


def _check_apart(jobs: Any) -> None:
    """Raises ValueError where the class to reach is the one to leave."""
    target, label = known(jobs.target), known(jobs.label)
    if isinstance(target, Tracer) or isinstance(label, Tracer) or target.shape != label.shape:
        return
    if (same := target == label).any():
        raise ValueError(
            "jobs.target: expected another class than jobs.label, "
            f"got {target[same][0]} as both in job {same.argmax()}"
        )


def check_base(base: Any, image_shape: tuple[int, int, int], *, images: bool = True) -> None:
    """Checks bases in [0, 1]: colors `[N, C]` or, if `images` may be given, `[N, H, W, C]`, which
    may be `Rows`.

    Raises:
      TypeError, ValueError: naming `jobs.base`.
    """
    base = known(base)
    shapes = [image_shape[2:], image_shape] if images else [image_shape[2:]]
    if base.shape[1:] not in shapes:
        listed = " or ".join(f"[N, {', '.join(map(str, shape))}]" for shape in shapes)
        raise ValueError(f"jobs.base: expected floats {listed}, got shape {list(base.shape)}")
    check_floats("jobs.base", base)
    check_in_box("jobs.base", base)


def check_images(name: str, images: Any) -> None:
    """Raises TypeError or ValueError unless they are floats `[N, H, W, C]` in [0, 1]."""
    images = known(images)
    if images.ndim != 4:
        raise ValueError(
            f"{name}: expected floats [N, H, W, C], got shape {list(images.shape)}"
            f"{' (one image is images[None])' if images.ndim == 3 else ''}"
        )
    check_floats(name, images)
    check_in_box(name, images)


def check_floats(name: str, images: Any) -> None:
    """Raises TypeError unless they are floats, of any size."""
    if not is_kind(images, np.floating):
        mend = " (divide 8-bit by 255)" if is_kind(images, np.integer) else ""
        raise TypeError(f"{name}: expected floats in [0, 1], got {images.dtype}{mend}")


def check_in_box(name: str, images: Any) -> None:
    """Raises ValueError unless all values are in [0, 1] in float32; of traced ones nothing is
    known."""
    if isinstance(images, Tracer):
        return
    if 0 in images.shape:
        raise ValueError(f"{name}: expected at least one number, got shape {list(images.shape)}")
    ends = images.extremes() if isinstance(images, Rows) else (images.min(), images.max())
    low, high = (np.float32(end) for end in ends)
    if low >= 0 and high <= 1:
        return
    if np.isnan(low) or np.isnan(high):
        mend = "leave out what is NaN"
    elif low >= -_ROUNDING and high <= 1 + _ROUNDING:
        mend = "jax.numpy.clip(images, 0, 1) mends rounding"
    elif low >= 0:
        mend = "divide 8-bit by 255"
    else:
        mend = "give images before normalization, which is the model's: jfool.wrap(mean=, std=)"
    raise ValueError(f"{name}: expected values in [0, 1], got {low} to {high} ({mend})")


def check_image_shape(shape: Any) -> None:
    """Raises ValueError unless it is (height, width, channels)."""
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(is_whole(n, 1) for n in shape)):
        raise ValueError(f"image_shape: expected (height, width, channels), got {brief(shape)}")


def check_attack(attack: Any) -> None:
    """Raises TypeError unless it has the methods of an attack."""
    if isinstance(attack, type):
        raise TypeError(
            f"attack: expected an instance such as jfool.{attack.__name__}(...), got the class"
        )
    missing = [n for n in ("init", "step", "best", "check") if not hasattr(attack, n)]
    if missing:
        raise TypeError(f"attack: expected an attack, got {kind_of(attack)} without {missing}")
    if jax.tree_util.all_leaves([attack]):
        raise TypeError(
            "attack: expected a pytree (decorate its class with jfool.base.pytree), "
            f"got {kind_of(attack)}"
        )


def check_key(key: Any) -> None:
    if not is_key(key):
        raise TypeError(f"key: expected a typed key such as jax.random.key(0), got {kind_of(key)}")
    if key.ndim:
        raise TypeError(f"key: expected one key, got an array of keys {list(key.shape)}")
    if jax.random.key_impl(key) != KEY_TYPE:
        raise ValueError(
            "key: expected a threefry key (others draw differently under vmap, so a job would "
            f"depend on its neighbors), got {jax.random.key_impl(key)}"
        )


def check_until(until: Any, num_classes: int, targeted: bool) -> None:
    if not callable(until):
        raise TypeError(
            f"until: expected None or a criterion such as jfool.confident(0.9), got {brief(until)}"
        )
    logits = jax.ShapeDtypeStruct((num_classes,), jnp.float32)
    reference = jax.ShapeDtypeStruct((), jnp.int32)
    try:
        stop = jax.eval_shape(functools.partial(until, targeted=targeted), logits, reference)
    except Exception as error:
        if str(error).startswith("until:"):
            raise
        raise TypeError(
            f"until: expected a function of (logits [K], class, targeted), got {brief(until)}: "
            f"{first_line(error):.120}"
        ) from error
    if getattr(stop, "shape", None) != () or stop.dtype != bool:
        raise TypeError(f"until: expected one boolean from (logits [K], class), got {stop!s:.80}")


def check_job_ids(job_ids: Any, count: int) -> None:
    given = known(job_ids)
    if given.shape != (count,):
        raise ValueError(f"job_ids: expected one per job, shape [{count}], got {list(given.shape)}")
    ids = values_of(given)
    fits = is_kind(given, np.integer) and (ids is None or (ids.min() >= 0 and ids.max() <= LARGEST))
    if not fits:
        raise ValueError(f"job_ids: expected whole numbers in [0, 2**31), got {brief(given)}")
    if ids is not None and len(np.unique(ids)) != count:
        raise ValueError("job_ids: expected distinct numbers, got duplicates")


def kind_of(value: Any) -> str:
    """For error messages: type and value, or of a callable the type alone."""
    return f"{type(value).__name__} {value!r:.60}" if not callable(value) else type(value).__name__
