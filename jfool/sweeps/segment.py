"""A segment: the steps between two visits of the host, as one compiled call on all devices.

`L` lanes lie on a mesh with the axes `lanes` (devices with lanes of their own, which do not
communicate) and `population` (devices that share lanes and split their populations).
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Bool

from jfool.base import KEY_TYPE, Attack, PRNGKey, pytree
from jfool.loop import Lanes, Limits, Loop, Settings, limits_of, nothing_like, where

LANES, POPULATION = "lanes", "population"
# Fields of `AttackResult`; images follow from the genotypes.
FINDINGS = (
    "confidence",
    "prediction",
    "success",
    "success_rate",
    "clean_prediction",
    "distances",
    "confidence_uint8",
    "success_uint8",
    "stopped",
    "num_queries",
    "num_gradients",
    "num_zero_gradients",
    "num_steps",
    "genotype",
    "notes",
    "history",
)


@pytree
class Entering:
    """Jobs that may enter lanes; every field has the leading axis L.

    Attributes:
      job_id, job: the candidates for each lane.
      enters: `[L]`, whether they enter.
    """

    job_id: Any
    job: Any
    enters: Any


def make_mesh(devices: Sequence[Any], split: int) -> Mesh:
    """Devices `[lanes, population]`; groups of `split` devices share populations.

    Raises:
      ValueError: `split` does not divide their number.
    """
    if len(devices) % split:
        raise ValueError(
            f"split: expected a divisor of the {len(devices)} devices, got {split} (1 always is)"
        )
    return Mesh(np.asarray(devices).reshape(-1, split), (LANES, POPULATION))


@pytree
class Given:
    """What a segment takes beside the lanes.

    Attributes:
      key: `[2]` uint32, data of the sweep's key; a job draws from `fold_in(key, job id)`.
      attack, model: of the sweep.
      entering: jobs for free lanes.
      limits: when a job is done.
      length: `[]` int, the most steps.
    """

    key: Any
    attack: Attack
    model: Any
    entering: Entering
    limits: Limits
    length: Any


@functools.partial(
    jax.jit, static_argnames=("form", "mesh", "settings"), donate_argnames="lane_leaves"
)
def segment(
    lane_leaves: list[Array], leaves: list[Array], *, form: Any, mesh: Mesh, settings: Settings
) -> tuple[Lanes, dict[str, Any]]:
    """Lets jobs enter, then steps each device's lanes until they are done, at most `length` times.

    It takes leaves, since JAX describes the arguments of a program that is compiled ahead of time
    by trees of objects that are no arrays, which a user's attack or model need not put up with.

    Args:
      lane_leaves: of `Lanes`, donated.
      leaves: of `Given`.
      form: the structure of (lanes, given).
      mesh: of `make_mesh`.
      settings: of the loop; its chunk is that of each device.
    Returns:
      The lanes, and the findings of the jobs that ended; those of other lanes are undefined.
    """
    lanes, given = jax.tree.unflatten(form, [*lane_leaves, *leaves])

    def on_device(lanes, entering, key, attack, model, limits, length):
        axis = POPULATION if mesh.shape[POPULATION] > 1 else None
        loop = Loop(attack, model, limits, settings, axis)
        key = jax.random.wrap_key_data(key, impl=KEY_TYPE)
        fresh = loop.enter(key, entering.job_id, entering.job)
        lanes = jax.tree.map(functools.partial(where, entering.enters), fresh, lanes)
        began = lanes.live | entering.enters  # even where there is no budget for a step

        def more(now: tuple[Array, Lanes]) -> Array:
            return (now[0] < length) & now[1].live.any()

        def generation(now: tuple[Array, Lanes]) -> tuple[Array, Lanes]:
            return now[0] + 1, loop.advance(now[1])

        _, lanes = lax.while_loop(more, generation, (jnp.int32(0), lanes))
        ended = began & ~lanes.live

        def judged(lanes: Lanes) -> tuple[Lanes, dict[str, Any]]:
            lanes, results, _ = loop.results(lanes, ended)
            return lanes, {name: getattr(results, name) for name in FINDINGS}

        def unjudged(lanes: Lanes) -> tuple[Lanes, dict[str, Any]]:
            return lanes, nothing_like(lambda lanes: judged(lanes)[1], lanes)

        # Skipped if no job ended: an archive of a thousand classes has as many images to decode.
        return lax.cond(ended.any(), judged, unjudged, lanes)

    everywhere, by_lane = PartitionSpec(), PartitionSpec(LANES)
    return jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(by_lane,) * 2 + (everywhere,) * 5,
        out_specs=by_lane,
        check_vma=False,  # devices of a column compute the same
    )(
        lanes,
        given.entering,
        given.key,
        given.attack,
        given.model,
        given.limits,
        given.length,
    )


@functools.partial(jax.jit, static_argnames="settings")
def free_lanes(
    key: PRNGKey, attack: Attack, model: Any, entering: Entering, *, settings: Settings
) -> Lanes:
    """Free lanes, in the shape of those that `entering` would fill."""
    loop = Loop(attack, model, limits_of(0, None, None), settings)
    lanes = loop.enter(key, entering.job_id, entering.job)
    return dataclasses.replace(lanes, live=jnp.zeros_like(lanes.live))


@functools.partial(jax.jit, donate_argnames="lanes")
def place(lanes: Lanes, others: Lanes, here: Bool[Array, " L"]) -> Lanes:
    """`others` where `here`, else `lanes`."""
    return jax.tree.map(functools.partial(where, here), others, lanes)
