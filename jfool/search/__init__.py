"""Searches: how better genotypes are found."""

from jfool.search.differential_evolution import DifferentialEvolution
from jfool.search.gradient_ascent import GradientAscent
from jfool.search.greedy_pixels import GreedyPixels
from jfool.search.map_elites import MAPElites
from jfool.search.progress import progress

__all__ = ["DifferentialEvolution", "GradientAscent", "GreedyPixels", "MAPElites", "progress"]
