"""Jobs sharded over the devices of a mesh."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, PartitionSpec


def on_any_mesh(function: Callable[..., Any], jobs: Any) -> Callable[..., Any]:
    """`function`, whose results have the leading axis of `jobs`, also where the axes of the mesh
    are explicit: inside, the compiler shards arrays as it does on a mesh of `Auto` axes, and the
    results are sharded as the jobs are."""
    sharding = jax.typeof(jax.tree.leaves(jobs)[0]).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return function
    return jax.sharding.auto_axes(function, out_sharding=PartitionSpec(*sharding.spec[:1]))
