"""The searches that are compared: differential evolution in six variants, and jfool's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jfool
from experiments.lab.search import OBJECTIVES


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
    make: Callable[[tuple[int, int, int], int, int], jfool.Composition]


def evolution(objective: str, mutant: str, population: int) -> Method:
    """Differential evolution without crossover, F = 0.5; the paper's is confidence, rand/1."""

    def make(image_shape: tuple[int, int, int], num_classes: int, k: int) -> jfool.Composition:
        return jfool.SparseFooling(
            image_shape,
            num_classes,
            max_k=k,
            search=jfool.DifferentialEvolution(population, mutant=mutant),
            objective=OBJECTIVES[objective](),
        )

    name = f"DE {mutant}/1, {objective.replace('_', '-')}"
    return Method(name, f"{objective}_{mutant}", population, make)


def evolutions(
    population: int, objectives: Sequence[str], mutants: Sequence[str]
) -> dict[str, Method]:
    """Every objective with every mutant, by the name of the folder."""
    methods = [evolution(o, mutant, population) for o in objectives for mutant in mutants]
    return {method.folder: method for method in methods}


def greedy() -> Method:
    """With the settings it comes with."""

    def make(image_shape: tuple[int, int, int], num_classes: int, k: int) -> jfool.Composition:
        return jfool.GreedyFooling(image_shape, num_classes, max_k=k)

    return Method("greedy", "greedy", jfool.GreedyPixels().num_proposals, make)
