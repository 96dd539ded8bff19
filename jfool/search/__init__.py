"""Searches: how genotypes improve."""

from jfool.search.confidence_steps import confidence_steps
from jfool.search.differential_evolution import DifferentialEvolution
from jfool.search.gradient_ascent import GradientAscent
from jfool.search.greedy_search import GreedySearch
from jfool.search.map_elites import MAPElites
from jfool.search.minimal_step import MinimalStep
from jfool.search.nearest_boundary import NearestBoundary
from jfool.search.projected_steps import ProjectedSteps

__all__ = [
    "DifferentialEvolution",
    "GradientAscent",
    "GreedySearch",
    "MAPElites",
    "MinimalStep",
    "NearestBoundary",
    "ProjectedSteps",
    "confidence_steps",
]
