"""Times as ratios, measured in pairs within one run: a shared machine tells no more."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jfool

_RESAMPLED = 2000


@dataclasses.dataclass(frozen=True)
class Ratio:
    """What a program costs over another, corrected by what the other costs over itself.

    Attributes:
      value: the median ratio over pairs, divided by the median null ratio.
      interval: 90 % of the values of pairs drawn again with replacement.
      null: the median null ratio, of the other program against itself.
    """

    value: float
    interval: tuple[float, float]
    null: float


def over_null(one: Callable[[], float], other: Callable[[], Any], pairs: int) -> Ratio:
    """The cost of `one`, which tells its seconds, over `other`, which is timed here."""
    for work in (one, other):  # compiled
        work()
    ratios, nulls = (np.array(values) for values in bracketed(one, other, pairs))
    drawn = np.random.default_rng(0).integers(pairs, size=(_RESAMPLED, pairs))
    values = np.median(ratios[drawn], axis=1) / np.median(nulls[drawn], axis=1)
    low, high = np.quantile(values, (0.05, 0.95))
    null = float(np.median(nulls))
    return Ratio(float(np.median(ratios)) / null, (float(low), float(high)), null)


def bracketed(
    one: Callable[[], float], other: Callable[[], Any], pairs: int
) -> tuple[list[float], list[float]]:
    """Of each pair: the seconds that `one` tells over those of `other`, before and after it, and
    those after over those before."""
    ratios, nulls = [], []
    for _ in range(pairs):
        before = seconds(other)
        middle = one()
        after = seconds(other)
        ratios.append(2 * middle / (before + after))
        nulls.append(after / before)
    return ratios, nulls


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

    def fused() -> float:
        return seconds(lambda: loop(generations)) - seconds(lambda: loop(0))

    fused_ratios, null_ratios = bracketed(fused, forwards, pairs)
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
