"""Kumano et al. (2020), figures 8 and 9: sparse images with the deep features of natural ones.

    python -m experiments kumano2020 inversion paper

Equation 1, section 5.4: black and blue images whose features in the second-to-last layer are those
of a natural image. The paper's lambda, 1e-5, alters nearly all pixels a little; larger ones give up
similarity of the features for fewer altered pixels, exactly counted. The paper reports inner
products of 0.98 to 0.99. `reduced` takes ten minutes on two cores for a small network.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import jfool
import models
from experiments import lab
from experiments.kumano2020.inversion_figures import draw_curve, draw_pairs
from experiments.lab.colors import parse_colors
from experiments.lab.predict import as_floats, logits
from experiments.lab.test_images import first_of_each_class
from jfool.features import cosine, num_altered, relative_distance, show_features
from jfool.penalties import L1, GroupL1

PENALTIES = {"l1": L1(), "group_l1": GroupL1()}
MOST_ALTERED = 0.25  # of all pixels, where one lambda is chosen
CLEAR = 0.3  # an altered pixel in the paper's heat maps
Weights = Annotated[tuple[Annotated[float, lab.at_least(0)], ...], lab.ascending]


@lab.settings
class Settings:
    network: lab.Network = "cifar_vgg16"  # NAME=FILE, or NAME to train it here
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    layer: lab.Layer | None = None  # whose features are matched; by default the second to last
    colors: lab.Colors = ("black", "blue")  # base colors
    # weights of the penalty; the paper's is 1e-5, the others are ours
    lambdas: Weights = (
        1e-5,
        1e-4,
        1e-3,
        3e-3,
        6e-3,
        1e-2,
        1.5e-2,
    )
    images_per_class: lab.Count = 5  # natural images, the first that the network classifies right
    num_steps: lab.Count = 500  # of gradient search; the paper does not say
    step_size: Annotated[float, lab.between(0, math.inf, "a number above 0")] = 0.02  # of Adam
    penalty: Annotated[str, lab.one_of(PENALTIES)] = "l1"  # group_l1: of whole pixels
    show_natural: lab.Flag = True  # draw the natural images, which belong to the data set
    lanes: lab.Lanes = 50  # inversions side by side


PRESETS = {
    "smoke": lab.preset(
        "seconds; LeNet on scikit-learn's digits",
        "--network lenet --dataset digits --colors black --lambdas 1e-5 1e-2 "
        "--images-per-class 1 --num-steps 20 --lanes 10",
    ),
    "reduced": lab.preset("300 steps", "--num-steps 300"),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each color, lambda and natural image."""
    dataset = models.load_dataset(s.dataset)
    shape = dataset.image_shape
    victim = lab.load_victim(s.network, dataset, s.training_seed)
    model, layer = victim.model, s.layer or victim.model.layers[-2]
    right = logits(model, dataset.test_images).argmax(1) == dataset.test_labels
    chosen = first_of_each_class(dataset, s.images_per_class, "images_per_class", right)
    natural = as_floats(dataset.test_images[chosen])
    colors = parse_colors(s.colors, shape[2], s.dataset)
    cells = itertools.product(colors, s.lambdas, range(len(chosen)))
    color, weight, row = map(list, zip(*cells, strict=True))
    wanted = lab.Records.of(
        color=[c.name for c in color],
        base=np.array([c.base(shape[2]) for c in color], np.float32),
        l1_weight=np.array(weight, np.float32),
        natural=row,
        target=dataset.test_labels[chosen][row],
    )
    features = show_features(model, natural, layer)[row]
    jobs = jfool.InversionJob(wanted["target"], wanted["base"], features, wanted["l1_weight"])
    how = {"ascent": jfool.GradientAscent(s.step_size), "penalty": PENALTIES[s.penalty]}
    attack = jfool.FeatureInversion(shape, victim.num_classes, layer=layer, **how)
    options = {"num_steps": s.num_steps, "lanes": s.lanes, "chunk": min(s.lanes, len(row))}
    key = lab.Evolution().key
    results = run.sweep("sweep", key, attack, model, jobs, title="inversions", **options)
    images = results.column("genotype")
    of_images = show_features(model, images, layer)
    found = wanted.plus(
        image=images,
        confidence=results.column("confidence"),
        cosine=cosine(of_images, features),
        distance=relative_distance(of_images, features),
        altered=num_altered(images, wanted["base"]),
        clear=num_altered(images, wanted["base"], CLEAR),
    )
    return {
        "inversions": found,
        "natural": natural,
        "num_pixels": shape[0] * shape[1],
        "cosine": natural_cosine(model, layer, dataset),
        "layer": layer,
        "victim": victim,
    }


