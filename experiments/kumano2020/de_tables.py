"""Kumano et al. (2020), tables 2 to 13: SFIs by differential evolution on CIFAR-10.

    python -m experiments kumano2020 de_tables paper --network cifar_vgg16=FILE

One network a run. For each k, base color and class: the mean confidence of the sparse fooling
images (SFIs) found, and that of the color alone; figures 4 and 5; and the orderings that the paper
reads off its tables. `reduced` takes an hour on two cores for ResNet20; an interrupted run
resumes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import models
from experiments import lab
from experiments.kumano2020.orderings import COLORS, means_table, orderings_table

PAPER = lab.published(__file__)["de_tables"]
ORIENTATION = "cifar_vgg16"  # beside networks that the paper did not attack
KS = (1, 5, 25, 125)


@lab.settings
class Settings:
    network: lab.Network = "cifar_vgg16"  # NAME=FILE, or NAME to train it here
    dataset: lab.Dataset = "cifar10"  # on another there is nothing of the paper's to compare with
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    ks: lab.Ks = KS  # the most pixels that are altered
    colors: lab.Colors = COLORS  # base colors
    repeats: lab.Repeats = 50  # SFIs for each k, color and class
    search: lab.Evolution = lab.Evolution(population=500, generations=3000)


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits",
        "--network mlp --dataset digits --ks 1 5 --colors black grey white --population 8 "
        "--generations 6 --repeats 2",
    ),
    "reduced": lab.preset(
        "every k, color and class once, 100 candidates over 100 generations",
        "--population 100 --generations 100 --until 0.995 --repeats 1",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each k, color, class and repeat."""
    dataset = models.load_dataset(s.dataset)
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    found = lab.search_grid(run, victim, s.search, ks=s.ks, colors=s.colors, repeats=s.repeats)
    return {"searches": found, "victim": victim}


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    """One for each k, as the paper sets it, and what it reads off them."""
    names, paper = models.class_names(s.dataset), None
    if s.dataset == "cifar10":
        paper = PAPER.get(lab.name_of(s.network), PAPER[ORIENTATION])
    ours, theirs, made = [], [], []
    for k, of_k in found["searches"].groups("k"):
        cells = of_k.pivot("color", "target", ("confidence", "plain"))
        mean, plain = (lab.floored_cells(cells[..., i]) for i in range(2))
        ours.append(mean)
        title, beside = f"{k}-SFIs: mean confidence, and that of the color alone (%)", None
        if paper is not None:
            theirs.append(lab.numbers_of(paper, f"mean_{k}", COLORS, s.colors))
            if k in KS:
                number = paper["first_table"] + KS.index(k)
                title += f"; beside {paper['title']}, table {number}"
                alone = lab.numbers_of(paper, "plain", COLORS, s.colors)
                beside = lab.beside_plain(theirs[-1], alone, "?")
        bold = (mean >= 90).tolist()
        made.append(lab.Table(title, names, s.colors, lab.beside_plain(mean, plain), beside, bold))
    shown = np.array(ours), np.array(theirs) if theirs else None
    return [*made, means_table(s.ks, s.colors, *shown), orderings_table(s.colors, *shown)]


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figures 4 and 5: all classes for one k, and all k for one class."""
    best = found["searches"].best("k", "color", "target")
    names, k = models.class_names(s.dataset), 5 if 5 in s.ks else s.ks[-1]
    lab.draw_gallery(out / "colors.png", lab.tiles(best.where(k=k), "color"), names)
    yield lab.Picture(
        "colors.png",
        f"The most confident {k}-SFI of every base color and class, with its confidence, as in "
        "figure 4.",
    )
    heads = [f"k = {k}" for k in s.ks]
    lab.draw_gallery(out / "ks.png", lab.tiles(best.where(target=0), "color"), heads)
    caption = f"SFIs for the class {names[0]} on every base color, as in figure 5."
    yield lab.Picture("ks.png", caption)


def source(s: Settings) -> str:
    """Which tables of the paper belong to a network."""
    paper = PAPER.get(lab.name_of(s.network))
    if paper is None:
        return "Kumano et al. (2020), as tables 2 to 13, on a network that they did not attack"
    first = paper["first_table"]
    return f"Kumano et al. (2020), tables {first} to {first + 3}, figures 4 and 5"


def notes(s: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    yield found["victim"].note
    yield "The paper does not say what happens to positions outside the image: they are clipped."
    if s.dataset == "cifar10":
        yield "? marks a number of the paper whose digits are lost; its means are over the rest."
    if s.dataset == "cifar10" and lab.name_of(s.network) not in PAPER:
        yield f"For orientation only, the numbers beside ours are of {PAPER[ORIENTATION]['title']}."
    if s.search.until is not None:
        yield f"A search ends at {100 * s.search.until:g} % confidence, where the paper's run on."


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    name=lambda s: f"de_tables_{lab.name_of(s.network)}",
    title=lambda s: f"SFIs by differential evolution: {lab.name_of(s.network)} on {s.dataset}",
    source=source,
    agenda=("", "--network nin", "--network cifar_resnet50"),
    paper="50 SFIs of 1 500 500 evaluations for each of 240 cells",
)  # fmt: skip
