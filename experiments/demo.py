"""The main job in a minute: LeNet takes black, grey and white images for all ten digits.

    python -m experiments demo

LeNet is trained on scikit-learn's bundled digits, without any download. For each base color and
digit, jfool's greedy search alters a few pixels until the network is sure to see that digit, and
differential evolution, the search of Kumano et al. (2020), does the same with as many evaluations.
"""

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
    k: lab.Pixels = 25  # the most pixels that are altered
    budget: lab.Count = 20_000  # images of a search, at most
    colors: lab.Colors = ("black", "grey", "white")  # or gray levels in [0, 1]
    search: lab.Evolution = lab.Evolution(population=50, until=0.99, lanes=30)

    @property
    def dataset(self) -> str:
        return "digits"

    def check(self) -> None:
        least = max(self.search.population, jfool.GreedySearch().num_proposals)
        if self.budget < least:
            raise ValueError(f"budget: expected a number of at least {least}, got {self.budget}")


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each search, color and digit."""
    dataset = models.load_dataset(s.dataset)
    victim = lab.load_victim("lenet", dataset)
    shape, count = victim.image_shape, victim.num_classes
    wanted = lab.cells([s.k], s.colors, range(count), 1, num_classes=count, shape=shape)
    evolution, greedy = s.search.search(), jfool.GreedySearch()
    found = []
    for method, attack, images in (
        (GREEDY, jfool.GreedyFooling(shape, count, max_k=s.k, search=greedy), greedy.num_proposals),
        (
            EVOLUTION,
            jfool.SparseFooling(shape, count, max_k=s.k, search=evolution),
            s.search.population,
        ),
    ):
        found.append(
            lab.search(
                run,
                method.replace(" ", "_"),
                attack,
                victim.model,
                wanted.plus(method=method),
                s.search,
                num_steps=s.budget // images - 1,
                title=method,
            )
        )
    searches = lab.beside_colors(lab.Records.joined(found), victim.model, s.colors, shape)
    return {"searches": searches, "victim": victim}


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
        shown, _ = gallery_of(of, names)
        rows += [(f"{color},\n{method.replace(' ', chr(10), 1)}", tiles) for color, tiles in shown]
    accuracy = 100 * found["victim"].accuracy
    lab.draw_gallery(
        out / "gallery.png",
        rows,
        names,
        title=f"What LeNet takes for digits: one color and at most {s.k} other pixels",
        subtitle=f"test accuracy {accuracy:.1f} %, at most {s.budget:,} images shown to a search",
        orange=NOT_FOOLED,
    )
    yield lab.Picture("gallery.png", "Each image, the digit that LeNet sees, and its confidence.")


def notes(s: Settings, found: dict[str, Any]) -> Iterator[str]:
    yield found["victim"].note
    if s.search.until is not None:
        yield f"A search ends at {100 * s.search.until:g} % confidence."


EXPERIMENT = lab.Experiment(
    Settings(), {}, records, tables, pictures, notes,
    title="LeNet takes images of one color and at most {k} other pixels for digits",
    source="jfool's greedy search, and differential evolution as in Kumano et al. (2020)",
    agenda=(),
)  # fmt: skip
