"""Nguyen et al. (2015), table S1: do images that evolved through one network fool its twin?

    python -m experiments nguyen2015 transfer paper

A and B are one architecture, trained alike from different initial weights, on images in different
orders. Images that evolved through each are shown to both. In the paper 46 % are given the same
label by both, 27 % with at least 99 %, and nine in ten of the matches score higher on their own
network. `reduced` takes about 12 minutes on two cores.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float

import models
from experiments import lab
from experiments.lab.predict import probabilities
from experiments.nguyen2015.figures import percent, share
from experiments.nguyen2015.methods import (
    METHODS,
    TITLES,
    ArchiveEvolution,
    Methods,
    every_class,
    evolve,
)

PAPER = lab.published(__file__)["transfer"]
SURE = 0.99
OTHERS = {"A": "B", "B": "A"}
ALL = "all of them"
MOST_SHOWN = 5


@lab.settings
class Settings:
    dataset: lab.Dataset = "mnist"  # digits needs no download
    network: lab.TrainedNetwork = "lenet"  # trained here, or before, by its recipe
    training_seeds: Annotated[tuple[lab.Seed, lab.Seed], lab.distinct] = (0, 1)  # of A and of B
    methods: Methods = ("direct", "cppn")  # how images evolve
    runs: lab.Count = 30  # against each network, for each method
    search: ArchiveEvolution = ArchiveEvolution(generations=200)


PRESETS = {
    "smoke": lab.preset(
        "seconds, after two short trainings; LeNet on scikit-learn's digits",
        "--dataset digits --population 20 --generations 10 --runs 2",
    ),
    "reduced": lab.preset("eight runs through each of two LeNets, of each method", "--runs 8"),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each method, network, run and class: the champion, shown to both networks."""
    dataset = models.load_dataset(s.dataset)
    twins = {
        name: lab.load_victim(s.network, dataset, seed)
        for name, seed in zip(OTHERS, s.training_seeds, strict=True)
    }
    targets = every_class(len(dataset.class_names), s.runs)
    found = []
    for method in s.methods:
        encoding = METHODS[method](dataset.image_shape)
        for number, (own, other) in enumerate(OTHERS.items()):
            model, options = twins[own].model, {"first_run": number * s.runs}
            name = f"{own}_{method}"
            champions = evolve(run, name, encoding, model, targets, s.search, **options).champions
            of_both = (probabilities(twins[x].model, champions["image"]) for x in (own, other))
            found.append(champions.plus(method=method, network=own, **compared(*of_both)))
    return {"champions": lab.Records.joined(found), "twins": twins}


def compared(
    own: Float[np.ndarray, "N K"], other: Float[np.ndarray, "N K"]
) -> dict[str, np.ndarray]:
    """What two networks say of images that evolved through the first of them.

    Returns:
      Columns: `label`, what their own network predicts; `own` and `other`, the highest confidence
      of either; `match`, whether both predict the same, which neither does with NaN; `sure`, the
      matches with at least 99 % from both; `higher`, those with more from their own network;
      `tied`, those with the same from both, to the last bit.
    """
    label, best, others_best = own.argmax(1), own.max(1), other.max(1)
    match = ~np.isnan(best + others_best) & (label == other.argmax(1))
    return {
        "label": label,
        "own": best,
        "other": others_best,
        "match": match,
        "sure": match & (best >= SURE) & (others_best >= SURE),
        "higher": match & (best > others_best),
        "tied": match & (best == others_best),
    }


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """For each method, and for all: table S1, and of which classes both networks are sure."""
    champions, names = found["champions"], models.class_names(s.dataset)
    kinds = {TITLES[method]: of for method, of in champions.groups("method")}
    if len(kinds) > 1:
        kinds[ALL] = champions
    for title, of in kinds.items():
        paper = PAPER if s.dataset == "mnist" and title == TITLES["cppn"] else None
        title = f"Evolved images on the other network: {title}, % (table S1)"
        yield lab.table(title, table_s1(of), paper)
    counts = {
        title: {name: int((of["sure"] & (of["label"] == c)).sum()) for c, name in enumerate(names)}
        for title, of in kinds.items()
    }
    yield lab.table("Images with at least 99 % on both, by class", counts)


def table_s1(of: lab.Records) -> dict[str, dict[str, lab.Cell]]:
    """Of one kind of images. What is said of images that evolved through B is A's answer."""
    of_a, of_b = (rates(of.where(network=network)) for network in ("A", "B"))
    columns = {"A on B's images": of_b, "B on A's images": of_a, "average": (of_a + of_b) / 2}
    return {row: {c: share(x[i]) for c, x in columns.items()} for i, row in enumerate(PAPER)}


def rates(of: lab.Records) -> Float[np.ndarray, " rows"]:
    """Matches, sure ones, and of the matches the higher ones, NaN where there are no matches."""
    higher = of["higher"][of["match"]]
    shares = of["match"].mean(), of["sure"].mean(), higher.mean() if len(higher) else np.nan
    return np.array(shares)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figure S1, for each method with which both networks are sure of an image."""
    champions = found["champions"]
    for method, sure in champions.rows(champions["sure"]).groups("method"):
        draw_sure(out / f"{method}.png", sure, models.class_names(s.dataset))
        yield lab.Picture(
            f"{method}.png",
            f"{TITLES[method]}: images of which both networks are at least 99 % sure (figure S1), "
            "of each class the best: the confidences (%) of the network that they evolved through, "
            "and of the other.",
        )


def draw_sure(path: Path, sure: lab.Records, names: Sequence[str]) -> None:
    """A column for each class that has images, those with the highest confidences above."""
    sure = sure.ordered(-np.minimum(sure["own"], sure["other"]))
    columns = {}
    for label, best in sure.ordered(sure["label"]).groups("label"):
        shown = best.rows(slice(MOST_SHOWN)).columns("image", "network", "own", "other")
        columns[names[label]] = [
            lab.Tile(image, f"{x} {percent(own)}\n{OTHERS[x]} {percent(other)}")
            for image, x, own, other in shown
        ]
    rows = [(str(i + 1), row) for i, row in enumerate(zip_longest(*columns.values()))]
    lab.draw_gallery(path, rows, list(columns))


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    accuracies = (f"{name} {100 * of.accuracy:.2f} %" for name, of in found["twins"].items())
    kinds = {TITLES[method]: of for method, of in found["champions"].groups("method")}
    tied = [f"{of['tied'].sum()} ({title})" for title, of in kinds.items() if of["tied"].any()]
    unsure = [title for title, of in kinds.items() if not of["sure"].any()]
    texts = [
        f"Test accuracy: {', '.join(accuracies)}. They differ in start weights and in the order of "
        "the images.",
        "The paper shows CPPN images alone; a label is what a network predicts, be it the class "
        "that was sought or not. The paper's text speaks of 99.99 % where its table has 99 %.",
        "All images are of 8 bits as they evolve, so rounding changes nothing.",
    ]
    if tied:
        of = ", ".join(tied)
        texts.append(f"Matches with equal confidence on both, in float32, are not higher: {of}.")
    if unsure:
        texts.append(f"Of no image of these are both networks 99 % sure: {', '.join(unsure)}.")
    return texts


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Transfer of evolved images between two trainings of {network} on {dataset}",
    source="Nguyen et al. (2015), section 3.5, supplement A, table S1, figure S1",
    paper="300 images through each of two LeNets, of each method",
)  # fmt: skip
