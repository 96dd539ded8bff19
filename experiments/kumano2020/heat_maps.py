"""Kumano et al. (2020), figure 10: where SFIs by evolution and by inversion alter their pixels.

    python -m experiments kumano2020 heat_maps paper --de runs/kumano2020/deep_features/sweep \\
        --inversion runs/kumano2020/inversion/sweep

Sparse fooling images (SFIs) by differential evolution (DE) come from finished sweeps, or are
searched for now; those by deep feature inversion come from `inversion`. In the paper both
methods share some positions; it concludes that a network relies on certain pixels most of all.
`reduced` takes half an hour on two cores, and seconds where SFIs are given.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import models
from experiments import lab
from experiments.kumano2020.pixel_maps import (
    THRESHOLD,
    by_evolution,
    by_inversion,
    check_network,
    class_maps,
    overlap,
)
from experiments.lab.colors import parse_colors


@lab.settings
class Settings:
    network: lab.Network = "cifar_vgg16"  # NAME=FILE, or NAME to train it here
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    color: lab.Color = "black"  # of the images
    k: lab.Pixels = 5  # the most pixels that are altered
    repeats: lab.Repeats = 50  # SFIs for each class
    search: lab.Evolution = lab.Evolution(population=500, generations=3000)
    de: tuple[lab.InputFolder, ...] = ()  # sweeps with SFIs of that color and k; none: search now
    inversion: Annotated[lab.InputFolder, lab.Technical] | None = None  # a sweep of `inversion`


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits",
        "--network mlp --dataset digits --repeats 3 --population 20 --generations 10",
    ),
    "reduced": lab.preset(
        "ResNet20, 10 SFIs for each class",
        "--network cifar_resnet20 --repeats 10 --population 100 --generations 300 --until 0.9",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """The images of each method; and `maps`, a record for each method and class."""
    shape = models.image_shape(s.dataset)
    (color,) = parse_colors([s.color], shape[2], s.dataset)
    given = {}  # read before data and networks
    if s.de:
        given["DE"] = lab.Records.joined([by_evolution(d, s.k, color, shape) for d in s.de])
    if s.inversion is not None:
        given["inversion"] = by_inversion(s.inversion, color, shape)
    victim = lab.load_victim(s.network, models.load_dataset(s.dataset), s.training_seed)
    sources = {"DE": f"de {' '.join(map(str, s.de))}", "inversion": f"inversion {s.inversion}"}
    for name, images in given.items():
        check_network(images, victim.model, sources[name])
    found = {}
    if not s.de:
        grid = lab.search_grid(run, victim, s.search, ks=[s.k], colors=[s.color], repeats=s.repeats)
        found["DE"] = grid.where(fooled=True)
    found |= given
    maps = [
        class_maps(images, victim.num_classes).plus(method=name) for name, images in found.items()
    ]
    return {**found, "maps": lab.Records.joined(maps), "victim": victim}


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """How many pixels each method alters, and how many of them are the same."""
    names, maps = models.class_names(s.dataset), dict(found["maps"].groups("method"))
    for method, of in maps.items():
        rows = of.columns("target", "num_images", "map")
        cells = {names[target]: counted(count, shares) for target, count, shares in rows}
        yield lab.table(f"SFIs by {method}", cells)
    if "inversion" in maps:
        pairs = zip(names, maps["DE"]["map"], maps["inversion"]["map"], strict=False)
        shared = {name: overlap(first, second) for name, first, second in pairs}
        columns = ["shared (%)", "by chance (%)", "correlation of the maps"]
        yield lab.table("Pixels that DE alters and inversion too", shared, columns=columns)


def counted(count: int, shares: np.ndarray) -> dict[str, lab.Cell]:
    """How the altered pixels of a class gather; nothing where there are no images."""
    return {
        "SFIs": count,
        "altered pixels of one": float(shares.sum()) if count else None,
        "pixels altered by any (%)": 100 * float((shares > 0).mean()) if count else None,
        "SFIs that share the commonest pixel (%)": lab.floored(float(shares.max())),
    }


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Figure 10: methods in rows, classes in columns."""
    names = models.class_names(s.dataset)
    maps = dict(found["maps"].groups("method"))
    width = len(maps["DE"])
    figure = lab.new_figure(1.1 * width, 1.55 * len(maps) + 0.1)
    axes: Any = figure.subplots(len(maps), width, squeeze=False)
    for row, (method, of) in zip(axes, maps.items(), strict=True):
        row[0].set_ylabel(method)
        for axis, name, shares in zip(row, names, of["map"], strict=False):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_box_aspect(shares.shape[0] / shares.shape[1])
            if method == "DE":
                axis.set_title(name, fontsize="small")
            if np.isnan(shares).any():
                axis.set_facecolor("lightgrey")
                axis.set_xlabel("no SFI", fontsize="small")
                continue
            most = float(shares.max())
            axis.imshow(shares, cmap="hot", vmin=0, vmax=most or 1.0, interpolation="nearest")
            axis.set_xlabel(f"{100 * most:.0f} %", fontsize="small")
    lab.save_figure(figure, out / "heat_maps.png")
    yield lab.Picture(
        "heat_maps.png",
        f"Pixels altered by more than {THRESHOLD}, by class. The brighter a pixel, the more SFIs "
        "alter it; white stands for the map's own maximum, which is written below it.",
    )


def notes(s: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    queries = found["DE"]["num_queries"]
    evaluations = " to ".join(f"{n:,}" for n in sorted({queries.min(), queries.max()}))
    yield from (
        found["victim"].note,
        "A pixel counts as altered where a channel differs from the base by more than "
        f"{THRESHOLD}: the paper only says intensity > 0.3.",
        f"By DE: {s.k}-SFIs on {s.color} that the network takes for their class; the paper names "
        "neither k nor color for this figure.",
        f"They are {len(queries)}, found with {evaluations} evaluations each.",
    )
    if s.de:
        yield "They were given (--de): the settings of searches here do not concern them."
    if "inversion" in found:
        weight = found["inversion"]["l1_weight"][0]
        yield f"By inversion: on {s.color} too, with lambda = {weight:g}; the paper's is 1e-5."
    else:
        yield "Deep feature inversion, the paper's second row, was not given (--inversion)."


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"Where SFIs alter their pixels: {lab.name_of(s.network)} on {s.dataset}",
    source="Kumano et al. (2020), figure 10 and section 5.5",
    agenda=(
        "--de runs/kumano2020/deep_features/sweep --inversion runs/kumano2020/inversion/sweep",
    ),
    paper="VGG16, 50 SFIs of 1 500 500 evaluations for each class",
)  # fmt: skip
