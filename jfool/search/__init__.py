"""Searches: how genotypes improve."""

from jfool.search.confidence_steps import confidence_steps
from jfool.search.differential_evolution import DifferentialEvolution
from jfool.search.gradient_ascent import GradientAscent
from jfool.search.greedy_search import GreedySearch
from jfool.search.map_elites import MAPElites

__all__ = [
    "DifferentialEvolution",
    "GradientAscent",
    "GreedySearch",
    "MAPElites",
    "confidence_steps",
]
