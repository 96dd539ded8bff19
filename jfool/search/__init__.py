"""Searches: how genotypes improve."""

from jfool.search.adaptive_boundary import AdaptiveBoundary, ToAll, ToTarget
from jfool.search.adaptive_steps import AdaptiveSteps
from jfool.search.confidence_steps import confidence_steps
from jfool.search.differential_evolution import DifferentialEvolution
from jfool.search.gradient_ascent import GradientAscent
from jfool.search.greedy_search import GreedySearch
from jfool.search.map_elites import MAPElites
from jfool.search.minimal_step import MinimalStep
from jfool.search.nearest_boundary import NearestBoundary
from jfool.search.projected_steps import ProjectedSteps
from jfool.search.sparse_steps import SparseSteps
from jfool.search.square_flips import SquareFlips
from jfool.search.square_windows import SquareWindows

__all__ = [
    "AdaptiveBoundary",
    "AdaptiveSteps",
    "DifferentialEvolution",
    "GradientAscent",
    "GreedySearch",
    "MAPElites",
    "MinimalStep",
    "NearestBoundary",
    "ProjectedSteps",
    "SparseSteps",
    "SquareFlips",
    "SquareWindows",
    "ToAll",
    "ToTarget",
    "confidence_steps",
]
