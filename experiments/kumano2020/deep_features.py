"""Kumano et al. (2020), figure 7: deep features of natural images and SFIs, on a plane.

    python -m experiments kumano2020 deep_features paper --network cifar_vgg16=FILE

50 natural images and 50 sparse fooling images (SFIs) on black for each class, and the black and the
blue image, at the second-to-last layer of VGG16. In the paper natural images and SFIs of a class
lie near each other, so near that detectors of foreign images cannot tell them apart. `reduced`
takes half an hour on two cores; an interrupted run resumes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import models
from experiments import lab
from experiments.kumano2020.feature_space import nearness, pca
from experiments.lab.colors import parse_colors
from experiments.lab.predict import as_floats
from experiments.lab.test_images import first_of_each_class
from jfool.features import show_features

NATURAL, SFI, COLOR = "natural image", "SFI", "single color"
STYLES: dict[str, Any] = {
    NATURAL: {"marker": "o", "ls": "", "ms": 3.5, "alpha": 0.5, "mew": 0},
    SFI: {"marker": "x", "ls": "", "ms": 6, "mew": 1.2},
    COLOR: {"marker": "^", "ls": "", "ms": 11, "mec": "black"},
}


@lab.settings
class Settings:
    network: lab.Network = "cifar_vgg16"  # NAME=FILE, or NAME to train it here
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    color: lab.Color = "black"  # of the SFIs
    k: lab.Pixels = 5  # the most pixels that are altered
    repeats: lab.Repeats = 50  # SFIs for each class
    search: lab.Evolution = lab.Evolution(population=500, generations=3000)
    naturals: Annotated[int, lab.at_least(2)] = 50  # natural images for each class
    bases: lab.Colors = ("black", "blue")  # images of a single color that are shown too
    layer: lab.Layer | None = None  # of the network; by default the second to last


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits",
        "--network mlp --dataset digits --bases black white --repeats 3 --naturals 10 "
        "--population 20 --generations 10",
    ),
    "reduced": lab.preset(
        "ResNet20, 10 SFIs for each class, ended at 90 %",
        "--network cifar_resnet20 --repeats 10 --population 100 --generations 300 --until 0.9",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """The SFIs; and `points`, a record for each natural image, SFI and single color."""
    dataset = models.load_dataset(s.dataset)
    shape = dataset.image_shape
    chosen = first_of_each_class(dataset, s.naturals, "naturals")
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    layer = s.layer or victim.model.layers[-2]
    found = lab.search_grid(run, victim, s.search, ks=[s.k], colors=[s.color], repeats=s.repeats)
    colors = parse_colors(s.bases, shape[2], s.dataset)
    bases = np.stack([np.broadcast_to(color.base(shape[2]), shape) for color in colors])
    images = np.concatenate([as_floats(dataset.test_images[chosen]), found["image"], bases])
    targets = [dataset.test_labels[chosen], found["target"], np.arange(len(bases))]
    points = lab.Records.of(
        kind=np.repeat([NATURAL, SFI, COLOR], list(map(len, targets))),
        target=np.concatenate(targets),
        features=show_features(victim.model, images, layer).astype(np.float64),
    )
    plane, explained = pca(points["features"])
    points = points.plus(plane=plane)
    told = {"explained": explained, "layer": layer, "colors": colors, "victim": victim}
    return {"searches": found, "points": points, **told}


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """How near SFIs lie to the natural images of their class: together, and by class."""
    natural, sfis = (found["points"].where(kind=kind) for kind in (NATURAL, SFI))
    share = 100 * float(found["explained"].sum())
    spaces = {
        "all features": {"variance (%)": 100.0, **nearness(natural, sfis)},
        "first two components": {"variance (%)": share, **nearness(natural, sfis, "plane")},
    }
    yield lab.table("SFIs beside the natural images of their target", spaces)
    names = models.class_names(s.dataset)
    by_class = {
        names[target]: {
            "predicted (%)": lab.floored(of["fooled"].mean()),
            "mean confidence (%)": lab.floored(of["confidence"].astype(float).mean()),
            **nearness(natural, sfis.where(target=target)),
        }
        for target, of in found["searches"].groups("target")
    }
    yield lab.table("The same by class, in all features", by_class)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figure 7: classes by color, natural images and SFIs by marker."""
    names, points = models.class_names(s.dataset), found["points"]
    figure = lab.new_figure(7.5, 6)
    axis = figure.subplots()
    for (kind, target), of in points.groups("kind", "target"):
        style = {**STYLES[kind], "color": f"C{target}"}
        if kind == COLOR:
            base = found["colors"][target]
            style |= {"color": base.rgb, "label": f"{base.name} image"}
        elif kind == NATURAL:
            style["label"] = names[target]
        axis.plot(*of["plane"].T, **style)
    for kind in (NATURAL, SFI):
        axis.plot([], [], **{**STYLES[kind], "color": "grey", "label": kind})
    first, second = 100 * found["explained"]
    axis.set_xlabel(f"first component ({first:.0f} % of the variance)")
    axis.set_ylabel(f"second component ({second:.0f} %)")
    figure.legend(loc="outside right upper", fontsize="small")
    lab.save_figure(figure, out / "pca.png")
    yield lab.Picture(
        "pca.png",
        f"{len(points)} images at the layer {found['layer']}, on their first two principal "
        "components. Dots: natural images; crosses: SFIs, in the color of their target; "
        "triangles: single colors.",
    )


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    count = found["points"]["features"].shape[1]
    return [
        found["victim"].note,
        f"The features are those of {found['layer']}, {count} numbers.",
        f"{s.k}-SFIs on {s.color}; all count, those too that do not reach their class.",
        f"Natural images are the first {s.naturals} test images of each class, whatever the "
        "network takes them for; the paper does not say which.",
        "Distances are Euclidean, in units of the mean distance between two natural images of the "
        "class. AUROC: how well the distance to the class mean tells SFIs from natural images "
        "(0.5 not at all, 1 always), an image itself left out of the mean.",
        "The paper prints no numbers here; it says that both kinds lie near each other.",
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: (
        f"Deep features of natural images and SFIs: {lab.name_of(s.network)} on {s.dataset}"
    ),
    source="Kumano et al. (2020), figure 7 and section 5.3",
    paper="VGG16, 50 SFIs of 1 500 500 evaluations for each class",
)  # fmt: skip
