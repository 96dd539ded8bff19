"""Runs attacks on four virtual devices and prints what the compiled programs and results are like.

Usage: sharding_program.py auto|explicit
"""

import json
import re
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jfool

SHAPE = (8, 8, 3)
NUM_JOBS = 8


def network(weights: list[Array], images: Array) -> Array:
    maps = lax.conv_general_dilated(
        images, weights[0], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jax.nn.relu(maps).reshape(len(images), -1) @ weights[1]


def attacks(labels: np.ndarray, images: np.ndarray) -> dict[str, tuple[Any, Any, int]]:
    """Attack, jobs, and images that a step shows at once."""
    search = jfool.DifferentialEvolution(6)
    epsilon = np.full(NUM_JOBS, 0.1, np.float32)
    sparse = jfool.SparseJob(target=(labels + 1) % 4, base=images, k=np.full(NUM_JOBS, 2))
    return {
        "PGD": (jfool.PGD(SHAPE, 4), jfool.PerturbationJob(images, epsilon, labels), 1),
        "SparseFooling": (jfool.SparseFooling(SHAPE, 4, max_k=2, search=search), sparse, 6),
    }


def main(kind: str) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.2, (3, 3, 3, 8)), rng.normal(0, 0.1, (512, 4))]
    weights = [jnp.asarray(leaf, jnp.float32) for leaf in weights]
    images = rng.uniform(size=(NUM_JOBS, *SHAPE)).astype(np.float32)
    model = jfool.wrap(network, weights)
    labels = np.asarray(model(jnp.asarray(images)).argmax(1))
    cases = attacks(labels, images)
    alone = {name: run(attack, model, jobs) for name, (attack, jobs, _) in cases.items()}

    mesh = jax.make_mesh((4,), ("jobs",), axis_types=(AxisType[kind.capitalize()],))
    jax.set_mesh(mesh)
    everywhere, by_job = (NamedSharding(mesh, PartitionSpec(*spec)) for spec in ((), ("jobs",)))
    # The larger weights are split over the devices too, as fully sharded data parallelism does.
    shards = [jax.device_put(weights[0], everywhere), jax.device_put(weights[1], by_job)]
    on_mesh = jfool.wrap(network, shards)
    found = {}
    for name, (attack, jobs, images_at_once) in cases.items():
        jobs = jax.tree.map(lambda leaf: jax.device_put(jnp.asarray(leaf), by_job), jobs)
        compiled = jax.jit(run).lower(attack, on_mesh, jobs).compile()
        batches = re.findall(r"= f32\[(\d+),[\d,]*\]\S* convolution\(", compiled.as_text())
        result = run(attack, on_mesh, jobs)
        same = jax.tree.map(
            lambda a, b: bool(np.allclose(a, b, atol=1e-5, equal_nan=True)), alone[name], result
        )
        found[name] = {
            "batches": sorted(set(map(int, batches))),
            "wanted": [NUM_JOBS * images_at_once // 4],
            "weights": bool(re.search(r"f32\[128,4\]\S* parameter\(", compiled.as_text())),
            "same": all(jax.tree.leaves(same)),
            "devices": len(result.images.sharding.device_set),
        }
    print(json.dumps(found))


def run(attack: Any, model: Any, jobs: Any) -> Any:
    return jfool.run(
        jax.random.key(0), attack, model, jobs, num_steps=3, until=jfool.confident(0.9)
    )


if __name__ == "__main__":
    main(sys.argv[1])
