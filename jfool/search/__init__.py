"""Searches: how better genotypes are found."""

from jfool.search.differential_evolution import DifferentialEvolution
from jfool.search.gradient_ascent import GradientAscent

__all__ = ["DifferentialEvolution", "GradientAscent"]
