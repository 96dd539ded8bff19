"""Nguyen et al. (2015), figures 4, 5 and S2: images that evolve until LeNet is sure of a digit.

    python -m experiments nguyen2015 mnist paper

An archive holds one champion for each digit. Genes are pixels ("direct"; "direct_grey" with the
original code's crossover, in which genes that the parents share turn grey), or a CPPN, a small
network that grows and paints the image ("cppn"). The paper: 99.99 % for every digit, within 50
generations of pixels and 200 of CPPNs (the median). `reduced` takes 25 minutes on two cores; an
interrupted run resumes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import models
from experiments import lab
from experiments.nguyen2015.figures import draw_champions, median, percent
from experiments.nguyen2015.methods import (
    METHODS,
    TITLES,
    ArchiveEvolution,
    Archives,
    Methods,
    beside_paper,
    every_class,
    evolve,
)

PAPER = lab.published(__file__)["mnist"]
SURE = 0.9999
COLORS = ("#1d4ed8", "#b45309", "#047857")

Found = Mapping[str, Archives]


@lab.settings
class Settings:
    dataset: lab.Dataset = "mnist"  # or fashion_mnist, digits
    network: lab.Network = "lenet"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    methods: Methods = tuple(METHODS)
    search: ArchiveEvolution = ArchiveEvolution()
    marks: tuple[lab.Number, ...] = (50, 200, 1000)  # generations that the tables show
    runs: lab.Count = 50  # of each method; they differ in their draws
    alone: lab.Number = 50  # more runs, in which each class evolves separately; 0 for none
    # Of those; at least nine, so that with the start there are as many populations as classes.
    alone_generations: Annotated[int, lab.at_least(9)] = 200

    def check(self) -> None:
        most = self.search.generations
        if self.alone and self.alone_generations > most:
            raise ValueError(
                f"alone_generations: expected at most those of the archives, {most}, "
                f"got {self.alone_generations}"
            )
        if not self.marks or max(self.marks) > most:
            raise ValueError(f"marks: expected generations up to {most}, got {self.marks}")


PRESETS = {
    "smoke": lab.preset(
        "a minute or two; LeNet on scikit-learn's digits",
        "--dataset digits --population 20 --generations 10 --marks 5 10 --runs 2 --alone 1 "
        "--alone-generations 10",
    ),
    "reduced": lab.preset(
        "ten runs of each method, two with every class by itself", "--runs 10 --alone 2"
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """Archives by method, those of single classes, and a record for each champion."""
    dataset = models.load_dataset(s.dataset)
    model = lab.load_victim(s.network, dataset, s.training_seed).model
    num_classes = len(dataset.class_names)
    archives, alone = {}, {}
    for method in s.methods:
        encoding = METHODS[method](dataset.image_shape)
        targets = every_class(num_classes, s.runs)
        archives[method] = evolve(run, method, encoding, model, targets, s.search)
        if s.alone:
            targets = every_class(num_classes, s.alone).reshape(-1, 1)
            search = lab.changed(s.search, generations=s.alone_generations)
            alone[method] = evolve(
                run, f"alone/{method}", encoding, model, targets, search, first_run=s.runs
            )
    champions = [of.champions.plus(method=method) for method, of in archives.items()]
    return {"archives": archives, "alone": alone, "champions": lab.Records.joined(champions)}


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    """How sure the network is, and when; and the same for classes that evolve by themselves."""
    made = [medians_table(s.marks, found["archives"]), sure_table(s.marks, found["archives"])]
    if s.alone:
        made.append(alone_table(found["archives"], found["alone"], s.alone_generations))
    return made


def medians_table(marks: Sequence[int], archives: Found) -> lab.Table:
    """How sure the network is after some generations."""
    rows = {
        TITLES[method]: {
            **{f"after {mark}": median(of.fitness[:, mark]) for mark in marks},
            "lowest at the end": percent(of.confidence.min()),
            "runs": len(of.confidence),
        }
        for method, of in archives.items()
    }
    title = "Median confidence of all champions of all runs (%)"
    return beside_paper(title, rows, PAPER["medians"])


def sure_table(marks: Sequence[int], archives: Found) -> lab.Table:
    """When a run is sure of every digit."""
    rows, when = {}, "champions that get there: median generation"
    for method, of in archives.items():
        sure = of.fitness >= SURE  # [R, G, cells]
        first = sure.argmax(axis=1)[sure.any(axis=1)]
        counts = {f"after {mark}": f"{sure[:, mark].all(1).sum()} of {len(sure)}" for mark in marks}
        rows[TITLES[method]] = {**counts, when: float(np.median(first)) if first.size else None}
    title = "Runs in which every champion is at 99.99 %, and when a champion gets there"
    return beside_paper(title, rows, PAPER["sure"])


def alone_table(archives: Found, alone: Found, generations: int) -> lab.Table:
    """Archives beside classes that evolve by themselves, whose runs together are shown as many
    images for each class as an archive for all."""
    rows = {}
    for method, of in alone.items():
        num_classes = archives[method].targets.shape[1]
        equal = (generations + 1) // num_classes - 1  # the start is a population, too
        many = f"alone, {generations} generations: {num_classes} x the images"
        rows[TITLES[method]] = {
            f"archive, {generations} generations": median(archives[method].fitness[:, generations]),
            many: median(of.fitness[:, generations]),
            f"alone, {equal} generations: as many images": median(of.fitness[:, equal]),
            "runs, alone": len(of.fitness) // num_classes,
        }
    title = "Median confidence (%) in an archive, and where every class evolves by itself"
    return lab.table(title, rows)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figures 4 and 5: the champions, and how they got there."""
    draw_course(out / "course.png", found["archives"])
    yield lab.Picture("course.png", "How far the champions are from certainty.")
    for method, champions in found["champions"].groups("method"):
        draw_champions(out / f"{method}.png", champions, models.class_names(s.dataset))
        text = f"{TITLES[method]}: the champions of the first runs."
        yield lab.Picture(f"{method}.png", text)


