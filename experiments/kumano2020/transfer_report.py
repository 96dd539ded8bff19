"""How many SFIs transfer, beside table 18 of paper 000."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.kumano2020.published import PAPER_K
from experiments.lab import section
from experiments.lab.found import Found
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.matrix import draw_matrix

# Table 18: by source, the number of SFIs and its ratio to the source's, by destination.
PAPER = {
    "cifar_vgg16": {
        "cifar_vgg16": (1947, "1.00"),
        "nin": (202, "0.10"),
        "cifar_resnet50": (188, "0.09"),
    },
    "nin": {"cifar_vgg16": (338, "0.28"), "nin": (1170, "1.00"), "cifar_resnet50": (110, "0.09")},
    "cifar_resnet50": {
        "cifar_vgg16": (309, "0.45"),
        "nin": (213, "0.31"),
        "cifar_resnet50": (672, "1.00"),
    },
}
HIGH = 0.9
_MATRIX, _GALLERY = "transfer.png", "transferring.png"
_MOST_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Shown:
    """The SFIs of a source, and how confident each network is of their classes.

    Attributes:
      found: `R` SFIs.
      confidence: by network, `[R]`.
    """

    found: Found
    confidence: dict[str, Float[np.ndarray, " R"]]

    def high(self, source: str, destination: str) -> np.ndarray:
        """`[R]`, which ones both are confident of."""
        return (self.confidence[source] > HIGH) & (self.confidence[destination] > HIGH)


Counts = dict[str, dict[str, int]]


def counted(shown: dict[str, Shown], destinations: list[str]) -> Counts:
    """By source and destination, how many SFIs both are confident of."""
    return {
        source: {name: int(of_source.high(source, name).sum()) for name in destinations}
        for source, of_source in shown.items()
    }


def ratio(count: int, total: int) -> str | None:
    """Two digits, the rest cut off, as the paper prints: 309 of 672 are 0.45."""
    return f"{count * 100 // total / 100:.2f}" if total else None


def tables(counts: Counts, k: int) -> list[section.Table]:
    """The numbers of k-SFIs, and their ratios to the source's own; the paper's are for k = 5."""
    columns = list(next(iter(counts.values())))
    ratios = [
        [ratio(count, row[source]) for count in row.values()] for source, row in counts.items()
    ]

    def paper(part: int) -> list[list[Any]]:
        nothing = (None, None)
        return [[PAPER.get(s, {}).get(d, nothing)[part] for d in columns] for s in counts]

    numbers = [list(row.values()) for row in counts.values()]
    title = f"with more than {HIGH:.0%} on source (row) and destination (column)"
    rows = list(counts)
    made = [
        section.Table(f"{k}-SFIs {title}", columns, rows, numbers, paper(0)),
        section.Table(
            f"Ratio to the source's, of {k}-SFIs {title}", columns, rows, ratios, paper(1)
        ),
    ]
    if k != PAPER_K:
        return [dataclasses.replace(table, paper=None) for table in made]
    if not set(rows) >= set(PAPER):
        texts = [[f"{n} ({share})" for n, share in row.values()] for row in PAPER.values()]
        nothing = [[None] * len(PAPER) for _ in PAPER]
        title = "Table 18 of the paper, of 3 000 SFIs for each source"
        made.append(section.Table(title, list(PAPER), list(PAPER), nothing, texts))
    return made


def draw(
    counts: Counts, shown: dict[str, Shown], names: tuple[str, ...], out: Path
) -> list[section.Picture]:
    """The table as a heat map; and SFIs that all networks are most confident of, if any."""
    columns = list(next(iter(counts.values())))
    shares = [[n / max(row[s], 1) for n in row.values()] for s, row in counts.items()]
    texts = [[f"{n}\n{ratio(n, row[s]) or '-'}" for n in row.values()] for s, row in counts.items()]
    draw_matrix(
        out / _MATRIX,
        shares,
        texts,
        list(counts),
        columns,
        row_title="source",
        column_title="destination",
    )
    pictures = [
        section.Picture(
            _MATRIX,
            f"SFIs with more than {HIGH:.0%} confidence on source and destination, and their ratio "
            "to the source's.",
        )
    ]
    tiles = [transferring(source, of_source, names) for source, of_source in shown.items()]
    width = max(map(len, tiles))
    if width:
        labels = [str(i + 1) for i in range(width)]
        rows = [[*row, *[None] * (width - len(row))] for row in tiles]
        draw_gallery(out / _GALLERY, rows, list(shown), labels)
        pictures.append(
            section.Picture(
                _GALLERY,
                "The SFIs of each source that transfer best, one for each colour and class: their "
                f"class, and the confidences (%) of {', '.join(columns)}, in this order.",
            )
        )
    return pictures


def transferring(source: str, shown: Shown, names: tuple[str, ...]) -> list[Tile | None]:
    """SFIs that another network too is confident of: of each colour and class the one of the
    highest mean confidence."""
    others = [name for name in shown.confidence if name != source]
    transfers = np.any([shown.high(source, name) for name in others], axis=0)
    mean = np.mean(list(shown.confidence.values()), axis=0)
    best: dict[tuple[str, int], int] = {}
    for i in np.argsort(-mean, kind="stable"):
        if transfers[i]:
            row = shown.found.rows[i]
            best.setdefault((row.base, row.label), i)
    return [
        Tile(
            shown.found.images[i],
            f"{names[shown.found.rows[i].label]}\n"
            + "/".join(str(section.floored(float(c[i]))) for c in shown.confidence.values()),
        )
        for i in list(best.values())[:_MOST_SHOWN]
    ]
