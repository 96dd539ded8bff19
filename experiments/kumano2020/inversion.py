"""Deep feature inversion: sparse images with the deep features of natural ones (Figs. 8, 9).

Paper 000, section 5.4, equation 1: black and blue images whose features in the second to last layer
are those of a natural image. The paper's lambda, 1e-5, alters nearly all pixels a little; larger
ones trade the similarity of the features for fewer altered pixels, exactly counted.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

import jfool
import models
from experiments.kumano2020.inversion_figures import draw_curve, draw_pairs
from experiments.kumano2020.inversion_tables import over_classes, over_lambdas
from experiments.kumano2020.inverted import Found, measures, natural_cosine, natural_images
from experiments.lab import record
from experiments.lab.colors import parse_colors
from experiments.lab.progress import say, sweep_progress
from experiments.lab.section import Picture, Section, publish
from experiments.lab.shown import (
    check_layer,
    check_least,
    command,
    preset_name,
    shown_settings,
)
from experiments.lab.victims import check_specs, split_spec, tested, victim_of
from jfool.features import show_features
from jfool.penalties import L1, GroupL1

PAPER_LAMBDA = 1e-5


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME to train it, or NAME=FILE to load its weights.
      dataset: cifar10, mnist, fashion_mnist or digits.
      training_seed: of a network that is trained here.
      layer: whose features are matched; by default the second to last.
      colors: base colours.
      lambdas: weights of the penalty.
      images_per_class: natural images, the first that the network classifies right.
      steps: of gradient search; the paper does not say.
      learning_rate: of Adam; the paper does not say.
      groups: penalise whole pixels together, not every channel for itself.
      show_natural: draw the natural images, which belong to the data set, above what was found.
      lanes: inversions side by side.
      out: folder for the runs, section.json, images.npz and the figures.
    """

    preset: Annotated[str, tyro.conf.Suppress] = "paper"
    network: str = "cifar_vgg16"
    dataset: str = "cifar10"
    training_seed: int = 0
    layer: str | None = None
    colors: tuple[str, ...] = ("black", "blue")
    lambdas: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 3e-3, 6e-3, 1e-2, 1.5e-2)
    images_per_class: int = 5
    steps: int = 500
    learning_rate: float = 0.02
    groups: bool = False
    show_natural: bool = True
    lanes: int = 50
    out: Path = Path("runs/inversion")


PRESETS = {
    "smoke": (
        "LeNet on the bundled digits; seconds",
        Config(
            preset="smoke",
            network="lenet",
            dataset="digits",
            colors=("black",),
            lambdas=(PAPER_LAMBDA, 1e-2),
            images_per_class=1,
            steps=20,
            lanes=10,
        ),
    ),
    "reduced": (
        "300 steps; some ten minutes on two cores for a small network",
        Config(preset="reduced", steps=300),
    ),
    "paper": ("VGG16 on CIFAR-10 (lambda 1e-5 is the paper's, the others are ours)", Config()),
}


def main(config: Config) -> None:
    """Inverts, measures, and writes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    colors = parse_colors(config.colors, dataset.image_shape[2], config.dataset)
    model, card = victim_of(config.network, dataset, config.training_seed)
    layer = config.layer or model.layers[-2]
    say("features of the natural images")
    originals, labels = natural_images(model, dataset, config.images_per_class)
    wanted = show_features(model, originals, layer)
    channels = dataset.image_shape[2]
    jobs = [
        jfool.InversionJob(label, np.asarray(color.base(channels), np.float32), features, weight)
        for color in colors
        for weight in np.asarray(config.lambdas, np.float32)
        for label, features in zip(labels, wanted, strict=True)
    ]
    jobs = jax.tree.map(lambda *rows: np.stack(rows), *jobs)
    attack = jfool.FeatureInversion(
        dataset.image_shape,
        len(dataset.class_names),
        layer=layer,
        ascent=jfool.GradientAscent(config.learning_rate),
        penalty=GroupL1() if config.groups else L1(),
    )
    with sweep_progress("inversions") as on_progress:
        results = jfool.sweep(
            jax.random.key(0, impl="threefry2x32"),
            attack,
            model,
            jobs,
            num_steps=config.steps,
            folder=config.out / "sweep",
            lanes=min(config.lanes, len(jobs.label)),
            chunk=min(config.lanes, len(jobs.label)),
            on_progress=on_progress,
        )
    shape = (len(colors), len(config.lambdas), len(originals))
    images = results.column("genotype").reshape(*shape, *dataset.image_shape)
    found = Found(
        images=images,
        labels=labels,
        confidence=results.column("confidence").reshape(shape),
        **measures(model, layer, images, wanted, jobs),
    )
    record.write_arrays(
        config.out / record.IMAGES,
        images=images[:, 0].reshape(-1, *dataset.image_shape),
        base=jobs.base.reshape(*shape, -1)[:, 0].reshape(-1, channels),
        labels=np.tile(labels, len(colors)),
        confidence=found.confidence[:, 0].reshape(-1),
        l1_weight=config.lambdas[0],
    )
    natural = natural_cosine(model, layer, dataset)
    publish(section(config, dataset, card, layer, originals, found, natural), config.out)


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained."""
    check_specs([config.network], config.dataset, "network")
    parse_colors(config.colors, 3, config.dataset)
    check_least(config, dict.fromkeys(("images_per_class", "steps", "lanes"), 1))
    check_layer(config.layer, config.network, config.dataset)
    lambdas = config.lambdas
    ascending = list(lambdas) == sorted(set(lambdas))
    if not lambdas or not ascending or not all(0 <= x < math.inf for x in lambdas):
        raise ValueError(f"lambdas: expected ascending numbers of at least 0, got {lambdas}")
    if not config.learning_rate > 0:
        raise ValueError(f"learning_rate: expected more than 0, got {config.learning_rate}")