def draw_course(path: Path, archives: Found) -> None:
    """The median champion, and the lowest tenth, by generation, as distances from certainty."""
    figure = lab.new_figure(7, 3.6)
    axes = figure.subplots()
    for color, (method, of) in zip(COLORS, archives.items(), strict=False):
        doubt = np.maximum(1 - of.fitness, 1e-7)
        middle, worst = np.quantile(doubt, (0.5, 0.9), axis=(0, 2))
        generations = np.arange(len(middle))
        axes.plot(generations, middle, color=color, label=TITLES[method])
        axes.fill_between(generations, middle, worst, color=color, alpha=0.15, lw=0)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(yscale="log", xlabel="generation (the start is 0)")
    axes.set_ylabel("1 - confidence of the champions")
    axes.axhline(1e-4, color="#767676", lw=0.8, ls=":")
    axes.annotate("99.99 %", (0, 1e-4), textcoords="offset points", xytext=(2, 3), color="#767676")
    axes.legend(frameon=False, title="median; shaded to the lowest tenth")
    lab.save_figure(figure, path)


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    told = [
        "The paper's text varies one image at a time; as in its code, a generation is "
        f"{s.search.population} children of pairs of champions, all evaluated at once, and each "
        "may take any cell.",
        "Pixels mutate at a rate of 0.1 by polynomial steps (eta 15). Half of the pairs cross by "
        "simulated binary crossover (eta 10), which is in the paper's code but not in its text.",
        "Our LeNet sees pixels in [0, 1]; the paper's subtracted a mean image.",
        "Tables and curve show the search's own confidences. The lowest at the end and the "
        "galleries are recomputed from the images, which have 8 bits.",
    ]
    for method, of in found["archives"].items():
        if of.num_full:
            count = f"{of.num_full} of {of.confidence.size} champions' networks"
            told.append(f"{method}: {count} are full and can grow no more.")
    if s.alone:
        told.append(
            "Where every class evolves by itself, all children of a run serve one class. That the "
            'result is the same is said in section 2.2 of the paper ("data not shown").'
        )
    return told


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Evolved fooling images: {network} on {dataset}",
    source="Nguyen et al. (2015), figures 4, 5 and S2, section 3.1",
    paper="50 runs of each method",
)  # fmt: skip
