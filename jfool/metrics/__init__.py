"""Numbers that describe attacks and their images: rates with intervals, rankings, distances."""

from jfool.metrics.attack_rates import attack_rates
from jfool.metrics.ranking import auroc
from jfool.metrics.rates import Rate, wilson
from jfool.metrics.robustness import Robustness, StageOutcome
from jfool.metrics.variation import total_variation

__all__ = [
    "Rate",
    "Robustness",
    "StageOutcome",
    "attack_rates",
    "auroc",
    "total_variation",
    "wilson",
]
