"""Nguyen et al. (2015), figure 12, on small natural images: a network that knows evolved images.

    python -m experiments nguyen2015 natural_retraining paper

CIFAR-10 stands in for ImageNet. CPPN images evolve through DNN_1; DNN_2 is trained on the data and
on these images, as many as an average class has, or seven times as many, and images evolve again.
In the paper, with seven times as many, their median confidence falls from 88.1 % to 11.7 %. Of 70
pictures of CPPNs from another site, DNN_2 then recognizes 45; `--pictures FOLDER` shows it your
own. `reduced` takes about 25 minutes on two cores.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float
from scipy.stats import mannwhitneyu

import models
from experiments import lab
from experiments.lab.figures import COLORS
from experiments.lab.predict import probabilities
from experiments.lab.retraining import filled, split
from experiments.nguyen2015 import fooling_images
from experiments.nguyen2015.figures import percent, share
from experiments.nguyen2015.methods import ArchiveEvolution
from experiments.nguyen2015.pictures import PictureFolder, read_pictures

PAPER = lab.published(__file__)["natural_retraining"]
STYLES = ("-", "--", ":", "-.")
MOST_PICTURES, ACROSS = 20, 10
Fold = Annotated[float, lab.between(0, 100, "numbers above 0 and up to 100")]
Folds = Annotated[tuple[Fold, ...], lab.distinct]


@lab.settings
class Settings(fooling_images.Retraining):
    dataset: lab.Dataset = "cifar10"  # digits needs no download
    network: lab.TrainedNetwork = "cnn"  # trained here by its recipe, once for each DNN
    folds: Folds = (1, 7)  # size of the new class, in average classes; one DNN_2 for each
    runs: lab.Count = 450  # against DNN_1, whose images are trained on
    held_out: lab.Count = 100  # more runs, whose images are not trained on
    probes: lab.Count = 100  # runs against each DNN_2
    pictures: PictureFolder | None = None  # PNG and JPEG files to show to the networks
    search: ArchiveEvolution = ArchiveEvolution(population=400, generations=5000)


PRESETS = {
    "smoke": lab.preset(
        "seconds; LeNet on scikit-learn's digits",
        "--dataset digits --network lenet --num-steps 132 --runs 2 --held-out 1 --probes 2 "
        "--population 20 --generations 10",
    ),
    "reduced": lab.preset(
        "a small CNN, trained three times, and 300 images",
        "--num-steps 3000 --runs 15 --held-out 2 --probes 10 --population 100 --generations 300",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, lab.Records]:
    """Of each network how it classifies, the champions of all runs against it, and what it says of
    the user's pictures."""
    dataset = models.load_dataset(s.dataset)
    shown = s.pictures and read_pictures(s.pictures, dataset.image_shape)
    parts = [fooling_images.retrain(s, run, "DNN_1", dataset, runs=s.runs, held_out=s.held_out)]
    evolved, num_classes = parts[0][2], len(dataset.class_names)
    known, new = (split(evolved, held_out=held_out) for held_out in (False, True))
    runs = {"runs": s.probes, "first_run": s.runs + s.held_out}
    for fold in s.folds:
        name, count = f"DNN_2, {fold:g}-fold", round(fold * len(dataset.train_images) / num_classes)
        outliers = [filled(known, count)]
        parts.append(fooling_images.retrain(s, run, name, dataset, outliers, [new], **runs))
    found = fooling_images.joined(parts)
    if shown is not None:
        names = found["networks"]["network"]
        judged = (judge(model, shown, num_classes) for model, _, _ in parts)
        of_networks = [of.plus(network=name) for name, of in zip(names, judged, strict=True)]
        found["pictures"] = lab.Records.joined(of_networks)
    return found


def judge(model: models.Network, shown: lab.Records, outlier: int) -> lab.Records:
    """Pictures with the prediction, its confidence, and whether it is the class of fooling images;
    none with NaN is recognized."""
    given = probabilities(model, shown["image"])
    prediction, confidence = given.argmax(1), given.max(1)
    recognized = (prediction == outlier) & ~np.isnan(confidence)
    return shown.plus(prediction=prediction, confidence=confidence, recognized=recognized)


def tables(s: Settings, found: Mapping[str, lab.Records]) -> Iterator[lab.Table]:
    """Networks; Mann-Whitney's test of the scores before against those after; pictures."""
    paper = PAPER if s.dataset == "cifar10" else {}
    evolved = dict(found["champions"].groups("network"))
    columns = ("network", "natural", "outliers", "defense", "flagged")
    rows = {
        name: {
            "natural accuracy": share(natural),
            "fooling images": outliers,
            **fooling_images.summary(evolved[name]),
            "recognized": share(defense),
            "flagged": share(flagged),
        }
        for name, natural, outliers, defense, flagged in found["networks"].columns(*columns)
    }
    title = "Networks, and what evolves through them, % (figure 12)"
    yield lab.table(title, rows, paper.get("networks"))
    before, *after = ((name, scores(of)) for name, of in evolved.items())
    tests = {name: compared(before[1], of) for name, of in after}
    title = "Scores through DNN_1 against those through DNN_2, Mann-Whitney's test"
    yield lab.table(title, tests, paper.get("tests"))
    if "pictures" in found:
        recognized = {name: recognized_of(of) for name, of in found["pictures"].groups("network")}
        del recognized["DNN_1"]  # which has no such class
        title = "Pictures of the folder that are taken for fooling images"
        yield lab.table(title, recognized, paper.get("pictures"))


