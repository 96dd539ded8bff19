"""What `run` refuses, in one sentence each, before anything is compiled."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jfool.base import KEY_TYPE, Model
from jfool.expect import is_whole
from jfool.jobs import num_jobs


def check_run(
    key: Any,
    attack: Any,
    model: Model,
    jobs: Any,
    num_steps: Any,
    until: Any,
    max_queries: Any,
    chunk: Any,
    job_ids: Any,
) -> None:
    """Raises TypeError or ValueError, naming the argument, what was expected and what came.

    Values of traced arguments (a `run` inside a user's own `jit`) cannot be looked at; their
    shapes are checked all the same.
    """
    check_key(key)
    missing = [n for n in ("init", "step", "best", "check") if not hasattr(attack, n)]
    if missing:
        raise TypeError(f"attack: expected an attack, got {_of(attack)} without {missing}")
    count = num_jobs(jobs)
    if not _traced((attack, jobs)):
        attack.check(jax.tree.map(np.asarray, jobs))
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


def check_key(key: Any) -> None:
    is_key = isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not is_key:
        raise TypeError(f"key: expected a typed key such as jax.random.key(0), got {_of(key)}")
    if key.ndim:
        raise TypeError(f"key: expected one key, got an array of keys {list(key.shape)}")
    if jax.random.key_impl(key) != KEY_TYPE:
        raise ValueError(
            "key: expected a threefry key (others draw differently under vmap, so a job would "
            f"depend on its neighbours), got {jax.random.key_impl(key)}"
        )


def check_until(until: Any, num_classes: int, targeted: bool) -> None:
    if not callable(until):
        raise TypeError(
            f"until: expected None or a criterion such as jfool.confident(0.9), got {until!r}"
        )
    logits = jax.ShapeDtypeStruct((num_classes,), jnp.float32)
    label = jax.ShapeDtypeStruct((), jnp.int32)
    try:
        stop = jax.eval_shape(functools.partial(until, targeted=targeted), logits, label)
    except Exception as error:
        if str(error).startswith("until:"):
            raise
        raise TypeError(
            f"until: expected a function of (logits [K], label, targeted), got {until!r:.60}: "
            f"{_first_line(error)}"
        ) from error
    if getattr(stop, "shape", None) != () or stop.dtype != bool:
        raise TypeError(f"until: expected one boolean from (logits [K], label), got {stop}")


def check_job_ids(job_ids: Any, count: int) -> None:
    if np.shape(job_ids) != (count,):
        raise ValueError(
            f"job_ids: expected one per job, shape [{count}], got {list(np.shape(job_ids))}"
        )
    if _traced(job_ids):
        return
    ids = np.asarray(job_ids)
    if not np.issubdtype(ids.dtype, np.integer) or ids.min() < 0 or ids.max() >= 2**31:
        raise ValueError(f"job_ids: expected whole numbers in [0, 2**31), got {ids!r:.60}")
    if len(np.unique(ids)) != count:
        raise ValueError("job_ids: expected distinct numbers, got duplicates")


def check_model(model: Any, image_shape: tuple[int, int, int], num_classes: int) -> None:
    """A callable in inference mode, with finite weights, that maps images to `[B, K]`."""
    if not callable(model):
        raise TypeError(f"model: expected a callable images -> logits, got {_of(model)}")
    if (where := in_training_mode(model)) is not None:
        raise ValueError(
            f"model: expected a module in inference mode, got {where} in training mode "
            "(call model.eval() first)"
        )
    leaves = jax.tree.leaves(model)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        raise TypeError("model: expected weights, got shapes without values (jax.ShapeDtypeStruct)")
    odd = [x for x in leaves if not isinstance(x, (jax.Array, np.ndarray, np.generic, int, float))]
    if odd:
        raise TypeError(
            "model: expected a pytree of arrays (a bare function goes through jfool.wrap), "
            f"got a leaf of type {type(odd[0]).__name__}"
        )
    floats = [x for x in leaves if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    with jax.ensure_compile_time_eval():  # at once, also inside a user's own jit
        if not _traced(leaves) and not bool(_all_finite(floats)):
            raise ValueError("model: expected weights without NaN or infinity, got some")
    batch = 2
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.float32)
    try:
        logits = jax.eval_shape(_call, model, images)
    except Exception as error:
        raise ValueError(
            f"model: expected it to take images {[batch, *image_shape]}, got {_first_line(error)}"
        ) from error
    if getattr(logits, "shape", None) != (batch, num_classes):
        raise ValueError(
            f"model: expected logits {[batch, num_classes]} for {batch} images "
            f"(num_classes = {num_classes}), got {getattr(logits, 'shape', _of(logits))}"
        )
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise TypeError(f"model: expected floating-point logits, got {logits.dtype}")


def in_training_mode(model: Any, name: str = "model") -> str | None:
    """The path of the first submodule that would act as in training: dropout or batch statistics.

    Modules say so by `deterministic`, `use_running_average` (Flax) or `training`.
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


def _call(model: Any, images: Any) -> Any:
    return model(images)


@jax.jit
def _all_finite(leaves: list[Any]) -> Any:
    return jnp.stack([jnp.ones((), bool), *(jnp.isfinite(leaf).all() for leaf in leaves)]).all()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).split(chr(10))[0]}"


def _traced(tree: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def _of(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.60}" if not callable(value) else type(value).__name__
