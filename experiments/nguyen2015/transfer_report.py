"""How images evolved through one network fare on another, beside table S1 of paper 001."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.nguyen2015.figures import percent

SURE = 0.99
_ROWS = ("top-1 matches", "top-1 matches scoring 99 %", "matches scoring higher on the original")
_COLUMNS = ("A on B's images", "B on A's images", "average")
# Table S1, MNIST, in percent; the last row of the matches.
PAPER = ((43.3, 48.7, 46.0), (27.3, 27.3, 27.3), (88.5, 95.9, 92.2))
_MOST_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Shown:
    """`R` images evolved through one network, shown to it and to another.

    Attributes:
      images: `[R, H, W, C]`.
      own, other: `[R, K]`, the probabilities that the two networks give.
    """

    images: Float[np.ndarray, "R H W C"]
    own: Float[np.ndarray, "R K"]
    other: Float[np.ndarray, "R K"]

    @property
    def label(self) -> Int[np.ndarray, " R"]:
        """What their own network predicts."""
        return self.own.argmax(1)

    @property
    def match(self) -> Bool[np.ndarray, " R"]:
        """Which are given the same label by both; where there is NaN, none is given."""
        known = ~np.isnan(self.own).any(1) & ~np.isnan(self.other).any(1)
        return known & (self.label == self.other.argmax(1))

    @property
    def sure(self) -> Bool[np.ndarray, " R"]:
        """Which matches have at least 99 % from both."""
        return self.match & (self.own.max(1) >= SURE) & (self.other.max(1) >= SURE)

    @property
    def higher(self) -> Bool[np.ndarray, " R"]:
        """Which matches have more from their own network."""
        return self.match & (self.own.max(1) > self.other.max(1))

    @property
    def tied(self) -> Bool[np.ndarray, " R"]:
        """Which matches have the same from both, to the last bit."""
        return self.match & (self.own.max(1) == self.other.max(1))

    def rates(self) -> tuple[float, float, float | None]:
        """In percent: matches, sure ones, and of the matches the higher ones, if there are any."""
        matches = int(self.match.sum())
        higher = 100 * self.higher.sum() / matches if matches else None
        return 100 * self.match.mean(), 100 * self.sure.mean(), higher


def pooled(parts: Sequence[Shown]) -> Shown:
    """Images of several kinds as one."""
    return Shown(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("images", "own", "other")
        )
    )


def table_s1(title: str, of_a: Shown, of_b: Shown, *, beside_paper: bool) -> section.Table:
    """One kind of images; what is said of B's images is A's answer."""
    rows = []
    for b_rate, a_rate in zip(of_b.rates(), of_a.rates(), strict=True):
        both = None if a_rate is None or b_rate is None else (a_rate + b_rate) / 2
        rows.append([_shown(b_rate), _shown(a_rate), _shown(both)])
    paper = [[_shown(rate) for rate in row] for row in PAPER] if beside_paper else None
    title = f"Evolved images on the other network: {title}, % (table S1)"
    return section.Table(title, _COLUMNS, _ROWS, rows, paper)


def sure_table(
    kinds: Mapping[str, tuple[Shown, Shown]], class_names: Sequence[str]
) -> section.Table:
    """By class, how many images both networks are sure of."""
    rows = [
        [int((shown.sure & (shown.label == c)).sum()) for c in range(len(class_names))]
        for shown in map(pooled, kinds.values())
    ]
    title = "Images with at least 99 % on both, by class"
    return section.Table(title, class_names, list(kinds), rows)


def draw_transferring(
    path: Path, of_a: Shown, of_b: Shown, class_names: Sequence[str]
) -> section.Picture | None:
    """Of each class the images that both networks are most sure of; None where there are none."""
    best = {
        name: [*_best(of_a, label, "AB"), *_best(of_b, label, "BA")]
        for label, name in enumerate(class_names)
    }
    columns = {
        name: [tile for _, tile in sorted(found, key=lambda pair: -pair[0])[:_MOST_SHOWN]]
        for name, found in best.items()
        if found
    }
    if not columns:
        return None
    rows = list(zip_longest(*columns.values()))
    draw_gallery(path, rows, [str(i + 1) for i in range(len(rows))], list(columns))
    return section.Picture(
        path.name,
        "Images of which both networks are at least 99 % sure (figure S1), of each class the best: "
        "the confidences (%) of the network that they evolved through, and of the other.",
    )


def _best(shown: Shown, label: int, networks: str) -> list[tuple[float, Tile]]:
    """With the lower of the two confidences."""
    found = []
    for i in np.flatnonzero(shown.sure & (shown.label == label)):
        both = float(shown.own[i].max()), float(shown.other[i].max())
        caption = "\n".join(f"{n} {percent(c)}" for n, c in zip(networks, both, strict=True))
        found.append((min(both), Tile(shown.images[i], caption)))
    return found


def _shown(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:.1f}"
