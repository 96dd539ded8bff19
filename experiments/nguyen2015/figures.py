"""Figures 4 and 5 of paper 001: what evolved, and how fast."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015.methods import TEXTS, Runs

_COLORS = ("#1d4ed8", "#b45309", "#047857")


def percent(confidence: float) -> str:
    """With two digits, rounded down: a figure of 99.99 is at least that."""
    return f"{np.floor(1e4 * confidence + 1e-6) / 100:.2f}"


def draw_champions(path: Path, runs: Runs, class_names: Sequence[str], most: int = 5) -> None:
    """The last champions, runs down and classes across."""
    tiles = [champion_tiles(runs, number) for number in range(min(most, len(runs.images)))]
    draw_gallery(path, tiles, [f"run {i + 1}" for i in range(len(tiles))], class_names)


def champion_tiles(runs: Runs, number: int) -> list[Tile]:
    """The last champions of one run."""
    run = runs.images[number], runs.confidence[number], runs.prediction[number]
    return [
        Tile(image, f"{percent(confidence)} %", bool(prediction == label))
        for label, (image, confidence, prediction) in enumerate(zip(*run, strict=True))
    ]


def draw_course(path: Path, methods: Mapping[str, Runs]) -> None:
    """The median champion, and the lowest tenth, by generation, as distances from certainty."""
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    for color, (method, runs) in zip(_COLORS, methods.items(), strict=False):
        doubt = np.maximum(1 - runs.fitness, 1e-7)
        median, worst = np.quantile(doubt, (0.5, 0.9), axis=(0, 2))
        generations = np.arange(len(median))
        axes.plot(generations, median, color=color, label=TEXTS[method])
        axes.fill_between(generations, median, worst, color=color, alpha=0.15, lw=0)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(yscale="log", xlabel="generation (the start is 0)")
    axes.set_ylabel("1 - confidence of the champions")
    axes.axhline(1e-4, color="#767676", lw=0.8, ls=":")
    axes.annotate("99.99 %", (0, 1e-4), textcoords="offset points", xytext=(2, 3), color="#767676")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="median; shaded to the lowest tenth")
    save_figure(figure, path)
