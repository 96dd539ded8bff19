"""The search of Kumano et al. (2020) in plain NumPy: evolution, painting, confidence.

Nothing here is taken from jfool. Random draws are given to it.
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class Draws:
    """Of one generation: donors `[P]`, F, genes from the mutant `[P, k, g]`, new positions."""

    donors: tuple[np.ndarray, np.ndarray, np.ndarray]
    scale: np.float32
    from_mutant: np.ndarray
    positions: np.ndarray


def inside(rule: str, x: np.float32, size: int, redrawn: np.float32) -> np.float32:
    """One coordinate, kept inside [0, size)."""
    last = np.nextafter(np.float32(size), np.float32(0))
    if rule == "clip":
        x = min(max(x, np.float32(0)), last)
    if rule == "wrap":
        while x < 0:
            x = np.float32(x + np.float32(size))
        while x >= size:
            x = np.float32(x - np.float32(size))
    if rule == "reflect":
        while not 0 <= x < size:
            x = -x if x < 0 else min(np.float32(2 * size) - x, last)
    if rule == "resample" and not 0 <= x < size:
        x = redrawn
    return min(x, last)


def repair(genotype: np.ndarray, rule: str, shape: tuple, redrawn: np.ndarray) -> np.ndarray:
    """`[k, g]`, positions inside the image and intensities in [0, 1]."""
    repaired = genotype.copy()
    for row in range(len(genotype)):
        for axis, size in ((0, shape[1]), (1, shape[0])):
            repaired[row, axis] = inside(rule, genotype[row, axis], size, redrawn[row, axis])
        for channel in range(2, genotype.shape[1]):
            repaired[row, channel] = min(max(genotype[row, channel], 0), 1)
    return repaired


def paint(base: np.ndarray, genotype: np.ndarray, k: int, shape: tuple) -> np.ndarray:
    """The first k rows over the base, one after the other."""
    image = np.array(np.broadcast_to(base, shape))
    for x, y, *channels in genotype[:k]:
        image[math.floor(y), math.floor(x)] = channels
    return image


def confidence(image: np.ndarray, weights: np.ndarray, label: int) -> np.float32:
    logits = image.reshape(-1) @ weights
    e = np.exp(logits - logits.max())
    return np.float32(e[label] / e.sum())


def trials(
    population: np.ndarray, best: int | None, draws: Draws, rule: str, shape: tuple
) -> np.ndarray:
    """`[P, k, g]`, the challengers; `best` is the member to start from, None for a random one."""
    vectors = []
    for i, (r1, r2, r3) in enumerate(zip(*draws.donors, strict=True)):
        origin = population[r1 if best is None else best]
        mutant = origin + draws.scale * (population[r2] - population[r3])
        crossed = np.where(draws.from_mutant[i], mutant, population[i])
        vectors.append(repair(crossed, rule, shape, draws.positions[i]))
    return np.stack(vectors)


def select(
    population: np.ndarray, fitness: np.ndarray, challengers: np.ndarray, theirs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A challenger takes its member's place where it is strictly fitter."""
    population, fitness = population.copy(), fitness.copy()
    for i in range(len(population)):
        if theirs[i] > fitness[i]:
            population[i], fitness[i] = challengers[i], theirs[i]
    return population, fitness
