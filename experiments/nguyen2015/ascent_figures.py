"""Nguyen et al. (2015), figures 13 and S3 to S7: the last images of ascents, and their course."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from experiments import lab
from experiments.nguyen2015.ascents import ASCENTS, MEAN
from experiments.nguyen2015.figures import caption

ACROSS = 5
FILL = 0.45  # how far from grey the strongest pixels of a shown distance come
COLORS = {"fig13": "#1a1a1a", "no_noise": "#8a8a8a"}
COLORS |= {"s3": "#1d4ed8", "s4": "#b45309", "s5": "#047857"}


def draw_classes(path: Path, title: str, of: lab.Records, names: Sequence[str]) -> None:
    """All classes from the first start, as distances from the mean, five across."""
    of = of.where(start=0)
    factor, images = enlarged(of["image"])
    told = of.columns("target", "confidence")
    tiles = tiles_of(of, images, [f"{names[target]}\n{caption(p)}" for target, p in told])
    rows = [("", tiles[i : i + ACROSS]) for i in range(0, len(tiles), ACROSS)]
    lab.draw_gallery(path, rows, title=title, footnote=distances(factor))


def draw_ascents(path: Path, found: lab.Records, names: Sequence[str], *, enlarge: bool) -> None:
    """A few classes across and ascents down: the images, or distances from the mean color."""
    rows, few = [], few_classes(found["target"])
    for name, of in found.where(start=0).groups("ascent"):
        of = of.rows(np.isin(of["target"], few))
        images, head = of["image"], ASCENTS[name].title
        if enlarge:
            factor, images = enlarged(images)
            head = f"{head}\nenlarged x {factor:g}"
        told = of.columns("confidence", "variation")
        rows.append((head, tiles_of(of, images, [f"{caption(p)}, TV {v:.2g}" for p, v in told])))
    what = "Distances from the mean color, around grey." if enlarge else "As the network sees them."
    heads = [names[target] for target in few]
    lab.draw_gallery(path, rows, heads, footnote=f"{what} TV: total variation in grey levels.")


def draw_starts(path: Path, of: lab.Records, names: Sequence[str]) -> None:
    """Figures S6 and S7: a few classes down, and across the starts."""
    of = of.rows(np.isin(of["target"], few_classes(of["target"])))
    factor, images = enlarged(of["image"])
    tiles = tiles_of(of, images, list(map(caption, of["confidence"])))
    across = len(np.unique(of["target"]))  # records are by start, then by class
    classes = [str(names[target]) for target in of["target"][:across]]
    rows = [(name, tiles[i::across]) for i, name in enumerate(classes)]
    heads = [f"start {start + 1}" for start in range(len(tiles) // across)]
    lab.draw_gallery(path, rows, heads, footnote=distances(factor))


def draw_courses(path: Path, found: lab.Records) -> None:
    """Medians of confidence and of total variation, by step."""
    figure = lab.new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for name, of in found.groups("ascent"):
        style = {
            "color": COLORS[name.removesuffix("_long")],
            "ls": "--" if name.endswith("_long") else "-",
            "label": ASCENTS[name].title,
        }
        shown = 1 + np.arange(1 + of["num_steps"].max())
        left.plot(shown, 100 * median_course(of, "notes.confidence")[: len(shown)], **style)
        right.plot(shown, median_course(of, "notes.variation")[: len(shown)], **style)
    left.set(xscale="log", xlabel="images shown", ylabel="confidence (%)", ylim=(-2, 102))
    right.set(xscale="log", yscale="log", xlabel="images shown", ylabel="total variation")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize="small")
    lab.save_figure(figure, path)


def few_classes(targets: np.ndarray) -> list[int]:
    """Five classes, spread over all."""
    classes = np.unique(targets)
    return classes[:: -(-len(classes) // ACROSS)].tolist()


def enlarged(
    images: Float[np.ndarray, "N H W C"],
) -> tuple[float, Float[np.ndarray, "N H W C"]]:
    """A factor of one digit, 1, 2 or 5, by which the strongest hundredth of the distances from the
    mean color is as far from grey as can be shown; and the distances, so much larger, around grey.
    """
    strong = float(np.quantile(np.abs(images - MEAN), 0.99))
    factor = 1.0
    if strong > 0:
        power = 10.0 ** np.floor(np.log10(FILL / strong))
        factor = float(max(n * power for n in (1, 2, 5) if n * power <= FILL / strong))
    return factor, np.clip(0.5 + factor * (images - MEAN), 0, 1)


def median_course(of: lab.Records, column: str) -> Float[np.ndarray, " T"]:
    """Over the ascents, each held where it ended."""
    values, steps = of[column], of["num_steps"]
    last = values[np.arange(len(of)), steps][:, None]
    return np.median(np.where(np.arange(values.shape[1]) > steps[:, None], last, values), axis=0)


def tiles_of(
    of: lab.Records, images: Float[np.ndarray, "N H W C"], captions: Sequence[str]
) -> list[lab.Tile]:
    return [lab.Tile(*tile) for tile in zip(images, captions, of["fooled"].tolist(), strict=True)]


def distances(factor: float) -> str:
    return f"Distances from the mean color x {factor:g}, around grey."
