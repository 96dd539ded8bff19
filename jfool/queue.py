"""Rows of many lanes: all in one call, or in a queue of calls, wanted ones first."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jfool.base import pytree


@pytree
class LaneRows:
    """What differs between lanes; leaves have the leading axis L."""

    own: dict[int, Any]
    job: Any
    genotypes: Any  # [L, P, ...]
    wanted: Any  # [L] or [L, P] bool, or None
    row: Any  # [L, P] int, the number of each row
    key: Any  # [L, 2], or None


def at_once(call: Callable[[LaneRows], Any], lanes: LaneRows) -> Any:
    """All rows in one call, in their order."""
    num_lanes, population = lanes.row.shape

    def of_rows(leaf: Array) -> Array:
        if population == 1:
            return leaf
        repeated = jnp.broadcast_to(leaf[:, None], (num_lanes, population, *leaf.shape[1:]))
        return _flat(repeated)

    read = call(
        LaneRows(
            own=jax.tree.map(of_rows, lanes.own),
            job=jax.tree.map(of_rows, lanes.job),
            genotypes=jax.tree.map(_flat, lanes.genotypes),
            wanted=None,
            row=_flat(lanes.row),
            key=None if lanes.key is None else of_rows(lanes.key),
        )
    )

    def in_lanes(read: Array) -> Array:
        read = read.reshape(num_lanes, population, *read.shape[1:])
        if lanes.wanted is None:
            return read
        wanted = lanes.wanted.reshape(num_lanes, -1, *[1] * (read.ndim - 2))
        return jnp.where(wanted, read, _nothing(read.dtype))

    return jax.tree.map(in_lanes, read)


def queued(call: Callable[[LaneRows], Any], lanes: LaneRows, batch: int) -> Any:
    """Calls of `batch` rows, wanted ones first, until none is left; the last call is padded.

    The queue holds units of rows that are wanted together: whole lanes, or single rows if those of
    a lane differ.
    """
    num_lanes, population = lanes.row.shape
    total = num_lanes * population
    wanted = jnp.ones(num_lanes, bool) if lanes.wanted is None else lanes.wanted
    unit = population if wanted.ndim == 1 else 1
    wanted = wanted.ravel()
    order = jnp.argsort(~wanted, stable=True)
    num_wanted = wanted.sum(dtype=jnp.int32) * unit

    def read_call(start: Array) -> Any:
        place = jnp.minimum(start + jnp.arange(batch), total - 1)  # a remainder repeats the last
        flat = order[place // unit] * unit + place % unit
        lane, row = flat // population, flat % population
        return call(
            LaneRows(
                own=jax.tree.map(lambda leaf: leaf[lane], lanes.own),
                job=jax.tree.map(lambda leaf: leaf[lane], lanes.job),
                genotypes=jax.tree.map(lambda leaf: leaf[lane, row], lanes.genotypes),
                wanted=None,
                row=lanes.row[lane, row],
                key=None if lanes.key is None else lanes.key[lane],
            )
        )

    def compute(i: ArrayLike, read: Any) -> Any:
        start = jnp.asarray(i, jnp.int32) * batch
        return jax.tree.map(
            lambda all_, part: lax.dynamic_update_slice_in_dim(all_, part, start, 0),
            read,
            read_call(start),
        )

    def in_lanes(read: Array) -> Array:
        is_wanted = (jnp.arange(total) < num_wanted).reshape(-1, *[1] * (read.ndim - 1))
        read = jnp.where(is_wanted, read[:total], _nothing(read.dtype))
        units = read.reshape(-1, unit, *read.shape[1:])[jnp.argsort(order)]
        return units.reshape(num_lanes, population, *read.shape[1:])

    num_calls = -(-total // batch)
    shapes = jax.eval_shape(read_call, jnp.zeros((), jnp.int32))
    read = jax.tree.map(
        lambda out: jnp.full((num_calls * batch, *out.shape[1:]), _nothing(out.dtype), out.dtype),
        shapes,
    )
    read = lax.fori_loop(0, -(-num_wanted // batch), compute, read)
    return jax.tree.map(in_lanes, read)


def _flat(leaf: Array) -> Array:
    return leaf.reshape(-1, *leaf.shape[2:])


def _nothing(dtype: Any) -> Array:
    value = jnp.nan if jnp.issubdtype(dtype, jnp.floating) else 0
    return jnp.asarray(value, dtype)
