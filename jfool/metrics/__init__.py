"""Numbers that describe attacks and their images: rates with intervals, rankings, distances."""

from jfool.metrics.ranking import auroc
from jfool.metrics.rates import Rate, attack_rates, wilson
from jfool.metrics.variation import total_variation

__all__ = ["Rate", "attack_rates", "auroc", "total_variation", "wilson"]
