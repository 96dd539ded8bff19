"""Which job is in which lane: the host's side of a sweep, on the devices of one process.

`L` lanes on all devices together.
"""

import dataclasses
import time
from collections import deque
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jfool.base import Attack, Model, PRNGKey, is_key
from jfool.loop import Lanes, Limits, Settings
from jfool.sweeps.ahead import Program
from jfool.sweeps.fingerprint import to_numpy
from jfool.sweeps.segment import FINDINGS, LANES, Entering, Given, free_lanes, place

Columns = dict[str, Any]
Arrays = dict[str, np.ndarray]

_FREE = -1


class LaneTable:
    """Lanes with their jobs, and the queue of jobs that wait.

    Args:
      key, attack, model, limits: of the sweep.
      jobs: `[N]` NumPy leaves, or `Rows`.
      job_ids: `[N]`.
      mesh: see `make_mesh`.
      num_lanes: of each device.
      settings: of the loop.
      program: of `compile_sweep`, for these lanes and settings.
    """

    def __init__(
        self,
        key: PRNGKey,
        attack: Attack,
        model: Model,
        jobs: Any,
        job_ids: np.ndarray,
        limits: Limits,
        mesh: Mesh,
        num_lanes: int,
        settings: Settings,
        program: Program,
    ) -> None:
        self._by_lane = NamedSharding(mesh, PartitionSpec(LANES))
        everywhere = NamedSharding(mesh, PartitionSpec())
        fixed = {"attack": attack, "model": model, "limits": limits}
        self._fixed = jax.device_put({"key": jax.random.key_data(key), **fixed}, everywhere)
        self._mesh, self._segment = mesh, program.compiled
        self._jobs, self._job_ids = jobs, job_ids
        self._waiting: deque[int] = deque()  # indices of jobs
        self._suspended: dict[int, Arrays] = {}  # states of waiting jobs, by job id

        count = num_lanes * mesh.shape[LANES]
        self._index = np.full(count, _FREE)  # of each lane's job
        self._entered = np.zeros(count)  # at what time
        self._shown = np.zeros(count, np.int64)  # its images, as of the last segment
        self._entering = self._enter(np.zeros(count, bool))
        lanes = free_lanes(key, attack, model, self._entering, settings=settings)
        self._lanes = jax.device_put(lanes, self._by_lane)

    @property
    def busy(self) -> bool:
        """Whether any job is running or waiting."""
        return bool(self._waiting) or bool((self._index != _FREE).any())

    @property
    def devices(self) -> list[Any]:
        return list(self._mesh.devices.flat)

    def queue(self, waiting: np.ndarray, states: dict[int, Arrays]) -> None:
        """Queues jobs.

        Args:
          waiting: their indices.
          states: of `under_way`, by job id; these jobs resume from there, before all others.
        """
        template = {name: to_numpy(leaf)[0] for name, leaf in _named(self._lanes)}
        ids = set(self._job_ids[waiting].tolist())
        self._suspended = {
            job_id: state
            for job_id, state in states.items()
            if job_id in ids and _shapes(state) == _shapes(template)
        }
        begun = np.isin(self._job_ids[waiting], list(self._suspended))
        self._waiting = deque([*waiting[begun].tolist(), *waiting[~begun].tolist()])

    def advance(self, length: int) -> tuple[Columns, int, float]:
        """Fills free lanes and computes a segment.

        Args:
          length: the most generations.
        Returns:
          Columns `[R, ...]` of the jobs that ended, or {}; the number of images shown to the model;
          and the seconds it took.
        """
        self._fill()
        given = Given(**self._fixed, entering=self._entering, length=np.int32(length))
        started = time.monotonic()
        self._lanes, findings = self._segment(jax.tree.leaves(self._lanes), jax.tree.leaves(given))
        _wait_for(self._lanes.live)
        now = time.monotonic()
        lanes = self._lanes
        live, queries, gradients = jax.device_get(
            (lanes.live, lanes.num_queries, lanes.num_gradients)
        )
        shown = queries.astype(np.int64) + gradients
        images, self._shown = int((shown - self._shown).sum()), shown
        rows = np.flatnonzero((self._index != _FREE) & ~live)
        index = self._index[rows]
        if not len(rows):
            return {}, images, now - started
        columns = {
            "job_id": self._job_ids[index],
            "job": jax.tree.map(lambda leaf: leaf[index], self._jobs),
            **{
                name: jax.tree.map(lambda leaf: np.asarray(leaf)[rows], findings[name])
                for name in FINDINGS
            },
            "seconds": now - self._entered[rows],
        }
        self._index[rows] = _FREE
        return columns, images, now - started

    def under_way(self) -> dict[int, Arrays]:
        """The states of all jobs that have started but not ended, by job id."""
        rows = np.flatnonzero(self._index != _FREE)
        arrays = {name: to_numpy(leaf)[rows] for name, leaf in _named(self._lanes)}
        ids = self._job_ids[self._index[rows]].tolist()
        in_lanes = {
            job_id: {name: array[i] for name, array in arrays.items()}
            for i, job_id in enumerate(ids)
        }
        return self._suspended | in_lanes

    def _fill(self) -> None:
        free = np.flatnonzero(self._index == _FREE)
        taken = free[: len(self._waiting)]
        if not len(taken):
            enters = np.zeros(len(self._index), bool)
            enters = jax.device_put(enters, self._by_lane)
            self._entering = dataclasses.replace(self._entering, enters=enters)
            return
        self._index[taken] = [self._waiting.popleft() for _ in taken]
        self._entered[taken] = time.monotonic()
        self._shown[taken] = 0
        restored = {
            row: self._suspended.pop(job_id)
            for row in taken.tolist()
            if (job_id := int(self._job_ids[self._index[row]])) in self._suspended
        }
        enters = np.zeros(len(self._index), bool)
        enters[taken] = True
        enters[list(restored)] = False
        if restored:
            self._place(restored)
        self._entering = self._enter(enters)

    def _enter(self, enters: np.ndarray) -> Entering:
        first = self._index[enters][:1] if enters.any() else 0
        index = np.where(enters, self._index, first)  # any of the same, where none enters
        jobs = jax.tree.map(lambda leaf: np.asarray(leaf[index]), self._jobs)
        return jax.device_put(Entering(self._job_ids[index], jobs, enters), self._by_lane)

    def _place(self, restored: dict[int, Arrays]) -> None:
        named = dict(_named(self._lanes))
        arrays = {name: to_numpy(leaf).copy() for name, leaf in named.items()}
        here = np.zeros(len(self._index), bool)
        for row, state in restored.items():
            here[row] = True
            self._shown[row] = state["num_queries"] + state["num_gradients"]
            for name, value in state.items():
                arrays[name][row] = value
        leaves = [_like(leaf, arrays[name]) for name, leaf in named.items()]
        others = jax.tree.unflatten(jax.tree.structure(self._lanes), leaves)
        placed = place(self._lanes, *jax.device_put((others, here), self._by_lane))
        self._lanes = jax.device_put(placed, self._by_lane)


