"""Figures 13 and S3 to S7 of paper 001: images that ascended, and their course."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.shown import new_figure, save_figure
from experiments.nguyen2015.ascents import MEAN, SETTINGS, Ascents
from experiments.nguyen2015.figures import percent

_ACROSS = 5
_FILL = 0.45  # how far from grey the strongest pixels of a shown distance come
_COLORS = {"fig13": "#1a1a1a", "no_noise": "#8a8a8a"} | dict(
    zip(("s3", "s4", "s5"), ("#1d4ed8", "#b45309", "#047857"), strict=True)
)


def draw_classes(path: Path, title: str, ascents: Ascents, names: Sequence[str]) -> None:
    """All classes from the first start, as distances from the mean, five across."""
    first = range(len(np.unique(ascents.labels)))
    factor = enlargement(ascents.images[list(first)] - MEAN)
    tiles: list[Tile | None] = [
        _tile(ascents, i, enlarged(ascents.images[i], factor), names) for i in first
    ]
    tiles += [None] * (-len(tiles) % _ACROSS)
    rows = [tiles[i : i + _ACROSS] for i in range(0, len(tiles), _ACROSS)]
    draw_gallery(
        path,
        rows,
        [""] * len(rows),
        [""] * _ACROSS,
        title=title,
        footnote=f"Distances from the mean colour x {factor:g}, around grey.",
    )


def draw_settings(
    path: Path, found: Mapping[str, Ascents], names: Sequence[str], *, enlarge: bool
) -> None:
    """A few classes across and settings down: the images, or distances from the mean colour."""
    columns = shown_classes(next(iter(found.values())))
    heads, rows = [], []
    for setting, ascents in found.items():
        images, head = ascents.images[columns], SETTINGS[setting].title
        if enlarge:
            factor = enlargement(images - MEAN)
            images, head = enlarged(images, factor), f"{head}\nenlarged x {factor:g}"
        heads.append(head)
        rows.append([_tile(ascents, i, image) for i, image in zip(columns, images, strict=True)])
    labels = next(iter(found.values())).labels[columns]
    what = (
        "Distances from the mean colour, around grey." if enlarge else "As the network sees them."
    )
    draw_gallery(
        path,
        rows,
        heads,
        [names[int(label)] for label in labels],
        footnote=f"{what} TV: total variation in grey levels.",
    )


def draw_starts(path: Path, ascents: Ascents, names: Sequence[str]) -> None:
    """Figures S6 and S7: a few classes down, and across the starts."""
    classes = len(np.unique(ascents.labels))
    rows = shown_classes(ascents)
    starts = len(ascents.labels) // classes
    places = [[i + start * classes for start in range(starts)] for i in rows]
    factor = enlargement(ascents.images[np.ravel(places)] - MEAN)
    draw_gallery(
        path,
        [[_tile(ascents, i, enlarged(ascents.images[i], factor)) for i in row] for row in places],
        [names[int(ascents.labels[i])] for i in rows],
        [f"start {start + 1}" for start in range(starts)],
        footnote=f"Distances from the mean colour x {factor:g}, around grey.",
    )


def draw_courses(path: Path, found: Mapping[str, Ascents]) -> None:
    """Medians of confidence and of total variation, by step."""
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for name, ascents in found.items():
        setting = SETTINGS[name]
        style = {
            "color": _COLORS[name.removesuffix("_long")],
            "ls": "--" if name.endswith("_long") else "-",
            "label": setting.title,
        }
        steps = np.arange(1 + ascents.num_steps.max())
        left.plot(steps + 1, 100 * _median(ascents.course, ascents)[steps], **style)
        right.plot(steps + 1, _median(ascents.variation, ascents)[steps], **style)
    left.set(xscale="log", xlabel="images shown", ylabel="confidence (%)", ylim=(-2, 102))
    right.set(xscale="log", yscale="log", xlabel="images shown", ylabel="total variation")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize="small")
    save_figure(figure, path)


def shown_classes(ascents: Ascents) -> list[int]:
    """Rows of five classes, spread over all, from the first start."""
    classes = len(np.unique(ascents.labels))
    return list(range(0, classes, -(-classes // _ACROSS)))


def enlargement(distance: Float[np.ndarray, "..."]) -> float:
    """A factor of one digit, 1, 2 or 5, by which the strongest hundredth of distances from the mean
    colour is as far from grey as can be shown."""
    strong = float(np.quantile(np.abs(distance), 0.99))
    if not strong > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(_FILL / strong))
    return float(max(digit * power for digit in (1, 2, 5) if digit * power <= _FILL / strong))


def enlarged(images: Float[np.ndarray, "*N H W C"], factor: float) -> Float[np.ndarray, "*N H W C"]:
    """Distances from the mean colour, around grey."""
    return np.clip(0.5 + factor * (images - MEAN), 0, 1)


def _tile(
    ascents: Ascents, row: int, image: Float[np.ndarray, "H W C"], names: Sequence[str] = ()
) -> Tile:
    label = ascents.labels[row]
    text = f"{percent(ascents.confidence[row])} %"
    caption = (
        f"{names[label]}\n{text}" if names else f"{text}, TV {ascents.last_variation[row]:.2g}"
    )
    return Tile(image, caption, bool(ascents.prediction[row] == label))


def _median(of: Float[np.ndarray, "R T"], ascents: Ascents) -> Float[np.ndarray, " T"]:
    """Over the ascents, each held where it ended."""
    last = of[np.arange(len(of)), ascents.num_steps]
    behind = np.arange(of.shape[1]) > ascents.num_steps[:, None]
    return np.median(np.where(behind, last[:, None], of), axis=0)
