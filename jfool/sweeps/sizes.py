"""How many lanes, and how many images per call: what fits a device, where it tells."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial

from jfool.base import KEY_TYPE, Attack, Criterion, Model
from jfool.evaluate import Evaluate
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
    asked: Sizes, attack: Attack, model: Model, jobs: Any, until: Criterion | None, mesh: Mesh
) -> Sizes:
    """Completes the sizes that were asked for.

    Lanes are enough to fill four calls of the model, so that calls stay full while some lanes are
    free. `chunk` is 1024, or its half, its quarter, ..., the first whose program fits the memory of
    a device; a CPU does not tell its memory.

    Args:
      asked: a size to choose is None.
      attack, model, jobs, until: of the sweep, whose program is compiled to learn what it needs.
      mesh: of `make_mesh`.
    Raises:
      ValueError: populations cannot be split so, or not even one image at a time fits.
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
    """How many images one step of one job shows to the model."""
    seen = []

    def step(init_key: Any, step_key: Any, job: Any) -> None:
        evaluate = Evaluate(Partial(no_logits))
        attack.step(step_key, evaluate, job, attack.init(init_key, job))
        seen.extend(num_images for num_images, _ in evaluate.calls)

    def no_logits(images: Any) -> Any:
        return jnp.zeros((len(images), attack.num_classes), jnp.float32)

    job = jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:], leaf.dtype), jobs)
    keys = jax.random.split(jax.random.key(0, impl=KEY_TYPE))
    jax.eval_shape(step, *keys, strong(job))
    return sum(seen)


def memory_limit(device: Any) -> int | None:
    """Bytes that programs may use, or None where the device does not say."""
    return (device.memory_stats() or {}).get("bytes_limit")