def stack(states: dict[int, Arrays]) -> Arrays:
    """States by job id as arrays with a leading axis, and their `job_ids`."""
    names = next(iter(states.values()))
    arrays = {name: np.stack([state[name] for state in states.values()]) for name in names}
    return {"job_ids": np.array(list(states), np.int64), **arrays}


def unstack(arrays: Arrays) -> dict[int, Arrays]:
    """The reverse of `stack`."""
    return {
        int(job_id): {name: array[i] for name, array in arrays.items() if name != "job_ids"}
        for i, job_id in enumerate(arrays.get("job_ids", ()))
    }


def _named(lanes: Lanes) -> list[tuple[str, jax.Array]]:
    leaves = jax.tree_util.tree_leaves_with_path(lanes)
    return [(jax.tree_util.keystr(path, simple=True, separator="."), leaf) for path, leaf in leaves]


def _shapes(state: Arrays) -> dict[str, tuple[Any, ...]]:
    return {name: (value.shape, value.dtype) for name, value in state.items()}


def _like(leaf: jax.Array, array: np.ndarray) -> Any:
    if is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=str(jax.random.key_impl(leaf)))
    return jnp.asarray(array)


def _wait_for(array: Any) -> None:
    """Waits in Python, where signals are handled, not in the runtime."""
    started = time.monotonic()
    while not array.is_ready():
        time.sleep(min(0.02, 0.02 * (time.monotonic() - started)))