def scores(of: lab.Records) -> Float[np.ndarray, "R cells"]:
    """Of the last champions, run by run."""
    return np.stack([run["score"] for _, run in of.where(generation="last").groups("run")])


def compared(
    before: Float[np.ndarray, "M cells"], after: Float[np.ndarray, "N cells"]
) -> dict[str, lab.Cell]:
    """U of the scores before, the number of pairs in which they are larger, and the two-sided p."""
    medians = np.median(before, axis=1), np.median(after, axis=1)
    champions, runs = (
        mannwhitneyu(x, y, alternative="two-sided")
        for x, y in ((before.ravel(), after.ravel()), medians)
    )
    p, q = ("< 0.0001" if p < 1e-4 else f"{p:.2g}" for p in (champions.pvalue, runs.pvalue))
    return {"U": f"{champions.statistic:.0f}", "p, all champions": p, "p, the runs' medians": q}


def recognized_of(of: lab.Records) -> dict[str, lab.Cell]:
    known = of["recognized"]
    return {"recognized": int(known.sum()), "pictures": len(known), "%": share(known.mean())}


def pictures(s: Settings, found: Mapping[str, lab.Records], out: Path) -> Iterator[lab.Picture]:
    """The scores, one run's champions for each network, and the user's pictures."""
    names = models.class_names(s.dataset)
    draw_scores(out / "scores.png", found["champions"])
    caption = "How sure each network is of the last champions of all runs against it."
    yield lab.Picture("scores.png", caption)
    rows = fooling_images.first_champions(found["champions"])
    lab.draw_gallery(out / "champions.png", rows, names)
    yield lab.Picture(
        "champions.png",
        "The last champions of the first run against each network, and their confidence; at the "
        "left, the median of all runs.",
    )
    if "pictures" in found:
        *_, (network, of) = found["pictures"].groups("network")
        draw_pictures(out / "pictures.png", of, (*names, fooling_images.FOOLING))
        caption = f"What {network} takes pictures of the folder for, in the order of their names."
        yield lab.Picture("pictures.png", caption)


def draw_scores(path: Path, champions: lab.Records) -> None:
    """What share of the champions is at most so far from certainty."""
    figure = lab.new_figure(5.2, 3)
    axes = figure.subplots()
    for i, (name, of) in enumerate(champions.groups("network")):
        doubt = np.maximum(1 - scores(of).ravel(), 1e-7)
        color, style = COLORS[i % len(COLORS)], STYLES[i % len(STYLES)]
        axes.ecdf(doubt, color=color, ls=style, label=name)
    axes.set(xlabel="1 - confidence, at most", ylabel="share of the champions")
    axes.set(xscale="log", xlim=(5e-8, 1), ylim=(-0.02, 1.02))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    lab.save_figure(figure, path)


def draw_pictures(path: Path, of: lab.Records, names: tuple[str, ...]) -> None:
    """The first pictures, with prediction and confidence."""
    shown = of.columns("image", "prediction", "confidence", "recognized")
    tiles = [lab.Tile(x, f"{names[c]}\n{percent(p)} %", known) for x, c, p, known in shown]
    starts = range(0, min(len(tiles), MOST_PICTURES), ACROSS)
    rows = [(f"+ {start}" if start else "", tiles[start : start + ACROSS]) for start in starts]
    heads = [str(i + 1) for i in range(len(rows[0][1]))]
    lab.draw_gallery(path, rows, heads, orange="not taken for a fooling image")


def notes(s: Settings, found: Mapping[str, lab.Records]) -> list[str]:
    before = found["champions"].where(network="DNN_1")
    new, num_distinct = before["held_out"].sum(), fooling_images.num_distinct(before)
    texts = [
        f"{s.dataset} stands in for ImageNet, with {len(models.class_names(s.dataset))} classes "
        f"instead of 1 000, and {s.network} for AlexNet: medians are to be compared with "
        "each other, not with the paper's.",
        "n-fold: the new class has n times as many training images as an average class; the "
        f"paper's 9 000 are about 7 times 1 300. {fooling_images.MEANINGS} Flagged: the share "
        f"of the {found['networks']['val'][0]} natural test images that is taken for fooling; on "
        "these the accuracies are too.",
        f"The {len(before) - new} images to train on, of which with the {new} held out "
        f"{num_distinct} are distinct, are the champions of the first and of the last generation "
        "of runs against DNN_1. Assumption: they are repeated until the class has as many as it "
        "should, or the first ones are taken.",
        "Mann-Whitney's test is two-sided and takes every champion as a draw of its own, though "
        "those of one run are akin; the test of the runs' medians takes one number for each run.",
        "Cells are of the natural classes alone. Evolution had the same number of evaluations "
        "against each network; scores are of images of 8 bits. All networks are trained from "
        "scratch, with the same recipe and seed.",
    ]
    if "pictures" in found:
        texts.append(
            f"{len(found['pictures'].where(network='DNN_1'))} pictures of a folder, their middle "
            "scaled to the size of the images; the paper showed 70 of Picbreeder.org."
        )
    return texts


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Training {network} to recognize evolved images, on {dataset}",
    source="Nguyen et al. (2015), sections 3.6, 3.8, supplement B.2, figure 12",
    paper="as many images, children and generations as the paper has on ImageNet",
)  # fmt: skip
