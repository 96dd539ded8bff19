"""A demonstration in a minute: LeNet takes black, grey and white images for all ten digits.

    python -m experiments demo

LeNet is trained on scikit-learn's bundled digits, without any download. For each base color and
digit, jfool's greedy search alters a few pixels until the network is sure to see that digit. On
black, differential evolution, the search of Kumano et al. (2020), gets as many evaluations.
Expected: all 30 images of the greedy search are at 90 % or more, few of the others.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jfool
import models
from experiments import lab
from experiments.lab.sparse_tables import NOT_FOOLED, confidence_table, counts, gallery_of

GREEDY, EVOLUTION = "greedy search", "differential evolution"


@lab.settings
class Settings:
    k: lab.Pixels = 40  # the most pixels that are altered
    colors: lab.Colors = ("black", "grey", "white")  # base colors; also gray levels in [0, 1]
    compared: lab.Colors = ("black",)  # colors on which differential evolution searches too
    population: lab.Population = 50  # candidates of differential evolution
    budget: lab.Count = 20_000  # images that a search shows to the network, at most
    until: lab.Confidence | None = 0.99  # a search ends at this confidence
    seed: lab.Seed = 0  # of the searches

    @property
    def dataset(self) -> str:
        return "digits"

    def evolution(self, images_per_step: int) -> lab.Evolution:
        """Settings of searches that keep to the budget."""
        steps = self.budget // images_per_step - 1
        search = lab.Evolution(self.population, steps, self.until, self.seed)
        return dataclasses.replace(search, lanes=30, chunk=250)

    def check(self) -> None:
        least = max(self.population, jfool.GreedySearch().num_proposals)
        if self.budget < least:
            raise ValueError(f"budget: expected a number of at least {least}, got {self.budget}")


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each search, color and digit."""
    dataset = models.load_dataset(s.dataset)
    victim = lab.load_victim("lenet", dataset)
    shape, count = victim.image_shape, victim.num_classes
    greedy, population = jfool.GreedySearch(), s.evolution(1).search()
    methods = (
        (GREEDY, s.colors, jfool.GreedyFooling(shape, count, max_k=s.k), greedy.num_proposals),
        (
            EVOLUTION,
            s.compared,
            jfool.SparseFooling(shape, count, max_k=s.k, search=population),
            s.population,
        ),
    )
    found = []
    for method, colors, attack, images_per_step in methods:
        wanted = lab.cells([s.k], colors, range(count), 1, num_classes=count, shape=shape)
        wanted, settings = wanted.plus(method=method), s.evolution(images_per_step)
        name = method.replace(" ", "_")
        of = lab.search(run, name, attack, victim.model, wanted, settings, title=method)
        found.append(lab.beside_colors(of, victim.model, colors, shape))
    return {"searches": lab.Records.joined(found), "victim": victim}


def tables(s: Settings, found: dict[str, Any]) -> Iterator[lab.Table]:
    names = models.class_names(s.dataset)
    groups = list(found["searches"].groups("method"))
    for method, of in groups:
        yield confidence_table(f"Confidence (%), {method}", of, names)
    yield lab.table("Images", {method: counts(of) for method, of in groups})


def pictures(s: Settings, found: dict[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The images of both searches."""
    names = models.class_names(s.dataset)
    rows = []
    for method, of in found["searches"].groups("method"):
        told = "" if method == GREEDY else ",\ndifferential\nevolution"
        rows += [(f"{color}{told}", tiles) for color, tiles in gallery_of(of, names)[0]]
    accuracy = 100 * found["victim"].accuracy
    lab.draw_gallery(
        out / "gallery.png",
        rows,
        names,
        title=f"What LeNet takes for digits: one color and at most {s.k} other pixels",
        subtitle=f"test accuracy {accuracy:.1f} %; greedy search, at most {s.budget:,} images "
        "shown to the network for each one",
        orange=NOT_FOOLED,
    )
    yield lab.Picture("gallery.png", "Each image, the digit that LeNet sees, and its confidence.")


def notes(s: Settings, found: dict[str, Any]) -> Iterator[str]:
    yield found["victim"].note
    if s.until is not None:
        yield f"A search ends at {100 * s.until:g} % confidence."


EXPERIMENT = lab.Experiment(
    Settings(), {}, records, tables, pictures, notes,
    title="LeNet takes images of one color and at most {k} other pixels for digits",
    source="jfool's greedy search, and differential evolution as in Kumano et al. (2020)",
    agenda=(),
)  # fmt: skip
