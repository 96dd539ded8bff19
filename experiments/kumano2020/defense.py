"""Kumano et al. (2020), tables 16 and 17: networks that know SFIs are fooled by new ones.

    python -m experiments kumano2020 defense paper

A network M0 is attacked with sparse fooling images (SFIs) on black. M1 is trained on the data and
on these SFIs, a class of their own; and so on, each network with the SFIs against all networks
before it. Each recognizes SFIs that were held out, and is still fooled by those made against
itself: in the paper 19 % at M4, and 99 % where they are white. `reduced` takes an hour on two
cores.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jfool
import models
from experiments import lab
from experiments.lab.colors import MAX_COLORS
from experiments.lab.retraining import filled, measure, split, train_with

PAPER = lab.published(__file__)["defense"]
COLUMNS = ("combined", "natural", "defense", "re-attack")


@lab.settings
class Settings:
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    network: lab.TrainedNetwork = "cifar_vgg16"  # trained by its recipe, once for each M
    num_steps: lab.Count | None = None  # of each training; by default the recipe's
    rounds: lab.Count = 4  # how often the network is attacked and trained anew
    per_class: lab.Repeats = 600  # SFIs for each class and round
    held_out: lab.Count = 100  # of these, not trained on
    copies: lab.Count = 1  # how often each SFI is in the training data
    max_k: lab.Pixels = 100  # altered pixels: k is drawn for each SFI from 1 to `max_k`
    training_seed: lab.Seed = 0  # of all networks
    search: lab.Evolution = lab.Evolution(population=500, generations=3000, until=0.9)

    def check(self) -> None:
        if self.held_out >= self.per_class:
            raise ValueError(
                f"held_out: expected less than per_class = {self.per_class}, got {self.held_out}"
            )


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits",
        "--dataset digits --network mlp --num-steps 66 --rounds 1 --per-class 3 --held-out 1 "
        "--copies 10 --max-k 20 --population 8 --generations 10",
    ),
    "reduced": lab.preset(
        "three rounds of 300 SFIs against a small CNN that is trained for eight epochs",
        "--network cnn --num-steps 3120 --rounds 3 --per-class 30 --held-out 5 --copies 20 "
        "--population 100 --generations 100",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """The SFIs of all rounds, and how each network classifies images that are new to it."""
    dataset = models.load_dataset(s.dataset)
    sets, measured = [], []
    for number in range(s.rounds + 1):
        shown = [split(of, held_out=False) for of in sets]
        model = train_with(
            run.folder / "networks" / f"M{number}.safetensors",
            s.network,
            dataset,
            [filled(x, s.copies * len(x)) for x in shown],
            name="SFI",
            num_steps=s.num_steps,
            seed=s.training_seed,
        )
        measured.append(measure(model, dataset, [split(of, held_out=True) for of in sets]))
        for color in ("black",) if number < s.rounds else ("black", "white"):
            sets.append(attacked(s, run, model, dataset, number, color))
    return {"measured": measured, "searches": lab.Records.joined(sets)}


def attacked(
    s: Settings, run: lab.Run, model: Any, dataset: models.Dataset, number: int, color: str
) -> lab.Records:
    """S_i, SFIs against M_i for the natural classes, with as many for each class."""
    count = len(dataset.class_names)
    first = number * s.per_class * count * MAX_COLORS
    shape = dataset.image_shape
    wanted = lab.cells(
        [s.max_k],
        [color],
        range(count),
        s.per_class,
        num_classes=count,
        shape=shape,
        first_id=first,
    )
    wanted = wanted.plus(
        k=lab.drawn_ks(s.search.key, wanted["job_id"], s.max_k),
        held_out=wanted["repeat"] >= s.per_class - s.held_out,
        network=f"M{number}" if color == "black" else f"M{number}, {color}",
    )
    # From M1 on the network has one class more, which no SFI is to reach.
    search = s.search.search()
    attack = jfool.SparseFooling(shape, model.num_classes, max_k=s.max_k, search=search)
    return lab.search(run, f"searches/{color}_{number}", attack, model, wanted, s.search)


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """Beside tables 16 and 17."""
    yield rounds(found)
    names = models.class_names(s.dataset)
    paper = None
    if s.dataset == "cifar10":
        paper = {m: dict(zip(names, row, strict=True)) for m, row in PAPER["table_17"].items()}
    rates = {
        network: {names[c]: lab.floored(of["success"].mean()) for c, of in sfis.groups("target")}
        for network, sfis in found["searches"].groups("network")
    }
    title = "Success of new attacks by target class, % (table 17)"
    yield lab.table(title, rates, paper, columns=names)


def rounds(found: Mapping[str, Any]) -> lab.Table:
    """A row for each M, also for those that only the paper has."""
    sets = dict(found["searches"].where(color="black").groups("network"))
    ours = {
        name: {
            **{column: lab.floored(getattr(of, column)) for column in COLUMNS[:3]},
            "re-attack": lab.floored(sets[name]["success"].mean()),
        }
        for name, of in zip(sets, found["measured"], strict=True)
    }
    title = "Accuracy, and success of new attacks, % (table 16)"
    return lab.table(title, ours, PAPER["table_16"], columns=COLUMNS)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The rounds as curves, and what fools each network."""
    lab.draw_curves(out / "rounds.png", rounds(found), COLUMNS[1:], "%")
    yield lab.Picture(
        "rounds.png",
        "Accuracy on natural images and on held-out SFIs, and success of new attacks, round by "
        "round; dashed, the paper's.",
    )
    rows = []
    for network, of in found["searches"].groups("network"):
        best = of.best("target").columns("image", "confidence", "k", "success")
        rows.append(
            (network, [lab.Tile(x, f"{lab.floored(p)} %, k = {k}", ok) for x, p, k, ok in best])
        )
    names = models.class_names(s.dataset)
    lab.draw_gallery(out / "against.png", rows, names, orange="the attack failed")
    caption = "The most confident SFI against each network and class, its confidence and k."
    yield lab.Picture("against.png", caption)


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    return [
        "The paper does not say whether M1 to M4 are trained from scratch: here they are, all with "
        "the recipe and the seed of M0.",
        f"An attack has succeeded when it reaches a confidence of {s.search.until:g}, where its "
        "search ends. All SFIs are trained on, those that failed too, rounded to 8 bits.",
        "Combined accuracy counts the natural test images and the SFIs held out in all rounds so "
        "far. With that the paper's numbers agree with each other.",
        f"Each SFI is {s.copies} times in the training data.",
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Training {network} to recognize SFIs, on {dataset}",
    source="Kumano et al. (2020), section 5.7, tables 16 and 17",
    paper="M0 to M4, five times 6 000 SFIs of up to 1 500 500 evaluations",
)  # fmt: skip
