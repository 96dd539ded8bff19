"""Checks of a model, made before it is compiled into an attack."""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.arguments import kind_of
from jfool.base import KEY_TYPE, Attack
from jfool.batches import batch_size
from jfool.evaluate import chunk_for, is_stochastic
from jfool.model_outputs import logits_of

_TOLERANCE = 0.01  # of a sum of probabilities: computed in bfloat16, it is this far from 1


def check_model(model: Any) -> None:
    """Checks for a callable pytree in inference mode, with finite weights."""
    leaves = check_weights(model)
    if (where := in_training_mode(model)) is not None:
        raise ValueError(
            f"model: expected a module in inference mode, got {where:.120} in training mode "
            "(call model.eval() first)"
        )
    floats = [x for x in leaves if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    valued = [x for x in floats if not isinstance(x, Tracer)]
    with jax.ensure_compile_time_eval():  # at once, also inside a user's own jit
        if not bool(_all_finite(valued)):
            raise ValueError("model: expected weights without NaN or infinity, got some")


def check_weights(model: Any) -> list[Any]:
    """The leaves of a model; raises TypeError unless it is a callable pytree of arrays."""
    if not callable(model):
        raise TypeError(f"model: expected a callable images -> logits, got {kind_of(model)}")
    leaves = jax.tree.leaves(model)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        raise TypeError("model: expected weights, got shapes without values (jax.ShapeDtypeStruct)")
    odd = [x for x in leaves if not isinstance(x, (jax.Array, np.ndarray, np.generic, int, float))]
    if odd:
        raise TypeError(
            "model: expected a pytree of arrays (a bare function goes through jfool.wrap), "
            f"got a leaf of type {type(odd[0]).__name__}"
        )
    return leaves


def check_deterministic(model: Any, remedy: str) -> None:
    """Raises ValueError if the model draws at random."""
    if is_stochastic(model):
        raise ValueError(
            f"model: expected one without draws, got a stochastic {type(model).__name__} ({remedy})"
        )


def check_output(model: Any, attack: Attack, num_images: int, chunk: int | None) -> None:
    """`check_logits` of what is shown of `num_images`, and a warning if they seem to be
    probabilities. Called by what users call."""
    check_logits(model, attack, num_images, chunk)
    if are_probabilities(model, attack.image_shape, attack.num_classes):
        warnings.warn(
            "model: expected logits, got rows that sum to 1, which seem to be probabilities: their "
            "softmax is nearly flat, so no confidence gets large (return the values before the "
            "softmax, or jnp.log(p + 1e-30))",
            stacklevel=4,  # over `undisturbed`
        )


def check_logits(model: Any, attack: Attack, num_images: int, chunk: int | None = None) -> None:
    """Checks that the model turns a call's share of `num_images` into logits `[B, K]`; nothing is
    computed.

    Raises:
      TypeError, ValueError: it does not.
    """
    _check_logits(
        model,
        attack.image_shape,
        attack.num_classes,
        batch_size(num_images, chunk_for(model, chunk)),
    )


def are_probabilities(model: Any, image_shape: tuple[int, int, int], num_classes: int) -> bool:
    """Whether two images of noise get rows that are not negative and sum to 1.

    One-hot rows are probabilities too. Nothing is shown inside a user's `jit`; of a model that does
    not take two images, nothing is known.
    """
    leaves, structure = jax.tree.flatten(model)
    if any(isinstance(leaf, Tracer) for leaf in (jnp.zeros(()), *leaves)):
        return False
    noise = jnp.asarray(np.random.default_rng(0).uniform(size=(2, *image_shape)), jnp.float32)
    keys = [_keys(2)] if is_stochastic(model) else []
    try:
        rows = np.asarray(_call(structure, num_classes, leaves, noise, *keys), np.float32)
    except Exception:  # such as that of a function outside of JAX, made for batches of one size
        return False
    return bool((rows >= 0).all() and (np.abs(rows.sum(1) - 1) <= _TOLERANCE).all())


def in_training_mode(model: Any, name: str = "model") -> str | None:
    """The path of the first submodule in training mode (dropout, batch statistics), or None.

    Modules tell by `deterministic`, `use_running_average` (Flax) or `training`.
    """
    seen: set[int] = set()

    def visit(node: Any, path: str) -> str | None:
        if id(node) in seen or isinstance(node, (jax.Array, np.ndarray, str, int, float)):
            return None
        seen.add(id(node))
        if isinstance(node, (list, tuple)):
            children = [(f"{path}[{i}]", child) for i, child in enumerate(node)]
        elif isinstance(node, dict):
            children = [(f"{path}[{key!r}]", child) for key, child in node.items()]
        else:
            fields = getattr(node, "__dict__", {})
            drops = fields.get("deterministic") is False and fields.get("rate", 1) != 0
            if (
                drops
                or fields.get("use_running_average") is False
                or fields.get("training") is True
            ):
                return path
            children = [(f"{path}.{key}", child) for key, child in fields.items()]
        return next(filter(None, (visit(child, where) for where, child in children)), None)

    return visit(model, name)


def _check_logits(
    model: Any, image_shape: tuple[int, int, int], num_classes: int, batch: int
) -> None:
    leaves, structure = jax.tree.flatten(model)
    _call.eval_shape(structure, num_classes, leaves, *outlines(model, image_shape, batch))


def outlines(model: Any, image_shape: tuple[int, int, int], batch: int) -> list[Any]:
    """The shapes of what a model takes: of images, and of keys if it is stochastic."""
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.float32)
    keys = [jax.eval_shape(functools.partial(_keys, batch))] if is_stochastic(model) else []
    return [images, *keys]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _call(structure: Any, num_classes: int, leaves: list[Any], *given: Any) -> Any:
    """Of leaves, whose shapes JAX remembers faster than those of a module."""
    return logits_of(jax.tree.unflatten(structure, leaves), *given, num_classes=num_classes)


def _keys(count: int) -> Any:
    return jax.random.split(jax.random.key(0, impl=KEY_TYPE), count)


@jax.jit
def _all_finite(leaves: list[Any]) -> Any:
    return jnp.stack([jnp.ones((), bool), *(jnp.isfinite(leaf).all() for leaf in leaves)]).all()
