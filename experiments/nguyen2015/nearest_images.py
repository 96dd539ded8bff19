"""Nguyen et al. (2015), figure 15: evolved images beside the training images nearest to them.

    python -m experiments nguyen2015 nearest_images paper

Nearest of the class that the network takes them for: in the pixels, and in a layer of the network.
The distances are set beside those of natural test images to their nearest training images: an
evolved image that resembles its class is no farther from it than they are.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

import models
from experiments import lab
from experiments.lab.predict import as_floats
from experiments.nguyen2015.figures import caption
from experiments.nguyen2015.methods import (
    METHODS,
    TITLES,
    ArchiveEvolution,
    Methods,
    every_class,
    evolve,
)
from jfool.features import show_features

USUAL = 0.99  # of the test images lie no farther
PIXELS = "pixels"
_AT_ONCE = 1000


@lab.settings
class Settings:
    dataset: lab.Dataset = "mnist"  # digits needs no download
    network: lab.Network = "lenet"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    methods: Methods = ("direct", "cppn")  # how images evolve
    layer: lab.Layer | None = None  # of the network; by default the second to last
    runs: lab.Count = 10  # of each method
    search: ArchiveEvolution = ArchiveEvolution(generations=200)
    show_natural: lab.Flag = True  # draw the training images, which belong to the data set


PRESETS = {
    "smoke": lab.preset(
        "seconds; LeNet on scikit-learn's digits",
        "--dataset digits --population 20 --generations 10 --runs 2",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """Champions and test images, and the training image of their class that is nearest to each."""
    dataset = models.load_dataset(s.dataset)
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    model = victim.model
    layer = model.layers[-2] if s.layer is None else s.layer
    spaces: dict[str, Callable[[Any], Float[np.ndarray, "n D"]]] = {
        PIXELS: lambda images: as_floats(images).reshape(len(images), -1),
        layer: lambda images: show_features(model, as_floats(images), layer).astype(np.float64),
    }
    natural = {space: points(dataset.train_images) for space, points in spaces.items()}

    def beside_nearest(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """By space, the distance, and in `nearest in SPACE` which training image is so near."""
        columns = {}
        for space, points in spaces.items():
            near = nearest_of_class(points(images), labels, natural[space], dataset.train_labels)
            columns[f"nearest in {space}"], columns[space] = near
        return columns

    evolved = []
    targets = every_class(len(dataset.class_names), s.runs)
    for method in s.methods:
        encoding = METHODS[method](dataset.image_shape)
        champions = evolve(run, method, encoding, model, targets, s.search).champions
        near = beside_nearest(champions["image"], champions["target"])
        evolved.append(champions.plus(method=method, **near))
    test_images = beside_nearest(dataset.test_images, dataset.test_labels)
    return {
        "champions": lab.Records.joined(evolved),
        "test_images": lab.Records.of(label=dataset.test_labels, **test_images),
        "training_images": dataset.train_images,
        "spaces": {space: points.shape[1] for space, points in natural.items()},
        "victim": victim,
    }


def nearest_of_class(
    points: Float[np.ndarray, "n D"],
    labels: Int[np.ndarray, " n"],
    natural: Float[np.ndarray, "m D"],
    natural_labels: Int[np.ndarray, " m"],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Which natural point of its class is nearest to each point, and its Euclidean distance."""
    index = np.zeros(len(points), int)
    for label in np.unique(labels):
        mine, theirs = np.flatnonzero(labels == label), np.flatnonzero(natural_labels == label)
        of_class = natural[theirs].astype(np.float64)
        squares = (of_class**2).sum(1)
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            nearness = squares - 2 * points[some] @ of_class.T  # but for the point's own square
            index[some] = theirs[nearness.argmin(1)]
    # Computed again, as a difference of large squares loses the digits of small distances.
    return index, np.linalg.norm(points - natural[index], axis=1)


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """How far champions are from their class, and test images from theirs."""
    rows = {}
    for method, of in found["champions"].groups("method"):
        for space in found["spaces"]:
            distance, test = of[space], found["test_images"][space]
            usual = np.quantile(test, USUAL)
            rows[f"{TITLES[method]}, {space}"] = {
                "champions, median": float(np.median(distance)),
                "least": float(distance.min()),
                "test images, median": float(np.median(test)),
                f"{100 * USUAL:.0f} % of them": float(usual),
                "champions within that (%)": lab.floored((distance <= usual).mean()),
            }
    yield lab.table("Distance to the nearest training image of the class", rows)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """For each method, of each class the champion nearest to its class in the layer."""
    *_, layer = found["spaces"]
    for method, of in found["champions"].groups("method"):
        chosen = of.plus(nearness=-of[layer]).best("target", by="nearness")
        draw_nearest(out / f"{method}.png", s, chosen, found)
        shown = "" if s.show_natural else "its distances to "
        yield lab.Picture(
            f"{method}.png",
            f"{TITLES[method]}: of each class the champion nearest to its class in {layer}, and "
            f"{shown}the training images of the class nearest to it.",
        )


def draw_nearest(path: Path, s: Settings, chosen: lab.Records, found: Mapping[str, Any]) -> None:
    """Champions above the training images nearest to them, or above the distances alone."""
    spaces, training = list(found["spaces"]), found["training_images"]
    texts = [list(map(caption, chosen["confidence"].tolist()))]
    texts += [[f"{distance:.3g}" for distance in chosen[space]] for space in spaces]
    if not s.show_natural:
        texts = [list(map("\n".join, zip(*texts, strict=True)))]
    evolved = list(map(lab.Tile, chosen["image"], texts[0], chosen["fooled"].tolist()))
    rows = [("evolved", evolved)]
    for space, distances in zip(spaces, texts[1:], strict=False):
        natural = as_floats(training[chosen[f"nearest in {space}"]])
        rows.append((f"nearest in\n{space}", list(map(lab.Tile, natural, distances))))
    footnote = f"Below: confidence, and distances in {' and '.join(spaces)}."
    lab.draw_gallery(path, rows, models.class_names(s.dataset), footnote=footnote)


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    *_, (layer, count) = found["spaces"].items()
    return [
        found["victim"].note,
        "The paper pairs images for ImageNet, chosen by eye; here all champions are compared, with "
        "the training images at hand, by Euclidean distance.",
        f"{layer} has {count} numbers.",
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Training images nearest to evolved ones: {network} on {dataset}",
    source="Nguyen et al. (2015), figure 15, on MNIST",
    paper="minutes: 200 generations, as the paper's on MNIST, in ten runs of its 50",
)  # fmt: skip
