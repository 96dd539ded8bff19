"""What evolution costs over the bare model: an archive's generation, growing and painting CPPNs.

Bars: a direct generation of 200 children at most 1.15 x a forward pass of LeNet on 200 images;
mutating and rendering 400 grown CPPNs at 64 x 64 at most 1.5 x one of MobileNetV2 on those images.
"""

import dataclasses
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jfool
from experiments import lab
from experiments.bench.pairs import fused_over_forward, one_over_other
from experiments.lab.record import print_json, versions
from models import LeNet, create

_SIDE = 64


@lab.settings
class Settings:
    pairs: lab.Count = 11  # paired runs for each ratio; the median is reported
    generations: lab.Count = 20  # of a timed run of the archive
    children: lab.EvenCount = 200  # of a generation with the direct encoding
    networks: lab.EvenCount = 400  # CPPNs
    growth: lab.Number = 150  # generations for which they grow before they are timed


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    lenet = LeNet(rngs=nnx.Rngs(0))
    lenet.eval()
    direct, null = fused_over_forward(
        jfool.EvolvedFooling(
            jfool.DirectPixels((28, 28, 1)), 10, jfool.MAPElites(settings.children)
        ),
        jfool.EvolutionJob(np.arange(10)[None]),
        lenet,
        images_per_step=settings.children,
        generations=settings.generations,
        pairs=settings.pairs,
    )
    figures = {
        "direct_generation_over_forward": direct,
        "null_ratio": null,
        **growing_and_painting(settings),
    }
    print_json({"bench": "evolve", **figures, **dataclasses.asdict(settings), **versions()})


def growing_and_painting(settings: Settings) -> dict[str, Any]:
    """CPPNs grown from the start, without selection: mutated and painted, over MobileNetV2."""
    encoding = jfool.CPPN((_SIDE, _SIDE, 3), "hls")
    traces = 0

    @jax.jit
    def vary(key: jax.Array, genomes: Any) -> Any:
        nonlocal traces
        traces += 1
        first, second = (jax.tree.map(itemgetter(slice(i, None, 2)), genomes) for i in (0, 1))
        return encoding.vary(key, first, second, jnp.int32(0))

    @jax.jit
    def paint(key: jax.Array, genomes: Any) -> jax.Array:
        return jax.vmap(lambda genome: encoding.decode(None, genome))(vary(key, genomes))

    genomes = encoding.start(jax.random.key(0), settings.networks)
    for generation in range(settings.growth):
        genomes = vary(jax.random.key(generation), genomes)
    key = jax.random.key(settings.growth)
    model = create("mobilenet_v2", (_SIDE, _SIDE, 3))
    model.eval()
    forward = jax.jit(lambda model, images: model(images))
    images = paint(key, genomes)
    ratio = one_over_other(
        lambda: paint(key, genomes), lambda: forward(model, images), settings.pairs
    )
    nodes = np.asarray(genomes.active).sum(axis=1)
    return {
        "cppn_over_mobilenet": ratio,
        "nodes": [int(n) for n in np.quantile(nodes, (0, 0.5, 1))],
        "traces": traces,
    }
