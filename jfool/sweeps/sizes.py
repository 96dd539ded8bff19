"""Chooses how many lanes, and how many images per call, fit a device."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jfool.base import KEY_TYPE, Attack, Criterion, Model
from jfool.jobs import num_jobs
from jfool.loop import strong
from jfool.sweeps.ahead import compile_sweep

CHUNK = 1024
_MOST_LANES = 256
_SHARE = 0.85  # of a device's memory


@dataclasses.dataclass(frozen=True)
class Sizes:
    """
    Attributes:
      lanes: jobs side by side on each device, or on each group that shares populations.
      chunk: images per model call and device.
    """

    lanes: int | None
    chunk: int | None

    def completed_by(self, settings: Mapping[str, Any]) -> "Sizes":
        """Fills in sizes that an earlier call chose."""
        return Sizes(
            self.lanes or settings.get("lanes"),
            self.chunk or settings.get("chunk"),
        )


def choose_sizes(
    asked: Sizes, attack: Attack, model: Model, jobs: Any, until: Criterion | None, mesh: Mesh
) -> Sizes:
    """Chooses the sizes that were not given.

    There are enough lanes to fill four model calls, so that calls stay full while some lanes are
    free. `chunk` is the first of 1024, 512, 256, ... whose program fits the memory of a device, and
    1024 on CPUs, which do not report their memory.

    Args:
      asked: None for a size to choose.
      attack, model, jobs, until: of the sweep, which is compiled to find out its memory.
      mesh: of `make_mesh`.
    Raises:
      ValueError: `split` does not divide the population, or one image per call is too many.
    """
    num_columns, split = mesh.devices.shape
    images = images_per_step(attack, jobs)
    if images % split:
        raise ValueError(f"split: expected a divisor of the {images} candidates, got {split}")
    fill = -(-4 * (asked.chunk or CHUNK) * split // images)
    most = -(-num_jobs(jobs) // num_columns)
    lanes = asked.lanes or min(fill, _MOST_LANES, most)
    limit = memory_limit(mesh.devices.flat[0])
    if asked.chunk is not None or limit is None:
        return Sizes(lanes, asked.chunk or CHUNK)
    chunk = CHUNK
    while True:
        program = compile_sweep(
            attack, model, jobs, lanes=lanes, chunk=chunk, until=until, mesh=mesh
        )
        if program.fits(int(_SHARE * limit)):
            return Sizes(lanes, chunk)
        if chunk == 1:
            raise ValueError(
                f"lanes: expected a sweep that fits into {limit / 2**30:.1f} GiB, got {lanes} "
                "lanes that do not, even with one image per call"
            )
        chunk //= 2


def images_per_step(attack: Attack, jobs: Any) -> int:
    """Images that one step of one job shows to the model."""
    evaluate = _Counting(attack.num_classes, [])

    def step(init_key: Any, step_key: Any, job: Any) -> None:
        attack.step(step_key, evaluate, job, attack.init(init_key, job))

    job = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], leaf.dtype), jobs)
    keys = jax.random.split(jax.random.key(0, impl=KEY_TYPE))
    jax.eval_shape(step, *keys, strong(job))
    return sum(evaluate.seen)


@dataclasses.dataclass(frozen=True)
class _Counting:
    """Stands in for `Evaluate`, without a model, and counts images."""

    num_classes: int
    seen: list[int]

    def __call__(self, encoding: Any, job: Any, genotypes: Any) -> jax.Array:
        count = jax.tree.leaves(genotypes)[0].shape[0]
        self.seen.append(count)
        return jnp.zeros((count, self.num_classes), jnp.float32)

    def fittest(self, encoding: Any, objective: Any, job: Any, genotypes: Any) -> Any:
        logits = self(encoding, job, genotypes)
        return logits[:, 0], logits[0]

    def gradient(self, encoding: Any, score: Any, job: Any, genotypes: Any) -> Any:
        logits = self(encoding, job, genotypes)
        return logits[:, 0], jax.tree.map(jnp.zeros_like, genotypes), logits


def memory_limit(device: Any) -> int | None:
    """Bytes that programs may use; None if the device does not report it."""
    return (device.memory_stats() or {}).get("bytes_limit")
