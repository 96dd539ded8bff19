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
from jax import Array
from jax.tree_util import Partial
from jax.typing import ArrayLike

from jfool.base import KEY_TYPE, Model, is_key
from jfool.queue import LaneRows, at_once, queued


@dataclasses.dataclass(frozen=True)
class Batch:
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
Show = Callable[[Model, Batch], Any]


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
    lane = LaneRows({}, job, genotypes, wanted, row, key)
    lanes = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], lane)
    # Keys as their data: a key that enters a `custom_vmap` counts as used up.
    kinds = tuple(jax.random.key_impl(leaf) if is_key(leaf) else None for leaf in leaves)
    leaves = [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in leaves]
    read = _evaluator(treedef, kinds, show, form, chunk)(leaves, dict(enumerate(shared)), lanes)
    return jax.tree.map(lambda leaf: leaf[0], read)


def batch_size(num_images: int, chunk: int | None) -> int:
    """Images per model call for `num_images`: calls of even size, at most `chunk`."""
    num_calls = 1 if chunk is None else -(-num_images // chunk)
    return -(-num_images // num_calls)


def _evaluator(
    treedef: Any, kinds: tuple[Any, ...], show: Show, form: Any, chunk: int | None
) -> Callable[..., Any]:
    """Evaluates lanes; `vmap` adds lanes to the calls instead of calls.

    Args:
      treedef: of the model.
      kinds: of the keys among its leaves, which are given as their data; None for other leaves.
      form: of the parts.
    """

    def plain(leaves: list[Any], common: dict[int, Any], lanes: LaneRows) -> tuple[Any, Array]:
        def call(lanes: LaneRows) -> Any:
            # Unflattened in each trace, because a module in training mode writes to itself.
            model = jax.tree.unflatten(
                treedef,
                [
                    leaf if kind is None else jax.random.wrap_key_data(leaf, impl=kind)
                    for leaf, kind in zip(leaves, kinds, strict=True)
                ],
            )
            if lanes.key is not None:
                keys = jax.vmap(jax.random.fold_in)(
                    jax.random.wrap_key_data(lanes.key, impl=KEY_TYPE), lanes.row
                )
                return show(Partial(_with_keys, model, keys), rows(lanes))
            return show(model, rows(lanes))

        def rows(lanes: LaneRows) -> Batch:
            return Batch(lanes.job, lanes.genotypes, form, common, lanes.own)

        total = lanes.row.size
        batch = batch_size(total, chunk)
        evaluated = at_once(call, lanes) if batch == total else queued(call, lanes, batch)
        return evaluated, _num_wanted(lanes)

    evaluate = jax.custom_batching.custom_vmap(plain)

    @evaluate.def_vmap
    def more_lanes(
        size: int, batched: Any, leaves: list[Any], common: dict[int, Any], lanes: LaneRows
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


def _num_wanted(lanes: LaneRows) -> Array:
    """`[L]` int."""
    num_lanes, population = lanes.row.shape
    if lanes.wanted is None:
        return jnp.full(num_lanes, population, jnp.int32)
    wanted = lanes.wanted.reshape(num_lanes, -1)
    return wanted.sum(1, dtype=jnp.int32) * (population // wanted.shape[1])