def section(
    config: Config,
    dataset: models.Dataset,
    card: dict[str, Any],
    layer: str,
    originals: np.ndarray,
    found: Found,
    natural: float,
) -> Section:
    """Tables and figures of what was found."""
    num_pixels = originals.shape[1] * originals.shape[2]
    name = split_spec(config.network)[0]
    colors = parse_colors(config.colors, originals.shape[-1], config.dataset)
    draw_curve(config.out / "curve.png", colors, config.lambdas, found, natural, num_pixels)
    pictures = [
        (
            "curve.png",
            "Similarity of deep features against the share of altered pixels, by lambda, which "
            f"stands beside the points on {colors[0].name}; the upright line is at a quarter of "
            "the pixels.",
        )
    ]
    names = dataset.class_names
    for c, color in enumerate(colors):
        is_car = color.name == "blue" and "automobile" in names
        only = names.index("automobile") if is_car else None
        rows = rows_of(found.labels, only)
        lambdas = sorted({0, found.chosen(c)})
        file = f"pairs_{color.name.replace(',', '_')}.png"
        draw_pairs(
            config.out / file,
            originals if config.show_natural else None,
            np.asarray(color.base(originals.shape[-1])),
            names,
            config.lambdas,
            found,
            c,
            lambdas,
            rows,
        )
        figure = "Fig. 9" if only is not None else "Fig. 8"
        pictures.append(
            (
                file,
                f"{color.name} base, as {figure} of the paper: cosine and confidence. Stretched: "
                "the altered pixels of the row above, as far from the base as they can be.",
            )
        )
    return Section(
        name="inversion",
        title=f"Deep feature inversion, {name} on {config.dataset}, layer {layer}",
        source="paper 000, equation 1, figures 8 and 9",
        preset=preset_name(config, PRESETS["paper"][1]),
        command=command("inversion", config, PRESETS[config.preset][1]),
        settings=shown_settings(config) | {"layer": layer, "accuracy": card["accuracy"]},
        tables=[
            over_lambdas(config.colors, config.lambdas, found, num_pixels),
            *over_classes(config.colors, config.lambdas, found, names),
        ],
        pictures=[Picture(file, caption) for file, caption in pictures],
        notes=[
            f"{tested(name, card)}.",
            f"The median cosine between natural test images of the same class is {natural:.3f}.",
            "Natural images are the first of each class that the network classifies right. Tables "
            "by class are for the least lambda at whose median at most a quarter of the pixels are "
            "altered; where there is none, for that with the fewest.",
            "Assumptions, as the paper does not say: Adam, its rate and steps, start at the plain "
            "colour, images kept in [0, 1], orthant-wise steps for exact zeros.",
            "The paper shows four images a base, with inner products of 0.98 to 0.99 and "
            "confidences of 99 %, on VGG16.",
        ],
        data={"natural_cosine": natural, **_data(found)},
    )


def rows_of(labels: np.ndarray, only: int | None) -> list[int]:
    """Images to show: of one class, or the first of every class."""
    if only is not None:
        return np.flatnonzero(labels == only).tolist()
    return [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]


def _data(found: Found) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(found) if field.name != "images"]
    return {name: np.round(getattr(found, name), 5) for name in names}
