"""Checks of single arguments, made before compilation. Their errors say what was expected and what
came instead.

Inside a user's `jit` some arrays are traced: only their shapes and types are known and checked. The
others are checked as always.
"""

import functools
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.base import KEY_TYPE, is_key, reference_class
from jfool.model_outputs import first_line
from jfool.rows import Rows


def is_whole(value: Any, least: int) -> bool:
    """A whole number (no bool, no float) of at least `least`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= least)


def is_number(
    value: Any,
    *,
    least: Any = -np.inf,
    above: Any = -np.inf,
    most: Any = np.inf,
    below: Any = np.inf,
    whole: bool = False,
    ndim: int = 0,
) -> TypeGuard[float]:
    """One finite real number of any type within bounds, or an array of them with `ndim` axes. If it
    is traced, the bounds are not checked."""
    array = known(value)
    if array.ndim != ndim or not (is_kind(array, np.floating) or is_kind(array, np.integer)):
        return False
    if isinstance(array, Tracer):
        return True
    inside = (least <= array) & (array <= most) & (above < array) & (array < below)
    fits = np.isfinite(array) & inside & (not whole or array % 1 == 0)
    return bool(np.all(fits))


def known(value: Any) -> Any:
    """As NumPy, to compute with at once also inside a user's `jit`; a traced array, and rows of a
    data set, as they are."""
    return value if isinstance(value, (Tracer, Rows)) else np.asarray(value)


def values_of(value: Any) -> np.ndarray | None:
    """As NumPy; None for a traced array."""
    return None if isinstance(value, Tracer) else np.asarray(value)


def is_kind(array: Any, kind: type) -> bool:
    """Whether it is of a kind of dtype such as `np.integer`."""
    return bool(jnp.issubdtype(array.dtype, kind))


def check_num_classes(value: Any) -> None:
    """Raises ValueError unless it is a number of classes. Of one class, softmax is always 1."""
    if not is_whole(value, 2):
        raise ValueError(
            f"num_classes: expected a whole number of at least 2, got {value!r:.60} (make two "
            "logits of a sigmoid's logit z: jnp.concatenate([jnp.zeros_like(z), z], -1))"
        )


def check_targeted(objective: Any) -> None:
    """Raises TypeError unless the objective is a targeted one."""
    if getattr(objective, "targeted", None) is not True:
        raise TypeError(
            f"objective: expected a targeted one, such as jfool.Confidence(), got {objective!r}"
        )


def check_part(name: str, part: Any, protocol: type, example: str) -> None:
    """Checks a part of an attack, and calls its own `check()` if it has one.

    Raises:
      TypeError: it does not follow the protocol, or is a class instead of an instance.
      TypeError, ValueError: from its own `check()`.
    """
    if isinstance(part, type) or not isinstance(part, protocol):
        raise TypeError(f"{name}: expected one such as {example}, got {part!r:.60}")
    if callable(check := getattr(part, "check", None)):
        check()


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
    if not is_kind(base, np.floating):
        raise TypeError(
            f"jobs.base: expected floats in [0, 1], got {base.dtype} (divide 8-bit by 255)"
        )
    check_in_box("jobs.base", base)


def check_in_box(name: str, images: Any) -> None:
    """Raises ValueError unless all values are in [0, 1]; of traced ones nothing is known."""
    if isinstance(images, Tracer):
        return
    low, high = images.extremes() if isinstance(images, Rows) else (images.min(), images.max())
    if not (low >= 0 and high <= 1):  # nor if they are NaN
        raise ValueError(f"{name}: expected values in [0, 1], got {low:.9g} to {high:.9g}")


def check_image_shape(shape: Any) -> None:
    """Raises ValueError unless it is (height, width, channels)."""
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(is_whole(n, 1) for n in shape)):
        raise ValueError(f"image_shape: expected (height, width, channels), got {shape!r}")


def check_attack(attack: Any) -> None:
    """Raises TypeError unless it has the methods of an attack."""
    if isinstance(attack, type):
        raise TypeError(
            f"attack: expected an instance such as jfool.{attack.__name__}(...), got the class"
        )
    missing = [n for n in ("init", "step", "best", "check") if not hasattr(attack, n)]
    if missing:
        raise TypeError(f"attack: expected an attack, got {kind_of(attack)} without {missing}")


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
            f"until: expected None or a criterion such as jfool.confident(0.9), got {until!r}"
        )
    logits = jax.ShapeDtypeStruct((num_classes,), jnp.float32)
    reference = jax.ShapeDtypeStruct((), jnp.int32)
    try:
        stop = jax.eval_shape(functools.partial(until, targeted=targeted), logits, reference)
    except Exception as error:
        if str(error).startswith("until:"):
            raise
        raise TypeError(
            f"until: expected a function of (logits [K], class, targeted), got {until!r:.60}: "
            f"{first_line(error)}"
        ) from error
    if getattr(stop, "shape", None) != () or stop.dtype != bool:
        raise TypeError(f"until: expected one boolean from (logits [K], class), got {stop}")


def check_job_ids(job_ids: Any, count: int) -> None:
    if np.shape(job_ids) != (count,):
        raise ValueError(
            f"job_ids: expected one per job, shape [{count}], got {list(np.shape(job_ids))}"
        )
    given, ids = known(job_ids), values_of(job_ids)
    fits = is_kind(given, np.integer) and (ids is None or (ids.min() >= 0 and ids.max() < 2**31))
    if not fits:
        raise ValueError(f"job_ids: expected whole numbers in [0, 2**31), got {given!r:.60}")
    if ids is not None and len(np.unique(ids)) != count:
        raise ValueError("job_ids: expected distinct numbers, got duplicates")


def kind_of(value: Any) -> str:
    """For error messages: type and value, or of a callable the type alone."""
    return f"{type(value).__name__} {value!r:.60}" if not callable(value) else type(value).__name__
