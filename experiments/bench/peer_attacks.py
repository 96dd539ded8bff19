"""The three attacks of `bench peers` in one form: `attack(generations) -> Work`.

Every one is untargeted, changes one pixel, evolves `population` candidates per image, and runs all
its generations: no stop is set in jfool, and the peers', which cannot be switched off, never
triggers (see `peer_net`). What each showed to the model is counted, not assumed.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jfool
from experiments.bench import peer_net
from jfool.objectives import Untargeted

ART_POPULATION = 400


@dataclasses.dataclass
class Work:
    """What a run took: wall time, members of populations evaluated, and single images shown besides
    (the peers look whether the best one succeeds once a generation; that is part of their time)."""

    seconds: float = 0.0
    candidates: int = 0
    checks: int = 0

    def count(self, batch: int) -> None:
        """Notes one call of the model; a batch of 1 is a check (no population ends in one)."""
        if batch == 1:
            self.checks += 1
        else:
            self.candidates += batch

    def generation_ms(self, population: int) -> float:
        """Milliseconds for `population` candidates of one image: per generation and image. The
        start population counts as a generation; it costs the same."""
        return 1e3 * self.seconds * population / self.candidates


Attack = Callable[[int], Work]


def jfool_attack(weights: peer_net.Weights, images: np.ndarray, population: int) -> Attack:
    """`jfool.OnePixel`, all images in one call; its time includes checks and the final truths."""
    attack = jfool.OnePixel(
        peer_net.IMAGE_SHAPE,
        peer_net.NUM_CLASSES,
        search=jfool.DifferentialEvolution(population_size=population),
        objective=Untargeted(),
    )
    model = jfool.wrap(peer_net.apply, jax.device_put(weights))
    count = len(images)
    jobs = jfool.SparseJob(label=np.full(count, peer_net.LABEL), base=images, k=np.ones(count, int))

    def run(generations: int) -> Work:
        start = time.perf_counter()
        # One population a model call, as the peers do at best: no padding of a last chunk.
        result = jax.block_until_ready(
            jfool.run(
                jax.random.key(0), attack, model, jobs, num_steps=generations, chunk=population
            )
        )
        return Work(time.perf_counter() - start, int(result.num_queries.sum()))

    return run


def art_attack(weights: peer_net.Weights, images: np.ndarray) -> Attack:
    """ART's `PixelAttack` through its JAX estimator with a jitted predict.

    Its population is 400 // genes * genes and has no setting: 400 for one pixel of three channels.
    Of its stops, the tolerance is off (`atol=-1` inside) and success never comes here.
    """
    # The estimator lives under `experimental`; `art.estimators.classification` has none for JAX.
    from art.attacks.evasion import PixelAttack  # pyright: ignore[reportMissingImports]
    from art.experimental.estimators.classification.jax import (  # pyright: ignore[reportMissingImports]
        JaxClassifier,
    )

    work = Work()
    softmax = jax.jit(lambda weights, images: jax.nn.softmax(peer_net.apply(weights, images)))

    def predict(weights, images):
        work.count(len(images))
        return softmax(weights, images)

    def unused(*_):  # the estimator asks for a loss and a training step; this attack has no use
        raise NotImplementedError

    # `Any`: ART's annotation of the attack does not list its own JAX estimator.
    classifier: Any = JaxClassifier(
        model=jax.device_put(weights),  # annotated as a list; any pytree reaches `predict`
        predict_func=predict,
        loss_func=unused,
        update_func=unused,
        input_shape=peer_net.IMAGE_SHAPE,
        nb_classes=peer_net.NUM_CLASSES,
        clip_values=(0.0, 1.0),
    )
    labels = np.full(len(images), peer_net.LABEL)

    def run(generations: int) -> Work:
        # `th` is the number of pixels here; without it ART searches for the smallest, by bisection
        # from 64 pixels. The attack calls `predict` without a batch size: 4 calls of at most 128.
        attack = PixelAttack(classifier, th=1, es=1, max_iter=generations, verbose=False)
        return _timed(work, lambda: attack.generate(images, labels))

    return run


def torchattacks_attack(weights: peer_net.Weights, images: np.ndarray, population: int) -> Attack:
    """torchattacks' `OnePixel` on the PyTorch copy, a population in one model call.

    `popsize` is rounded down to a multiple of the genes, 5. As in ART, the tolerance is off inside
    and success never comes here.
    """
    import torch  # pyright: ignore[reportMissingImports]
    import torchattacks  # pyright: ignore[reportMissingImports]

    work = Work()
    network = peer_net.torch_copy(weights)
    network.register_forward_pre_hook(lambda _, inputs: work.count(len(inputs[0])))
    tensor = peer_net.to_torch(images)
    labels = torch.full((len(images),), peer_net.LABEL)

    def run(generations: int) -> Work:
        # The default `inf_batch` of 128 would split 400 candidates into 4 calls.
        attack = torchattacks.OnePixel(
            network, pixels=1, steps=generations, popsize=population, inf_batch=population
        )
        return _timed(work, lambda: attack(tensor, labels))

    return run


def _timed(work: Work, attack: Callable[[], object]) -> Work:
    """Runs a peer, which counts into `work`; returns a copy with the time."""
    np.random.seed(0)  # both peers draw from NumPy's global state
    work.candidates = work.checks = 0
    start = time.perf_counter()
    attack()
    return dataclasses.replace(work, seconds=time.perf_counter() - start)
