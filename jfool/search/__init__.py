"""Searches: how better genotypes are found."""

from jfool.search.differential_evolution import DifferentialEvolution

__all__ = ["DifferentialEvolution"]
