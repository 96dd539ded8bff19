"""Times as ratios, measured in pairs within one run: a shared machine tells no more."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

import jfool


def fused_over_forward(
    attack: Any, jobs: Any, model: Any, *, images_per_step: int, generations: int, pairs: int
) -> tuple[float, float]:
    """A generation inside the loop over one jitted forward of as many images, and forward over
    forward; medians over pairs.

    A run of G generations less a run of none is G generations; G forwards are timed beside it.
    """
    images = jax.random.uniform(jax.random.key(1), (images_per_step, *model.image_shape))
    forward = jax.jit(lambda model, images: model(images))

    def loop(num_steps: int) -> Any:
        return jfool.run(jax.random.key(0), attack, model, jobs, num_steps=num_steps).confidence

    def forwards() -> Any:
        return [forward(model, images).block_until_ready() for _ in range(generations)][-1]

    for warm_up in (lambda: loop(1), forwards):
        seconds(warm_up)
    fused_ratios, null_ratios = [], []
    for _ in range(pairs):
        start = seconds(lambda: loop(0))
        before = seconds(forwards)
        fused = seconds(lambda: loop(generations)) - start
        after = seconds(forwards)
        fused_ratios.append(2 * fused / (before + after))
        null_ratios.append(after / before)
    return statistics.median(fused_ratios), statistics.median(null_ratios)


def one_over_other(one: Callable[[], Any], other: Callable[[], Any], pairs: int) -> float:
    """Time of one over that of another; the median over pairs."""
    for work in (one, other):
        seconds(work)
    return statistics.median(seconds(one) / seconds(other) for _ in range(pairs))


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of `work`, its result ready."""
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start