def natural_cosine(model: Any, layer: str, dataset: models.Dataset) -> float:
    """The median cosine between the features of two natural test images of the same class."""
    features = show_features(model, as_floats(dataset.test_images[:1000]), layer)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = dataset.test_labels[:1000]
    groups = [features[labels == label] for label in np.unique(labels)]
    pairs = [(group @ group.T)[np.triu_indices(len(group), 1)] for group in groups]
    return float(np.median(np.concatenate(pairs)))


def chosen_lambda(of_color: lab.Records, num_pixels: int) -> float:
    """The least lambda at whose median at most a quarter of the pixels are altered; if there is
    none, the one with the fewest."""
    altered = {weight: np.median(of["altered"]) for weight, of in of_color.groups("l1_weight")}
    fits = [weight for weight, count in altered.items() if count <= MOST_ALTERED * num_pixels]
    return min(fits) if fits else min(altered, key=lambda weight: altered[weight])


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """A row for each color and lambda; and for each color the classes, at one lambda."""
    inversions, num_pixels = found["inversions"], found["num_pixels"]
    rows = {}
    for (color, weight), of in inversions.groups("color", "l1_weight"):
        rows[f"{color}, lambda {weight:g}"] = {
            "cosine": median(of["cosine"]),
            "distance": median(of["distance"]),
            "altered %": 100 * median(of["altered"]) / num_pixels,
            "by > 0.3 %": 100 * median(of["clear"]) / num_pixels,
            "confidence >= 99 % of images, %": 100 * float(np.mean(of["confidence"] >= 0.99)),
        }
    yield lab.table(f"Medians over {len(found['natural'])} natural images", rows)
    names = models.class_names(s.dataset)
    for color, of_color in inversions.groups("color"):
        weight = chosen_lambda(of_color, num_pixels)
        groups = dict(of_color.where(l1_weight=weight).groups("target"))
        by_class = {
            "cosine": {names[c]: median(of["cosine"]) for c, of in groups.items()},
            "confidence %": {names[c]: median(100 * of["confidence"]) for c, of in groups.items()},
            "altered pixels": {names[c]: median(of["altered"]) for c, of in groups.items()},
        }
        yield lab.table(f"{color} base, lambda {weight:g}: medians of each class", by_class)


def median(values: np.ndarray) -> float:
    return float(np.median(values))


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The price of sparsity; and figures 8 and 9."""
    draw_curve(out / "curve.png", found["inversions"], found["cosine"], found["num_pixels"])
    yield lab.Picture(
        "curve.png",
        "Similarity of deep features against the share of altered pixels, by lambda, which stands "
        f"beside the points on {s.colors[0]}; the vertical line is at a quarter of the pixels.",
    )
    names, natural = models.class_names(s.dataset), found["natural"] if s.show_natural else None
    for color, of in found["inversions"].groups("color"):
        lambdas = sorted({of["l1_weight"].min().item(), chosen_lambda(of, found["num_pixels"])})
        cars = color == "blue" and "automobile" in names
        if cars:
            of = of.where(target=names.index("automobile"))
        else:  # the first image of each class
            of = of.rows(of["natural"] % s.images_per_class == 0)
        file = f"pairs_{color.replace(',', '_')}.png"
        draw_pairs(out / file, of, lambdas, names, natural)
        yield lab.Picture(
            file,
            f"{color} base, as figure {9 if cars else 8} of the paper: cosine and confidence. "
            "Stretched: the altered pixels of the row above, as far from the base as possible.",
        )


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    return [
        found["victim"].note,
        f"The features are those of {found['layer']}. The median cosine between natural test "
        f"images of the same class is {found['cosine']:.3f}.",
        "Natural images are the first of each class that the network classifies right. Tables by "
        "class are for the least lambda at whose median at most a quarter of the pixels are "
        "altered; where there is none, for that with the fewest.",
        "Assumptions, as the paper does not say: Adam, its rate and steps, start at the plain "
        "color, images kept in [0, 1], orthant-wise steps for exact zeros.",
        "The paper shows four images for each base color, with inner products of 0.98 to 0.99 and "
        "confidences of 99 %, on VGG16.",
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"Deep feature inversion, {lab.name_of(s.network)} on {s.dataset}",
    source="Kumano et al. (2020), equation 1, figures 8 and 9",
    paper="VGG16 on CIFAR-10; lambda 1e-5 is the paper's, the others are ours",
)  # fmt: skip
