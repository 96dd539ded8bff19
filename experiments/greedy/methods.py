"""The searches that are compared: differential evolution in some variants, and jfool's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jfool
from experiments import lab


@dataclass(frozen=True)
class Method:
    """
    name: as tables call it.
    folder: of its sweeps.
    per_step: images that a step shows to the network.
    make: of the images' shape, the number of classes, and k.
    """

    name: str
    folder: str
    per_step: int
    make: Callable[[tuple[int, int, int], int, int], Any]


def evolution(objective: str, mutant: str, population: int) -> Method:
    """Differential evolution without crossover, F = 0.5; Kumano et al. (2020) have the objective
    confidence and rand/1."""
    search = jfool.DifferentialEvolution(population, mutant=mutant)

    def make(image_shape: tuple[int, int, int], num_classes: int, k: int) -> jfool.SparseFooling:
        climbed = lab.OBJECTIVES[objective]()
        return jfool.SparseFooling(
            image_shape, num_classes, max_k=k, search=search, objective=climbed
        )

    name = f"DE {mutant}/1, {objective.replace('_', '-')}"
    return Method(name, f"{objective}_{mutant}", population, make)


def evolutions(
    population: int, objectives: Sequence[str], mutants: Sequence[str]
) -> dict[str, Method]:
    """Every objective with every mutant, by name."""
    methods = [evolution(o, mutant, population) for o in objectives for mutant in mutants]
    return {method.name: method for method in methods}


def greedy() -> Method:
    """With its default settings."""

    def make(image_shape: tuple[int, int, int], num_classes: int, k: int) -> jfool.GreedyFooling:
        return jfool.GreedyFooling(image_shape, num_classes, max_k=k)

    return Method("greedy", "greedy", jfool.GreedySearch().num_proposals, make)
