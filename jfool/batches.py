"""Shows the genotypes of all lanes to the model, a batch at a time.

Where everything fits one call, this is straight-line code: the rows keep their order, and with it
their sharding over devices. Otherwise the rows form one queue, those that are wanted first, and
only the calls that hold wanted rows are made. Images exist only inside a call.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.tree_util import Partial
from jax.typing import ArrayLike

from jfool.base import KEY_TYPE, Model, pytree


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one model call; leaves have the leading axis B.

    Attributes:
      parts: what decodes and judges them, e.g. an encoding and an objective.
      job: the job of each row.
      genotypes: one a row.
    """

    job: Any
    genotypes: Any
    _form: Any
    _common: dict[int, Any]  # leaves of the parts that all rows share, by position
    _own: dict[int, Any]  # those that differ between lanes, [B, ...]

    @property
    def parts(self) -> Any:
        return self._parts(self._own)

    def each(self, function: Callable[..., Any], *arrays: Any) -> Any:
        """`function(parts, job, *array)` of each row, vmapped."""

        def of_row(own: dict[int, Any], job: Any, *row: Any) -> Any:
            return function(self._parts(own), job, *row)

        return jax.vmap(of_row)(self._own, self.job, *arrays)

    def _parts(self, own: dict[int, Any]) -> Any:
        leaves = self._common | own
        return jax.tree.unflatten(self._form, [leaves[i] for i in sorted(leaves)])


# What one model call computes: arrays [B, ...].
Show = Callable[[Model, Rows], Any]


@pytree
class _Lanes:
    """What differs between lanes; leaves have the leading axis L."""

    own: dict[int, Any]
    job: Any
    genotypes: Any  # [L, P, ...]
    wanted: Any  # [L] or [L, P] bool, or None
    row: Any  # [L, P] int, the number of each row
    key: Any  # [L, 2], or None


@functools.partial(jax.jit, static_argnames=("show", "chunk"), inline=True)
def in_batches(
    model: Model,
    show: Show,
    parts: Any,
    job: Any,
    genotypes: Any,
    wanted: Array | None = None,
    key: Array | None = None,
    first: ArrayLike = 0,
    *,
    chunk: int | None = None,
) -> tuple[Any, Array]:
    """Applies `show` to the genotypes `[P, ...]` of a lane; under `vmap`, to those of all lanes
    together, however many `vmap` there are. Parts may differ between lanes, too. If models do, each
    lane has calls of its own.

    Args:
      model: `images [B, H, W, C] -> logits`, or `(images, keys [B]) -> logits` with a key.
      show: what one call computes.
      parts: its encoding, objective, ..., a pytree.
      wanted: `[]` or `[P]` bool; other rows are NaN (0 for integers). None for all.
      key: data of the key from which each row's is folded, for a stochastic model; else None.
      first: number of the first row, for its key.
      chunk: the most images per call, over all lanes together; None for one call.
    Returns:
      Arrays `[P, ...]`, and how many rows were wanted, `[]`.
    """
    leaves, treedef = jax.tree.flatten(model)
    shared, form = jax.tree.flatten(parts)
    row = jnp.arange(jax.tree.leaves(genotypes)[0].shape[0], dtype=jnp.int32) + first
    lane = _Lanes({}, job, genotypes, wanted, row, key)
    lanes = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], lane)
    read = _evaluator(treedef, show, form, chunk)(leaves, dict(enumerate(shared)), lanes)
    return jax.tree.map(lambda leaf: leaf[0], read)


def batch_size(num_images: int, chunk: int | None) -> int:
    """Images per model call for `num_images`: calls of even size, at most `chunk`."""
    num_calls = 1 if chunk is None else -(-num_images // chunk)
    return -(-num_images // num_calls)


def _evaluator(treedef: Any, show: Show, form: Any, chunk: int | None) -> Callable[..., Any]:
    """Evaluates lanes; `vmap` adds lanes to the calls instead of calls."""

    def plain(leaves: list[Any], common: dict[int, Any], lanes: _Lanes) -> tuple[Any, Array]:
        def call(lanes: _Lanes) -> Any:
            # Unflattened in each trace, because a module in training mode writes to itself.
            model = jax.tree.unflatten(treedef, leaves)
            if lanes.key is not None:
                keys = jax.vmap(jax.random.fold_in)(
                    jax.random.wrap_key_data(lanes.key, impl=KEY_TYPE), lanes.row
                )
                return show(Partial(_with_keys, model, keys), rows(lanes))
            return show(model, rows(lanes))

        def rows(lanes: _Lanes) -> Rows:
            return Rows(lanes.job, lanes.genotypes, form, common, lanes.own)

        total = lanes.row.size
        batch = batch_size(total, chunk)
        evaluated = _at_once(call, lanes) if batch == total else _queued(call, lanes, batch)
        return evaluated, _num_wanted(lanes)

    evaluate = jax.custom_batching.custom_vmap(plain)

    @evaluate.def_vmap
    def more_lanes(
        size: int, batched: Any, leaves: list[Any], common: dict[int, Any], lanes: _Lanes
    ) -> tuple[Any, Any]:
        models_differ = any(jax.tree.leaves(batched[0]))
        if models_differ:
            axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, tuple(batched))
            read = jax.vmap(plain, axes)(leaves, common, lanes)
        else:
            num_lanes = lanes.row.shape[1 if batched[2].row else 0]
            lanes = jax.tree.map(functools.partial(_merged, size), lanes, batched[2])
            own = {
                i: jnp.repeat(leaf, num_lanes, axis=0)
                for i, leaf in common.items()
                if batched[1][i]
            }
            common = {i: leaf for i, leaf in common.items() if i not in own}
            lanes = dataclasses.replace(lanes, own=lanes.own | own)
            read = evaluate(leaves, common, lanes)
            read = jax.tree.map(lambda leaf: leaf.reshape(size, -1, *leaf.shape[1:]), read)
        return read, jax.tree.map(lambda _: True, read)

    return evaluate


def _merged(size: int, leaf: Array, is_batched: bool) -> Array:
    """Two axes of lanes as one."""
    leaf = leaf if is_batched else jnp.broadcast_to(leaf, (size, *leaf.shape))
    return leaf.reshape(-1, *leaf.shape[2:])


def _with_keys(model: Any, keys: Array, images: Array) -> Array:
    return model(images, keys)


def _num_wanted(lanes: _Lanes) -> Array:
    """`[L]` int."""
    num_lanes, population = lanes.row.shape
    if lanes.wanted is None:
        return jnp.full(num_lanes, population, jnp.int32)
    wanted = lanes.wanted.reshape(num_lanes, -1)
    return wanted.sum(1, dtype=jnp.int32) * (population // wanted.shape[1])


def _at_once(call: Callable[[_Lanes], Any], lanes: _Lanes) -> Any:
    """All rows in one call, in their order."""
    num_lanes, population = lanes.row.shape

    def of_rows(leaf: Array) -> Array:
        if population == 1:
            return leaf
        repeated = jnp.broadcast_to(leaf[:, None], (num_lanes, population, *leaf.shape[1:]))
        return _flat(repeated)

    read = call(
        _Lanes(
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


def _queued(call: Callable[[_Lanes], Any], lanes: _Lanes, batch: int) -> Any:
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
            _Lanes(
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
