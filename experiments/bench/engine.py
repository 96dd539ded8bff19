"""What the fused loop costs over the bare model, how often it compiles, what chunks save.

Times are ratios measured in pairs within one run: the machine may be shared, and absolute times
mean little. `null_ratio` is the same measurement of the forward pass against itself.
"""

import dataclasses
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import nnx

import jfool
from experiments import lab
from experiments.bench.painting import scatter_over_masked
from experiments.bench.pairs import fused_over_forward
from experiments.lab.record import print_json, versions
from models import CNN, LeNet


@lab.settings
class Settings:
    pairs: lab.Count = 15  # paired runs for each ratio; the median is reported
    generations: lab.Count = 10  # of a timed run
    # candidates of a generation, as in Kumano et al. (2020)
    population: lab.Population = 500
    k: Annotated[int, lab.at_least(1, 28 * 28)] = 5  # altered pixels


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    rngs = nnx.Rngs(0)
    lenet, color = LeNet(rngs=rngs), CNN((32, 32, 3), widths=(32, 64, 128), rngs=rngs)
    for model in (lenet, color):
        model.eval()
    lenet_ratio, null_ratio = fused(lenet, settings)
    color_ratio, _ = fused(color, settings)
    figures = {
        "lenet_fused_over_forward": lenet_ratio,
        "color_fused_over_forward": color_ratio,
        "null_ratio": null_ratio,
        "lenet_smaller_batches": smaller_batches(lenet),
        "color_smaller_batches": smaller_batches(color),
        "traces": count_traces(settings),
        "chunked_over_unchunked_memory": chunked_over_unchunked_memory(),
        **scatter_over_masked(settings.pairs),
    }
    print_json({"bench": "engine", **figures, **dataclasses.asdict(settings), **versions()})


def fused(model: Any, settings: Settings) -> tuple[float, float]:
    """A generation of differential evolution over a forward pass; see `fused_over_forward`."""
    attack, jobs = sparse_fooling(model.image_shape, settings)
    return fused_over_forward(
        attack,
        jobs,
        model,
        images_per_step=settings.population,
        generations=settings.generations,
        pairs=settings.pairs,
    )


def smaller_batches(model: Any) -> dict[str, tuple[float, float]]:
    """What another batch shape does to the bits: for 500 images in batches of 250, 50 and 10, the
    share of logits that are not those of one batch of 500, and the largest difference."""
    images = jax.random.uniform(jax.random.key(2), (500, *model.image_shape))
    forward = jax.jit(lambda model, images: model(images))
    whole = forward(model, images)
    changes = {}
    for batch in (250, 50, 10):
        parts = jnp.split(images, 500 // batch)
        change = jnp.abs(whole - jnp.concatenate([forward(model, part) for part in parts]))
        changes[str(batch)] = (float((change > 0).mean()), float(change.max()))
    return changes


def count_traces(settings: Settings) -> int:
    """Times the model is traced by runs with new weights, targets, colors, k, F and thresholds
    after a first one, plus one: 1 means that all of them met one compiled program."""
    traced = 0

    def apply(weights: jax.Array, images: jax.Array) -> jax.Array:
        nonlocal traced
        traced += 1
        return images.reshape(len(images), -1) @ weights

    def once(seed: int, target: int, base: float, k: int, scale: float) -> None:
        weights = jax.random.normal(jax.random.key(seed), (28 * 28, 10))
        attack, jobs = sparse_fooling((28, 28, 1), settings, target, base, k, scale)
        until = jfool.confident(0.9 + seed / 100)
        jfool.run(
            jax.random.key(seed), attack, jfool.wrap(apply, weights), jobs, num_steps=2, until=until
        )

    once(0, 0, 0.0, settings.k, 0.5)
    first = traced
    for seed in range(1, 4):
        once(seed, seed, seed / 4, max(1, settings.k - seed), 0.5 + seed / 10)
    return 1 + traced - first


def chunked_over_unchunked_memory() -> float:
    """Temporary memory of a compiled run at 224x224, 16 images at a time over 256 at once."""
    model = CNN(image_shape=(224, 224, 3), widths=(8, 8, 8), rngs=nnx.Rngs(0))
    model.eval()
    attack, jobs = sparse_fooling(model.image_shape, Settings(population=256))

    def temporary_bytes(chunk: int | None) -> int:
        def searched(model: Any) -> jfool.AttackResult:
            return jfool.run(jax.random.key(0), attack, model, jobs, num_steps=2, chunk=chunk)

        analysis = jax.jit(searched).lower(model).compile().memory_analysis()
        if analysis is None:
            raise RuntimeError("this backend does not analyze memory")
        return analysis.temp_size_in_bytes

    return temporary_bytes(16) / temporary_bytes(None)


def sparse_fooling(
    image_shape: tuple[int, int, int],
    settings: Settings,
    target: int = 0,
    base: float = 0.0,
    k: int | None = None,
    scale: float = 0.5,
) -> tuple[jfool.SparseFooling, jfool.SparseJob]:
    """The attack under test, and one job for it."""
    search = jfool.DifferentialEvolution(settings.population, scale)
    attack = jfool.SparseFooling(image_shape, 10, max_k=settings.k, search=search)
    base_color = [[base] * image_shape[2]]
    return attack, jfool.grid(jfool.SparseJob, base=base_color, target=[target], k=k or settings.k)
