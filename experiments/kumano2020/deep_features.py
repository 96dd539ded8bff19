"""Paper 000, figure 7: deep features of natural images and SFIs, projected onto a plane.

    python -m experiments deep_features paper --network cifar_vgg16=vgg16.safetensors

50 natural images and 50 black 5-SFIs for each class of CIFAR-10, the black and the blue image, at
the second-to-last layer of VGG16. The paper sees natural images and SFIs of a class lie near each
other, so near that detectors of foreign images cannot tell them apart.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import models
from experiments.kumano2020.class_sfis import ClassSearch, budget_notes, check_classes
from experiments.kumano2020.feature_plane import Projected, draw, overall, per_class
from experiments.lab import section
from experiments.lab.colors import parse_colors
from experiments.lab.feature_space import Groups, pca
from experiments.lab.grid_search import search_grid
from experiments.lab.shown import (
    check_layer,
    check_least,
    command,
    preset_name,
    shown_settings,
)
from experiments.lab.victims import split_spec, victim_of
from jfool.features import show_features

_FIGURE = "pca.png"


@dataclass(frozen=True)
class Config(ClassSearch):
    """
    Attributes:
      naturals: natural images for each class.
      bases: single-colour images that are shown too.
      layer: of the network; by default the second to last.
      out: folder of the section, and of the sweep, which goes on when started again.
    """

    naturals: int = 50
    bases: tuple[str, ...] = ("black", "blue")
    layer: str | None = None
    out: Path = Path("runs/deep_features")


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP on digits",
        Config(
            dataset="digits",
            network="mlp",
            bases=("black", "white"),
            population=20,
            generations=10,
            repeats=3,
            naturals=10,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 30 minutes on two cores: ResNet20, 10 SFIs per class, ended at 90 %",
        Config(
            network="cifar_resnet20",
            population=100,
            generations=300,
            until=0.9,
            repeats=10,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: VGG16, 50 SFIs per class, 500 x 3000", Config()),
}


def main(config: Config) -> None:
    """Searches, projects, draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    chosen = natural_rows(dataset.test_labels, config.naturals, len(dataset.class_names))
    colors = parse_colors(config.bases, dataset.image_shape[2], config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    layer = model.layers[-2] if config.layer is None else config.layer
    found = search_grid(config, [config.k], model, dataset, config.out / "sweep")

    bases = [np.broadcast_to(c.base(dataset.image_shape[2]), dataset.image_shape) for c in colors]
    natural, sfis, colours = (
        show_features(model, images, layer).astype(np.float64)
        for images in (dataset.test_images[chosen] / np.float32(255), found.images, np.stack(bases))
    )
    sfi_labels = np.array([row.label for row in found.rows])
    groups = Groups(natural, dataset.test_labels[chosen], sfis, sfi_labels)
    projected = Projected(groups, colours, pca(np.concatenate([natural, sfis, colours])))
    draw(config.out / _FIGURE, projected, dataset.class_names, colors)
    name, _ = split_spec(config.network)
    section.publish(
        section.Section(
            name="deep_features",
            title=f"Deep features of natural images and SFIs: {name} on {config.dataset}",
            source="paper 000, figure 7 and section 5.3",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("deep_features", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[overall(projected), per_class(groups, found.rows, dataset.class_names)],
            pictures=[
                section.Picture(
                    _FIGURE,
                    f"{len(projected.plane.points)} images at the layer {layer}, on their first "
                    "two principal components. Dots: natural images; crosses: SFIs, in the colour "
                    "of the class sought; triangles: single colours.",
                )
            ],
            notes=[
                f"The features are those of {layer}, {natural.shape[1]} numbers.",
                *_notes(config),
            ],
            data={"card": card, "explained": projected.plane.explained},
        ),
        config.out,
    )


def natural_rows(labels: np.ndarray, count: int, num_classes: int) -> np.ndarray:
    """Indices of the first `count` images of each class.

    Raises:
      ValueError: a class has fewer.
    """
    rows = [np.flatnonzero(labels == label)[:count] for label in range(num_classes)]
    if (fewest := min(map(len, rows))) < count:
        raise ValueError(
            f"naturals: expected at most {fewest}, the test images of the rarest class, got {count}"
        )
    return np.concatenate(rows)


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_classes(config)
    check_least(config, {"naturals": 2})
    check_layer(config.layer, config.network, config.dataset)
    if not config.bases:
        raise ValueError("bases: expected at least one colour, got none")
    parse_colors(config.bases, 3, config.dataset)


def _notes(config: Config) -> list[str]:
    return [
        f"{config.k}-SFIs on {config.color}.",
        f"Natural images are the first {config.naturals} test images of each class, whatever the "
        "network takes them for; the paper does not say which.",
        "Distances are Euclidean, in units of the mean distance between two natural images of the "
        "class. AUROC: how well the distance to the class mean tells SFIs from natural images "
        "(0.5 not at all, 1 always), an image itself left out of the mean.",
        "All SFIs count, those too that do not reach their class.",
        "The paper prints no numbers here; it says that both kinds lie near each other.",
        *budget_notes(config),
    ]
