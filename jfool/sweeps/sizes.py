"""How many lanes, and how many images per call: what fits a device, where it tells."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jfool.base import Attack, Model
from jfool.evaluate import Evaluate
from jfool.jobs import num_jobs

CHUNK = 1024
_MOST_LANES = 256
_SHARE = 0.85  # of a device's memory


@dataclasses.dataclass(frozen=True)
class Sizes:
    """
    Attributes:
      lanes: jobs side by side on each device, or on each column of devices that share populations.
      chunk: images per model call and device.
    """

    lanes: int | None
    chunk: int | None

    def completed_by(self, settings: Mapping[str, Any]) -> "Sizes":
        """What was not asked for, as an earlier start chose it."""
        return Sizes(
            self.lanes or settings.get("lanes"),
            self.chunk or settings.get("chunk"),
        )


def choose_sizes(
    asked: Sizes,
    attack: Attack,
    model: Model,
    jobs: Any,
    mesh: Mesh,
    lane_table: Callable[[Sizes], Any],
) -> Sizes:
    """Completes the sizes that were asked for.

    Lanes are enough to fill four calls of the model, so that calls stay full while some lanes are
    free. `chunk` is 1024, or its half, its quarter, ..., the first whose program fits the memory of
    a device; a CPU does not tell its memory.

    Args:
      asked: a size to choose is None.
      lane_table: makes the lanes, whose program is compiled to learn what it needs.
    Raises:
      ValueError: populations cannot be split so, or not even one image at a time fits.
    """
    num_columns, split = mesh.devices.shape
    images = images_per_step(attack, model, jobs)
    if images % split:
        raise ValueError(f"split: expected a divisor of the {images} candidates, got {split}")
    fill = -(-4 * (asked.chunk or CHUNK) * split // images)
    most = -(-num_jobs(jobs) // num_columns)
    lanes = asked.lanes or min(fill, _MOST_LANES, most)
    limit = memory_limit(mesh.devices.flat[0])
    if asked.chunk is not None or limit is None:
        return Sizes(lanes, asked.chunk or CHUNK)
    chunk = CHUNK
    while (needed := compiled_bytes(lane_table(Sizes(lanes, chunk)).lower())) > _SHARE * limit:
        if chunk == 1:
            raise ValueError(
                f"lanes: expected a sweep that fits into {limit / 2**30:.1f} GiB, got "
                f"{needed / 2**30:.1f} GiB for {lanes} lanes and one image per call"
            )
        chunk //= 2
    return Sizes(lanes, chunk)


def images_per_step(attack: Attack, model: Model, jobs: Any) -> int:
    """How many images one step of one job shows to the model."""
    seen = []

    def step(init_key: Any, step_key: Any, job: Any) -> None:
        evaluate = Evaluate(model)
        attack.step(step_key, evaluate, job, attack.init(init_key, job))
        seen.extend(num_images for num_images, _ in evaluate.calls)

    job = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), jobs)
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"))
    jax.eval_shape(step, *keys, job)
    return sum(seen)


def memory_limit(device: Any) -> int | None:
    """Bytes that programs may use, or None where the device does not say."""
    return (device.memory_stats() or {}).get("bytes_limit")


def compiled_bytes(lowered: Any) -> int:
    """Of one device's memory: arguments, results and temporaries of a program."""
    memory = lowered.compile().memory_analysis()
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )
