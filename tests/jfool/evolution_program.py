"""Small sweeps of evolution as a program of its own, that can be killed at a named point.

python -m tests.jfool.evolution_program METHOD FOLDER [POINT NUMBER]
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from jfool.sweeps import large
from tests.jfool.helpers import FixedOrder
from tests.jfool.sweep_program import POINTS, SHAPE

NUM_CLASSES, RUNS, GENERATIONS, CHILDREN = 4, 5, 12, 6
ENCODINGS = {
    "direct": jfool.DirectPixels(SHAPE, "hls", dtype="uint8"),
    "cppn": jfool.CPPN(SHAPE, "hls", max_nodes=12, max_connections=24),
}
MOST_BYTES = 4 * 60 - 1  # so that the champions' genes are too large for the table


def sweep(method: str, folder: Any) -> Any:
    large.MOST_BYTES = MOST_BYTES
    weights = np.random.default_rng(3).normal(0, 1, (60, NUM_CLASSES)).astype(np.float32)
    search = jfool.MAPElites(CHILDREN, record=GENERATIONS + 1)
    return jfool.sweep(
        jax.random.key(7),
        jfool.EvolvedFooling(ENCODINGS[method], NUM_CLASSES, search),
        FixedOrder(jnp.asarray(weights)),
        jfool.EvolutionJob(np.tile(np.arange(NUM_CLASSES), (RUNS, 1))),
        num_steps=GENERATIONS,
        lanes=2,
        segment=3,
        checkpoint_seconds=0.0,
        folder=folder,
    )


if __name__ == "__main__":
    if sys.argv[3:]:
        POINTS[sys.argv[3]](int(sys.argv[4]))
    sweep(*sys.argv[1:3])
