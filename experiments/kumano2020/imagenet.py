"""Kumano et al. (2020), figure 6: 5-SFIs for every class of ImageNet.

    python -m experiments kumano2020 imagenet paper --network resnet50=FILE

One search for a sparse fooling image (SFI) for each class, on torchvision's ResNet50. In the paper
almost all fail, those for the classes 151 to 287, dogs and cats, most of all: whatever raises one
of these classes also raises its many neighbors, and the softmax shares the confidence among them.
`reduced` takes 40 minutes on two cores; an interrupted run resumes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments import lab
from experiments.lab.imagenet import NUM_CLASSES, imagenet_names, imagenet_victim, title_of

DOGS_AND_CATS = (151, 287)  # first and last; the paper's block
NUM_BEST, ENLARGED = 5, 2


@lab.settings
class Settings:
    network: lab.ImageNetNetwork = "resnet50"  # NAME=FILE of its weights; NAME alone is untrained
    class_names: lab.ClassNames | None = None  # a JSON list of the 1 000 names; by default numbers
    # search for every n-th class, from class 0
    every: Annotated[int, lab.between(0, NUM_CLASSES, f"a number from 1 to {NUM_CLASSES}")] = 1
    color: lab.Color = "grey"  # of the images; the paper names none for this figure
    k: lab.Pixels = 5  # the most pixels that are altered
    search: lab.Evolution = lab.Evolution(population=500, generations=500, lanes=4)
    side: lab.Side | None = None  # of the images; by default the network's


PRESETS = {
    "smoke": lab.preset(
        "seconds; an untrained SqueezeNet on small images",
        "--network squeezenet1_1 --every 100 --population 8 --generations 3 --side 32",
    ),
    "reduced": lab.preset(
        "every 20th class, 30 candidates over 99 generations",
        "--network mobilenet_v2_tf --every 20 --population 30 --generations 99 --lanes 1",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each class, in ascending order."""
    victim = imagenet_victim(s.network, s.side, s.search.seed)
    classes = range(0, NUM_CLASSES, s.every)
    sweep = {"ks": [s.k], "colors": [s.color], "classes": classes, "title": "classes"}
    return {"searches": lab.search_grid(run, victim, s.search, **sweep), "victim": victim}


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    return [classes_reached(found["searches"])]


def classes_reached(found: lab.Records) -> lab.Table:
    """How many classes are reached, inside the block of dogs and cats and outside."""
    first, last = DOGS_AND_CATS
    inside = (found["target"] >= first) & (found["target"] <= last)
    groups = {
        "all": found,
        f"dogs and cats, {first} to {last}": found.rows(inside),
        "others": found.rows(~inside),
    }
    title = "Classes for which SFIs were searched"
    return lab.table(title, {name: summary(of) for name, of in groups.items()})


def summary(of: lab.Records) -> dict[str, lab.Cell]:
    """Nothing but the number of classes where there are none."""
    if not len(of):
        return {"classes": 0}
    confidence = of["confidence"].astype(float)
    return {
        "classes": len(of),
        "at 90 % (%)": lab.floored((confidence >= 0.9).mean()),
        "at 50 % (%)": lab.floored((confidence >= 0.5).mean()),
        "predicted (%)": lab.floored(of["fooled"].mean()),
        "mean confidence (%)": 100 * float(np.mean(confidence)),
        "median (%)": 100 * float(np.median(confidence)),
        "color alone, mean (%)": 100 * float(np.mean(of["plain"])),
    }


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figure 6, and the images of the highest confidence."""
    draw_confidences(out / "confidences.png", found["searches"])
    yield lab.Picture(
        "confidences.png",
        "Confidence reached for each class, as in figure 6, and below it on a logarithmic axis "
        "beside that of the color alone; dogs and cats are shaded.",
    )
    best = found["searches"].ordered(-np.nan_to_num(found["searches"]["confidence"], nan=-1))
    best = best.rows(slice(NUM_BEST)).columns("image", "target", "confidence", "fooled")
    names, tiles, heads = imagenet_names(s.class_names), [], []
    for image, target, p, fooled in best:
        enlarged = image.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        tiles.append(lab.Tile(enlarged, f"{names[target]}\n{100 * p:.1f} %", fooled))
        heads.append(str(target))
    lab.draw_gallery(out / "best.png", [("", tiles)], heads)
    yield lab.Picture("best.png", "The most confident images, with their target.")


def draw_confidences(path: Path, found: lab.Records) -> None:
    """Confidence over the class, on a plain and on a logarithmic axis."""
    figure = lab.new_figure(8, 5)
    axes: Any = figure.subplots(2, 1, sharex=True)
    first, last = DOGS_AND_CATS
    for axis in axes:
        axis.axvspan(first, last + 1, color="#f3c9a5", label="dogs and cats")
        axis.plot(found["target"], 100 * found["confidence"], ".", color="#1f4e9c", label="SFI")
        axis.set(ylabel="confidence (%)", xlim=(-10, NUM_CLASSES + 10))
    axes[0].set_ylim(-3, 103)
    plain = 100 * found["plain"]
    axes[1].plot(found["target"], plain, "x", color="grey", ms=4, label="color alone")
    axes[1].set(yscale="log", xlabel="target class")
    handles = axes[1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", fontsize="small", ncols=3)
    lab.save_figure(figure, path)


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    first, last = DOGS_AND_CATS
    ours, paper = s.search.num_queries, Settings().search.num_queries
    smaller = (
        f"A search evaluates {ours:,} images, the paper's {paper:,}: with its budget searches "
        "would most likely reach more."
    )
    return [
        found["victim"].note,
        f"The base color is {s.color}: the paper names none here; its one other image for "
        "ImageNet, the centipede, is grey.",
        "The paper prints no numbers for this figure; it finds that almost all SFIs fail, those of "
        f"the classes {first} to {last} above all.",
        *([smaller] if ours < paper else []),
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"{s.k}-SFIs for the classes of ImageNet through {title_of(s.network)}",
    source="Kumano et al. (2020), figure 6",
    agenda=("--network resnet50=FILE",),
    paper="1 000 classes, 250 500 evaluations each",
)  # fmt: skip
