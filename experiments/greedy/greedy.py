"""GreedyPixels, jfool's own search, against differential evolution with equal budgets.

    python -m experiments greedy paper --network cifar_resnet20=FILE --imagenet mobilenet_v2_tf=FILE

Paper 000 asks whether five pixels on blue can be a car, where its differential evolution found
none. Six variants of that search meet on a pilot of twelve cells; the best one and the greedy
search then run on every base colour and class of CIFAR-10 with k = 5, and on twenty classes of
ImageNet and the centipede with ten pixels on grey.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import models
from experiments.greedy.greedy_config import PRESETS, Config, check
from experiments.greedy.greedy_figures import pictures
from experiments.greedy.greedy_methods import Method, evolutions, greedy
from experiments.greedy.greedy_tables import compared, notes, pilot_table, score, tables
from experiments.kumano2020.centipede import CENTIPEDE
from experiments.lab import section
from experiments.lab.colors import parse_colors
from experiments.lab.imagenet import (
    NUM_CLASSES,
    ImageNetVictim,
    imagenet_names,
    imagenet_victim,
)
from experiments.lab.recorded import Outcomes, search_recorded
from experiments.lab.search import Cell, Place, places_of
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.lab.victims import split_spec, victim_of

_NUM_MARKS = 100


def main(config: Config) -> None:
    """Searches, or goes on with it; then draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    arena = small_arena(config, model, dataset)
    chosen = np.random.default_rng(config.seed).permutation(len(arena.places))[: config.pilot]
    numbers = np.array(list(arena.places))[np.sort(chosen)].tolist()
    pilot = dataclasses.replace(
        arena,
        places={number: arena.places[number] for number in numbers},
        budget=config.pilot_budget,
    )
    variants = evolutions(config.population, config.objectives, config.mutants)
    trials = {
        name: search(config, method, pilot, f"pilot_{name}") for name, method in variants.items()
    }
    best = max(trials, key=lambda name: score(trials[name], config.threshold))
    small = {m.name: search(config, m, arena, m.folder) for m in (variants[best], greedy())}

    victim = imagenet_victim(config.imagenet, config.side, config.seed)
    names = imagenet_names(config.class_names)
    arena = large_arena(config, victim)
    rival = evolutions(config.imagenet_population, config.objectives, config.mutants)[best]
    large = {m.name: search(config, m, arena, f"imagenet_{m.folder}") for m in (rival, greedy())}
    section.publish(
        section.Section(
            name="greedy",
            title=f"Greedy re-placement of pixels on {split_spec(config.network)[0]}",
            source="jfool's own search, on the cells of paper 000's tables for k = 5, figure 1",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("greedy", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[
                *tables(config, small, dataset.class_names),
                pilot_table(config, {variants[name].name: of for name, of in trials.items()}),
                compared(config, large, names, victim.title),
            ],
            pictures=pictures(
                {split_spec(config.network)[0]: small, victim.title: large},
                (config.k, config.imagenet_k),
                dataset.class_names,
                config.out,
            ),
            notes=notes(config, card, victim, len(trials), small),
            data={
                "network": card,
                "pilot": {name: _data(outcomes) for name, outcomes in trials.items()},
                "cifar": {name: _data(outcomes) for name, outcomes in small.items()},
                "imagenet": {name: _data(outcomes) for name, outcomes in large.items()},
            },
        ),
        config.out,
    )


@dataclass(frozen=True)
class Arena:
    """Where searches meet: a network, the cells to be found, and the means.

    Attributes:
      model, image_shape, num_classes: the network.
      k: the most pixels that are altered.
      places: by job id.
      budget: images of a search.
      lanes, chunk: as for `jfool.sweep`.
    """

    model: Any
    image_shape: tuple[int, int, int]
    num_classes: int
    k: int
    places: dict[int, Place]
    budget: int
    lanes: int
    chunk: int


def small_arena(config: Config, model: Any, dataset: models.Dataset) -> Arena:
    """Every base colour and class."""
    shape, num_classes = dataset.image_shape, len(dataset.class_names)
    colors = parse_colors(config.colors, shape[2], config.dataset)
    cells = [Cell(color, label) for color in colors for label in range(num_classes)]
    places = places_of([config.k], cells, 1, num_classes)
    means = config.budget, config.lanes, config.chunk
    return Arena(model, shape, num_classes, config.k, places, *means)


def large_arena(config: Config, victim: ImageNetVictim) -> Arena:
    """Some of ImageNet's classes on grey."""
    (grey,) = parse_colors(["grey"], 3, "ImageNet")
    labels = imagenet_labels(config.imagenet_classes, config.seed)
    k, shape = config.imagenet_k, victim.model.image_shape
    places = places_of([k], [Cell(grey, label) for label in labels], 1, NUM_CLASSES)
    means = config.imagenet_budget, 1, config.imagenet_chunk
    return Arena(victim.model, shape, NUM_CLASSES, k, places, *means)


def search(config: Config, method: Method, arena: Arena, folder: str) -> Outcomes:
    """All places of an arena, in a folder of their own."""
    return search_recorded(
        jax.random.key(config.seed, impl="threefry2x32"),
        method.make(arena.image_shape, arena.num_classes, arena.k),
        arena.model,
        arena.places,
        per_step=method.per_step,
        budget=arena.budget,
        threshold=config.threshold,
        num_marks=_NUM_MARKS,
        until=config.until,
        lanes=arena.lanes,
        chunk=arena.chunk,
        folder=config.out / folder,
        title=folder.replace("_", " "),
    )


def imagenet_labels(count: int, seed: int) -> list[int]:
    """Classes drawn at random, and the centipede."""
    others = np.delete(np.arange(NUM_CLASSES), CENTIPEDE)
    drawn = np.random.default_rng(seed).choice(others, count, replace=False)
    return sorted([*drawn.tolist(), CENTIPEDE])


def _cell_name(place: Place) -> str:
    return f"{place[0].color.name} {place[0].label}"


def _data(outcomes: Outcomes) -> dict[str, Any]:
    return {
        "cells": [_cell_name(place) for place in outcomes.places],
        "confidence": outcomes.confidence,
        "reached": [None if np.isnan(number) else int(number) for number in outcomes.reached],
        "evaluations": outcomes.evaluations,
        "median": np.median(outcomes.history, 0),
    }
