"""Checks of the parts of an attack, whose class may be a user's own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jfool.base import Objective
from jfool.numbers import brief, is_kind, is_real, known


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
    given = (float32(2, num_classes), jax.ShapeDtypeStruct((), jnp.int32))
    check_gives("objective", objective, "(logits [P, K], class []) -> floats [P]", given, (2,))


def check_gives(
    name: str, function: Any, form: str, given: tuple[Any, ...], shape: tuple[int, ...]
) -> None:
    """Raises TypeError unless a function of arrays like `given` gives floats of that shape; it is
    only traced. `form` says so in words."""
    try:
        with jax.numpy_dtype_promotion("standard"):  # programs hold all numbers in 32 bits
            found = jax.eval_shape(function, *given)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).split(chr(10))[0]:.100}"
        raise TypeError(f"{name}: expected {form}, got {brief(function)} ({reason})") from error
    if getattr(found, "shape", None) != shape or not is_kind(found, np.floating):
        told = f"{found.dtype} {list(found.shape)}" if hasattr(found, "dtype") else brief(found)
        raise TypeError(f"{name}: expected {form}, here {list(shape)}, got {told}")


def float32(*shape: int) -> jax.ShapeDtypeStruct:
    """Shapes without values, for `check_gives`."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)
