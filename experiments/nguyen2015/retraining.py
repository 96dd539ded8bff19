"""Nguyen et al. (2015), table S2: networks that know evolved images are fooled by new ones.

    python -m experiments nguyen2015 retraining paper

CPPN images evolve through DNN_1; DNN_2 is trained on the data and on these images, a class of
their own; and so on (sections 3.6, 3.7, figure 11). In the paper fifteen networks learn to
recognize the images that are held out, and images that evolve through each still reach a median of
at least 72 %, mostly 99 %. `reduced` takes about 25 minutes on two cores.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

import models
from experiments import lab
from experiments.lab.figures import COLORS
from experiments.lab.retraining import filled, split
from experiments.nguyen2015 import fooling_images
from experiments.nguyen2015.figures import share

PAPER = lab.published(__file__)["retraining"]


@lab.settings
class Settings(fooling_images.Retraining):
    rounds: lab.Count = 14  # how often images evolve and the next network is trained on them
    first_runs: lab.Count = 300  # runs against DNN_1 whose images are trained on
    first_held_out: lab.Count = 50  # more runs against DNN_1, whose images are not trained on
    runs: lab.Count = 50  # the same against each later network
    held_out: lab.Count = 5
    first_images: lab.Count = 6000  # in the new class of DNN_2: those of the runs, repeated
    images: lab.Count = 1000  # added for each later network

    @property
    def like_paper(self) -> bool:
        return (self.dataset, self.network) == ("mnist", "lenet")

    @property
    def counts(self) -> list[int]:
        """How many images against each network the later ones are trained on."""
        return [self.first_images] + [self.images] * (self.rounds - 1)


PRESETS = {
    "smoke": lab.preset(
        "seconds; LeNet on scikit-learn's digits",
        "--dataset digits --num-steps 132 --rounds 1 --first-runs 2 --first-held-out 1 --runs 2 "
        "--held-out 1 --first-images 144 --images 24 --population 20 --generations 10",
    ),
    "reduced": lab.preset(
        "five retrainings, each on 300 images more",
        "--num-steps 3000 --rounds 5 --first-runs 15 --first-held-out 2 --runs 15 --held-out 2 "
        "--population 100",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, lab.Records]:
    """Of each network how it classifies, and the champions of all runs against it."""
    dataset = models.load_dataset(s.dataset)
    parts, champions, first_run = [], [], 0
    for number in range(s.rounds + 1):
        past = zip(champions, s.counts, strict=False)
        known = [filled(split(of, held_out=False), count) for of, count in past]
        new = [split(of, held_out=True) for of in champions]
        runs, held_out = (s.runs, s.held_out) if number else (s.first_runs, s.first_held_out)
        counts = {"runs": runs, "held_out": held_out, "first_run": first_run}
        name = f"DNN_{number + 1}"
        parts.append(fooling_images.retrain(s, run, name, dataset, known, new, **counts))
        champions.append(parts[-1][2])
        first_run += runs + held_out
    return fooling_images.joined(parts)


def tables(s: Settings, found: Mapping[str, lab.Records]) -> Iterator[lab.Table]:
    """A row for each network, also for those that only the paper has."""
    champions = dict(found["champions"].groups("network"))
    columns = ("network", "natural", "combined", "defense", "train", "val")
    rows: dict[str, dict[str, lab.Cell]] = {}
    for name, natural, combined, defense, train, val in found["networks"].columns(*columns):
        errors = 1 - (natural if math.isnan(combined) else combined), 1 - natural
        both, alone = (f"{100 * error:.2f}" for error in errors)
        rows[name] = {"error": both, "natural error": alone, "train": train, "val": val}
        rows[name] |= fooling_images.summary(champions[name]) | {"recognized": share(defense)}
    title = "Rounds of retraining: errors, numbers of images, scores, % (table S2)"
    yield lab.table(title, rows, PAPER if s.like_paper else None)


def pictures(s: Settings, found: Mapping[str, lab.Records], out: Path) -> Iterator[lab.Picture]:
    """The medians as a curve, and one run's champions for each network."""
    draw_rounds(out / "rounds.png", found["champions"], beside_paper=s.like_paper)
    yield lab.Picture(
        "rounds.png",
        "Confidence of the last champions of all runs against each network: the median, and "
        "shaded the middle half" + ("; dashed, the paper's median." if s.like_paper else "."),
    )
    rows = fooling_images.first_champions(found["champions"])
    lab.draw_gallery(out / "champions.png", rows, models.class_names(s.dataset))
    yield lab.Picture(
        "champions.png",
        "The last champions of the first run against each network, and their confidence (figure "
        "11); at the left, the median of all runs.",
    )


def draw_rounds(path: Path, champions: lab.Records, *, beside_paper: bool) -> None:
    """The quartiles of the scores, network by network."""
    groups = champions.where(generation="last").groups("network")
    quartiles = [np.quantile(100 * of["score"], (0.25, 0.5, 0.75)) for _, of in groups]
    low, median, high = np.transpose(quartiles)
    figure = lab.new_figure(5.2, 2.9)
    axes = figure.subplots()
    numbers = np.arange(len(median)) + 1
    axes.fill_between(numbers, low, high, color=COLORS[0], alpha=0.15, lw=0)
    axes.plot(numbers, median, "o-", color=COLORS[0], markersize=4, label="measured")
    if beside_paper:
        paper = [float(row["median score"]) for row in PAPER.values()]
        axes.plot(np.arange(len(paper)) + 1, paper, "--", color="#767676", label="paper")
        axes.legend(frameon=False, fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="DNN", ylabel="confidence, %", ylim=(-3, 103))
    lab.save_figure(figure, path)


def notes(s: Settings, found: Mapping[str, lab.Records]) -> list[str]:
    rounds = [of for _, of in found["champions"].groups("network")]
    num_distinct = ", ".join(str(fooling_images.num_distinct(of)) for of in rounds)
    texts = [
        "Error: on natural test images and the fooling images held out in all rounds before; "
        f"natural error: on the former alone. {fooling_images.MEANINGS}",
        "Each run gives the champions of its start population and of its last generation. Cells "
        "are of the natural classes alone, while the network has one output more. An image that "
        f"holds several cells counts in each: of a round's images {num_distinct} are distinct.",
        "All networks are trained from scratch, with the same recipe and seed. Scores are of all "
        "runs of a round, in the paper of 30; they and all images are of 8 bits.",
        "The runs that are held out are the last ones of each round, no image of which is trained "
        "on; the paper does not say how it draws its images.",
        f"Our {s.network} sees pixels in [0, 1]; the paper's subtracted a mean image.",
    ]
    past = zip(rounds, s.counts, strict=False)
    if any(len(split(of, held_out=False)) < count for of, count in past):
        texts.append(
            "Assumption: where there are fewer images than the paper's, they are repeated until "
            f"the new class has as many, {s.first_images} of those against DNN_1 and {s.images} of "
            "those against each later network."
        )
    return texts


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Training {network} to recognize evolved images, on {dataset}",
    source="Nguyen et al. (2015), sections 3.6, 3.7, supplement B.1, table S2, figure 11",
    paper="15 networks, 7 000 images and then 1 100 for each",
)  # fmt: skip
