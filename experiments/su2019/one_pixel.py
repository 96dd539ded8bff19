"""Su et al. (2019), tables I and II: test images that a few pixels turn into another class.

    python -m experiments su2019 one_pixel paper --networks nin allconv cifar_vgg16=FILE

Test images that a network classifies correctly are attacked toward each of the nine other classes
by differential evolution, until the target has 90 % confidence. An image counts as fooled
untargeted when any of its nine attacks succeeds. The paper: 16 to 23 % targeted with one pixel,
44 % with five. `reduced` takes two hours on two cores; an interrupted run resumes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab.test_images import choose_correct, every_target

PAPER = lab.published(__file__)["one_pixel"]


@lab.settings
class Settings:
    # NAME=FILE, or NAME to train it here
    networks: lab.Networks = ("allconv", "nin", "cifar_vgg16")
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    training_seed: lab.Seed = 0  # of networks that are trained here
    num_images: lab.Count = 500  # test images for each network, of those it classifies correctly
    ks: lab.Ks = (1, 3, 5)  # the most pixels that are altered
    search: lab.Evolution = lab.Evolution(population=400, generations=100, until=0.9, lanes=9)
    show_natural: lab.Flag = True  # draw images before and after (they come from the data set)


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits",
        "--networks mlp --dataset digits --num-images 2 --ks 1 5 --population 8 --generations 10",
    ),
    "reduced": lab.preset(
        "the paper's searches for ten images, with one pixel and with five",
        "--networks cifar_resnet20 --num-images 10 --ks 1 5",
    ),
}


def records(s: Settings, run: lab.Run) -> lab.Records:
    """A record for each network, test image, target and k."""
    dataset = models.load_dataset(s.dataset)
    shape, num_classes = dataset.image_shape, len(dataset.class_names)
    attack = jfool.OnePixel(shape, num_classes, max_k=max(s.ks), search=s.search.search())
    found = []
    for spec in s.networks:
        victim = lab.load_victim(spec, dataset, s.training_seed)
        chosen = choose_correct(s.search.key, victim, dataset, s.num_images)
        jobs = every_target(chosen, num_classes, s.ks)
        jobs = jobs.plus(network=victim.name, accuracy=victim.accuracy)
        name = f"searches/{victim.name}"
        found.append(lab.search(run, name, attack, victim.model, jobs, s.search))
    return lab.Records.joined(found)


def tables(s: Settings, found: lab.Records) -> list[lab.Table]:
    """A row for each network and number of pixels."""
    rows = {f"{name}, {pixels(k)}": rates(of) for (name, k), of in found.groups("network", "k")}
    return [lab.table("Attacks on test images, %", rows, PAPER if s.dataset == "cifar10" else None)]


def rates(of: lab.Records) -> dict[str, lab.Cell]:
    """Of one network and k. The units are images: attacks on one are not independent."""
    fooled = of["fooled"]
    untargeted = np.array([image["fooled"].any() for _, image in of.groups("image_id")])
    return {
        "accuracy": 100 * of["accuracy"][0].item(),
        **lab.rate("targeted", fooled.mean(), len(untargeted)),
        **lab.rate("untargeted", untargeted.mean(), len(untargeted)),
        "confidence": 100 * of["confidence"][fooled].mean().item() if fooled.any() else None,
    }


def pictures(s: Settings, found: lab.Records, out: Path) -> Iterator[lab.Picture]:
    """Which classes are turned into which; and for each network images before and after."""
    names = models.class_names(s.dataset)
    for (network, k), of in found.groups("network", "k"):
        heads = {"row_title": "class of the image", "column_title": "class to reach"}
        lab.draw_shares(
            out / f"{network}_{k}.png", of, "label", "target", names, hit="fooled", **heads
        )
        caption = "of the images of each class, how many are turned into each other class."
        yield lab.Picture(f"{network}_{k}.png", f"{network}, k = {k}: {caption}")
    for network, of in found.where(fooled=True).groups("network") if s.show_natural else ():
        lab.draw_gallery(out / f"{network}.png", list(before_and_after(of, names)))
        yield lab.Picture(
            f"{network}.png",
            f"Test images that {network} classifies correctly, above, and what altered pixels turn "
            "them into, below, with confidences; for each k the most confident.",
        )


def before_and_after(of: lab.Records, names: Sequence[str]) -> Iterator[lab.gallery.Row]:
    """For each k the eight most confident attacks, one for each image."""
    for k, of_k in of.groups("k"):
        best = of_k.ordered(-of_k["confidence"]).best("image_id").rows(slice(8))
        before = best.columns("base", "label", "clean_confidence")
        after = best.columns("image", "target", "confidence")
        for head, shown in (("original", before), (pixels(k), after)):
            yield head, [lab.Tile(x, f"{names[c]}: {lab.floored(p)} %") for x, c, p in shown]


def pixels(k: int) -> str:
    return "1 pixel" if k == 1 else f"{k} pixels"


def notes(s: Settings, found: lab.Records) -> list[str]:
    return [
        f"Attacks on {s.num_images} images for each network, drawn at random from the test images "
        "that it classifies correctly.",
        "An attack succeeds when the target is predicted, however confident; confidence is the "
        "mean confidence in the target over the successes.",
        "Intervals are Wilson's, 95 %, with the images as units. The nine attacks on an image are "
        "not independent, and count as one; that makes the interval wide.",
        "The paper does not say what happens to positions outside the image: they are clipped.",
    ]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    name="one_pixel_{dataset}",
    title="One-pixel attack on {dataset}",
    source="Su et al. (2019), tables I and II",
    agenda=("", "--dataset mnist --networks cnn"),
    paper="500 images, nine targets, up to 40 400 evaluations each",
)  # fmt: skip
