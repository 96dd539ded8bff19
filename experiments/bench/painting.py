"""Two ways to paint k pixels, the later row over the earlier: a scatter whose overwritten rows are
dropped beforehand (what `jfool.SparsePixels` does), and one masked write per row."""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jfool

SHAPES = {"28x28x1_k5": ((28, 28, 1), 5), "32x32x3_k25": ((32, 32, 3), 25)}


def scatter_over_masked(pairs: int, population: int = 500) -> dict[str, float]:
    """Time of the scatter over the masked writes for one generation, per image shape; medians."""
    ratios = {}
    for name, (image_shape, k) in SHAPES.items():
        encoding = jfool.SparsePixels(image_shape, k)
        u = jax.random.uniform(jax.random.key(0), (population, *encoding.genotype_shape))
        genotypes = encoding.from_unit(u)
        job = jfool.SparseJob(target=0, base=jnp.zeros(image_shape[2]), k=k)
        scatter = jax.jit(jax.vmap(lambda g, e=encoding, j=job: e.decode(j, g)))
        masked = jax.jit(jax.vmap(lambda g, e=encoding, j=job: masked_writes(e, j, g)))
        if not bool((scatter(genotypes) == masked(genotypes)).all()):
            raise RuntimeError(f"painting: the two ways differ at {name}")
        times = [(_milliseconds(scatter, genotypes), _milliseconds(masked, genotypes))
                 for _ in range(pairs)]  # fmt: skip
        ratios[f"scatter_over_masked_{name}"] = statistics.median(s / m for s, m in times)
    return ratios


def masked_writes(encoding: jfool.SparsePixels, job: jfool.SparseJob, genotype: Array) -> Array:
    """`decode` by k selects over the whole image."""
    height, width, _ = encoding.image_shape
    x, y = (jnp.floor(genotype[:, i]).astype(jnp.int32) for i in (0, 1))
    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)[None]
    image = jnp.broadcast_to(jnp.asarray(job.base), encoding.image_shape)
    for i in range(encoding.max_k):
        hit = (rows == y[i]) & (columns == x[i]) & (i < jnp.asarray(job.k))
        image = jnp.where(hit[..., None], genotype[i, 2:], image)
    return image


def _milliseconds(paint: Any, genotypes: Array, repeats: int = 10) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(paint(genotypes))
    return (time.perf_counter() - start) / repeats * 1e3
