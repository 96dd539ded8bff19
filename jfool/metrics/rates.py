"""Rates, and how certain a measured rate is."""

import dataclasses
import math

import numpy as np

from jfool.numbers import check_number, check_whole

_Z = 1.959963984540054  # the normal distribution's quantile of 97.5 %


def wilson(rate: float | np.floating | int, trials: int | np.integer) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate that was measured in independent trials. (Wilson, 1927)

    It lies in [0, 1], and it has a width at rates of 0 and 1, where the normal approximation has
    none.

    Args:
      rate: successes / trials.
      trials: how many there were, at least 1.
    Returns:
      (low, high).
    Raises:
      ValueError: the rate is outside [0, 1], or there were no trials.
    Reference: Probable inference, the law of succession, and statistical inference, JASA 22.
    Example:
      >>> low, high = wilson(0.0, 10)
      >>> low, round(high, 3)
      (0.0, 0.278)
    """
    check_number("rate", rate, "a number in [0, 1]", least=0, most=1)
    check_whole("trials", trials, 1)
    rate, trials = float(rate), int(trials)
    scale = 1 + _Z**2 / trials
    center = (rate + _Z**2 / (2 * trials)) / scale
    spread = _Z * math.sqrt(rate * (1 - rate) / trials + (_Z / (2 * trials)) ** 2) / scale
    return max(center - spread, 0.0), min(center + spread, 1.0)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A measured share of images.

    Attributes:
      rate: NaN if there are no images.
      low, high: its 95 % interval (`wilson`).
      num_images: the denominator.
    """

    rate: float
    low: float
    high: float
    num_images: int


def rate_of(holds: np.ndarray) -> Rate:
    """The share of images of which something holds, with its interval.

    Args:
      holds: `[N]` bool.
    """
    if not len(holds):
        return Rate(math.nan, 0.0, 1.0, 0)
    rate = float(np.mean(holds))
    return Rate(rate, *wilson(rate, len(holds)), len(holds))
