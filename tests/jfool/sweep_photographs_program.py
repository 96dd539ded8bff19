"""A sweep of photographs of 224x224 pixels in a memory-mapped file; one JSON line on its memory.

python -m tests.jfool.sweep_photographs_program COUNT FOLDER
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool

SHAPE = (224, 224, 3)
LANES = 32


def model(weights: Any, images: Any) -> Any:
    """Looks at a few pixels."""
    return images[:, :4, :4].reshape(len(images), -1) @ weights


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(count: str, folder: str) -> None:
    file, number = Path(folder) / "photos", int(count)
    file.touch()  # a file of zeros, which take no space
    data = np.memmap(file, np.uint8, "r+", shape=(number, *SHAPE))
    search = jfool.DifferentialEvolution(4)
    attack = jfool.SparseFooling(SHAPE, 3, max_k=1, search=search)
    numbers = np.arange(number)
    jobs = jfool.SparseJob(
        target=numbers % 3, base=jfool.Rows(data, numbers), k=np.ones_like(numbers)
    )
    weights = jax.random.normal(jax.random.key(0), (48, 3))
    lead = jax.random.key(1), attack, jfool.wrap(model, weights), jobs
    jax.block_until_ready(jnp.zeros(1))
    before, started = peak(), time.monotonic()
    results = jfool.sweep(*lead, num_steps=0, lanes=LANES, chunk=LANES, folder=Path(folder) / "run")
    report = {
        "jobs": len(results),
        "peak_bytes": peak() - before,
        "map_bytes": data.nbytes,
        "seconds": time.monotonic() - started,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
