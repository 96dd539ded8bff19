"""Kumano et al. (2020), table 18: SFIs made against one network fool another.

    python -m experiments kumano2020 transfer paper

Sparse fooling images (SFIs) for every base color and class are made against each network and shown
to all of them. One transfers when both networks take it for its class with more than 90 %
confidence. In the paper 45 % of ResNet50's SFIs fool VGG16, and 9 % of VGG16's fool ResNet50.
`reduced` takes an hour on two cores; an interrupted run resumes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float

import models
from experiments import lab
from experiments.kumano2020.orderings import COLORS
from experiments.lab.predict import probabilities
from experiments.lab.victims import tested

PAPER = lab.published(__file__)["transfer"]
HIGH = 0.9  # an SFI fools a network that has more confidence than this in its class
MOST_SHOWN = 8
Counts = Mapping[str, Mapping[str, int]]  # by source and destination
Destinations = Annotated[tuple[lab.Network, ...], lab.Extensible]


@lab.settings
class Settings:
    # NAME=FILE, or NAME to train it here
    networks: lab.Networks = ("cifar_vgg16", "nin", "cifar_resnet50")
    destinations: Destinations = ()  # more networks, which are only shown the SFIs
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    training_seed: lab.Seed = 0  # of networks that are trained here
    k: lab.Pixels = 5  # the most pixels that are altered
    colors: lab.Colors = COLORS  # base colors
    repeats: lab.Repeats = 50  # SFIs for each network, color and class
    search: lab.Evolution = lab.Evolution(population=500, generations=3000)

    def check(self) -> None:
        names = list(map(lab.name_of, (*self.networks, *self.destinations)))
        if len(names) < 2:
            raise ValueError(
                f"networks: expected at least two, got {' '.join(names)} (name another)"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"destinations: expected other networks, got {' '.join(names)}")


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP and a small CNN on scikit-learn's digits",
        "--networks mlp cnn_nopool --dataset digits --colors black grey --population 8 "
        "--generations 10 --repeats 1",
    ),
    "reduced": lab.preset(
        "two small CNNs and a ResNet, on black, grey and white",
        "--networks cnn cnn_nopool cifar_resnet20 --colors black grey white --population 50 "
        "--generations 100 --until 0.95 --repeats 12",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each SFI: its source, and `seen`, how confident each network is of its class."""
    dataset = models.load_dataset(s.dataset)
    specs = (*s.networks, *s.destinations)
    victims = [lab.load_victim(spec, dataset, s.training_seed) for spec in specs]
    found = []
    for victim in victims[: len(s.networks)]:
        sweep = {"ks": [s.k], "colors": s.colors, "repeats": s.repeats}
        sfis = lab.search_grid(run, victim, s.search, **sweep, name=f"searches/{victim.name}")
        found.append(sfis.plus(source=victim.name, seen=confidences(victims, sfis)))
    return {"searches": lab.Records.joined(found), "victims": victims}


def confidences(victims: list[lab.Victim], sfis: lab.Records) -> Float[np.ndarray, "R V"]:
    """Of each network in the classes that the SFIs are made for."""
    each = np.arange(len(sfis)), sfis["target"]
    return np.stack([probabilities(v.model, sfis["image"])[each] for v in victims], axis=1)


def counted(found: lab.Records, names: list[str]) -> Counts:
    """How many SFIs fool both their source and each network; `names` are those of `seen`."""
    fooled = {source: of["seen"] > HIGH for source, of in found.groups("source")}
    both = {source: high & high[:, [names.index(source)]] for source, high in fooled.items()}
    return {s: dict(zip(names, high.sum(0).tolist(), strict=True)) for s, high in both.items()}


def ratio(count: int, total: int) -> str | None:
    """Two digits, the rest cut off, as the paper prints: 309 of 672 are 0.45."""
    return f"{count * 100 // total / 100:.2f}" if total else None


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    """Counts and ratios, and table 18 where the run lacks some of its networks."""
    return compared(counted(found["searches"], [v.name for v in found["victims"]]), s.k)


def compared(counts: Counts, k: int) -> list[lab.Table]:
    """Numbers of k-SFIs, and their ratios to the source's own; the paper's are for k = 5."""
    columns = list(next(iter(counts.values())))
    ratios = {s: {d: ratio(n, row[s]) for d, n in row.items()} for s, row in counts.items()}
    title = f"with more than {HIGH:.0%} on source (row) and destination (column)"
    made = []
    for name, head, cells in (
        ("counts", f"{k}-SFIs {title}", counts),
        ("ratios", f"Ratio to the source's, of {k}-SFIs {title}", ratios),
    ):
        paper = {source: PAPER[name].get(source, {}) for source in counts} if k == 5 else None
        made.append(lab.table(head, cells, paper, columns=columns))
    if k == 5 and not set(counts) >= set(PAPER["counts"]):
        texts = {
            s: {d: f"{n} ({PAPER['ratios'][s][d]})" for d, n in row.items()}
            for s, row in PAPER["counts"].items()
        }
        made.append(lab.table("Table 18 of the paper, of 3 000 SFIs for each source", {}, texts))
    return made


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The table as a heat map, and the SFIs that transfer best, if any."""
    names = [v.name for v in found["victims"]]
    counts = counted(found["searches"], names)
    lab.draw_matrix(
        out / "transfer.png",
        [[n / max(row[s], 1) for n in row.values()] for s, row in counts.items()],
        [[f"{n}\n{ratio(n, row[s]) or '-'}" for n in row.values()] for s, row in counts.items()],
        list(counts),
        names,
        row_title="source",
        column_title="destination",
    )
    yield lab.Picture(
        "transfer.png",
        f"SFIs with more than {HIGH:.0%} confidence on source and destination, and their ratio to "
        "the source's.",
    )
    classes = models.class_names(s.dataset)
    groups = found["searches"].groups("source")
    rows = [(source, transferring(of, names.index(source), classes)) for source, of in groups]
    if any(tiles for _, tiles in rows):
        lab.draw_gallery(out / "transferring.png", rows)
        yield lab.Picture(
            "transferring.png",
            "The SFIs of each source that transfer best, one for each color and class: their "
            f"class, and the confidences (%) of {', '.join(names)}, in this order.",
        )


def transferring(of: lab.Records, source: int, classes: tuple[str, ...]) -> list[lab.Tile]:
    """SFIs of one source that fool another network too: of each color and class the one with the
    highest mean confidence. `source` is its place in `seen`."""
    high = of["seen"] > HIGH
    of = of.plus(mean=of["seen"].mean(1)).rows(high[:, source] & (high.sum(1) > 1))
    best = of.ordered(-of["mean"]).best("color", "target", by="mean").rows(slice(MOST_SHOWN))
    return [
        lab.Tile(image, f"{classes[c]}\n{'/'.join(str(lab.floored(p)) for p in seen.tolist())}")
        for image, c, seen in best.columns("image", "target", "seen")
    ]


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    ended = "Searches end at a confidence (until), where the paper's run on: fewer may transfer."
    return [
        f"{', '.join(tested(v.name, v.card) for v in found['victims'])}.",
        "Some base colors fool a network by themselves; with altered pixels they count too.",
        f"An SFI counts for a destination that has more than {HIGH:.0%} confidence in the same "
        "class. Ratios are cut off after two digits, as in the paper.",
        *([ended] if s.search.until is not None else []),
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Transfer of {k}-SFIs between networks on {dataset}",
    source="Kumano et al. (2020), section 5.8, table 18",
    paper="3 000 SFIs of 1 500 500 evaluations for each of three networks",
)  # fmt: skip
