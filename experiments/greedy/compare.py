r"""Greedy search against differential evolution, with equal budgets.

    python -m experiments greedy compare paper --network cifar_resnet20=FILE \
        --imagenet mobilenet_v2_tf=FILE

Kumano et al. (2020) ask whether five pixels on blue can be a car, which their differential
evolution never found. Here six variants of it are tried on twelve cells, each a base color and a
class. The best one and jfool's own greedy search then run on every base color and class of CIFAR-10
with k = 5, and on twenty classes of ImageNet and the centipede with ten pixels on gray. Expected:
the greedy search reaches 90 % confidence in 41 of 60 cells, differential evolution in 21, and five
pixels on blue become a car. `reduced` takes two hours on two cores; an interrupted run resumes.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from matplotlib.ticker import NullFormatter

import jfool
import models
from experiments import lab
from experiments.greedy.arenas import GREEDY, imagenet_arena, small_arena, variants
from experiments.greedy.tables import imagenet_table, pilot_table, score, small_tables
from experiments.lab.imagenet import NUM_CLASSES, check_k, imagenet_names, imagenet_victim, title_of

K, BLUE_CAR = 5, {"color": "blue", "target": 1}  # of Kumano et al.'s question
NUM_IMAGES, COLORS = 10, ("#767676", "#1f6fb4")

Mutant = Annotated[str, lab.one_of(("rand", "best"))]
Drawn = Annotated[int, lab.between(-1, NUM_CLASSES - 1, f"a number from 0 to {NUM_CLASSES - 1}")]


@lab.settings
class Settings:
    network: lab.Network = "cifar_resnet20"  # NAME=FILE, or NAME to train it here
    dataset: lab.Dataset = "cifar10"  # or another one that the network fits
    training_seed: lab.Seed = 0  # of the network
    colors: lab.Colors = ("black", "grey", "white", "red", "green", "blue")  # base colors
    k: lab.Pixels = K  # the most pixels that are altered
    # objectives of the tried variants of differential evolution; Kumano et al. use confidence
    objectives: Annotated[tuple[lab.Objective, ...], lab.distinct] = tuple(lab.OBJECTIVES)
    # their mutations; Kumano et al. use rand
    mutants: Annotated[tuple[Mutant, ...], lab.distinct] = ("rand", "best")
    population: lab.Population = 500  # their candidates
    budget: lab.Count = 50_000  # images that a search shows to the network, at most
    threshold: lab.Confidence = 0.9  # the confidence that counts as success
    until: lab.Confidence | None = None  # a search ends at this confidence; None spends all
    pilot: lab.Count = 12  # cells on which the variants of differential evolution are tried
    pilot_budget: lab.Count = 50_000  # images of each search there
    imagenet: lab.ImageNetNetwork = "mobilenet_v2_tf"  # NAME=FILE; NAME alone is untrained
    class_names: lab.ClassNames | None = None  # a JSON list of the 1 000 names; by default numbers
    imagenet_classes: Drawn = 20  # classes drawn at random, beside the centipede
    imagenet_k: lab.Count = 10  # the most pixels that are altered there
    imagenet_population: lab.Population = 100  # candidates there
    imagenet_budget: lab.Count = 10_000  # images of each search there
    side: lab.Side | None = None  # of ImageNet's images; by default the network's
    seed: lab.Seed = 0  # of the choice of cells and classes, of searches, and of random weights
    lanes: lab.Lanes = 10  # searches side by side
    chunk: lab.Chunk = 500  # images per call of the network
    imagenet_chunk: lab.Chunk = 50  # the same on ImageNet

    @property
    def percent(self) -> str:
        return f"{100 * self.threshold:g} %"

    def check(self) -> None:
        candidates = {"budget": self.population, "pilot_budget": self.population}
        for name, population in {**candidates, "imagenet_budget": self.imagenet_population}.items():
            step = max(population, jfool.GreedySearch().num_proposals)
            lab.at_least(step).refuse(name, getattr(self, name), self)
        if self.until is not None and self.until < self.threshold:
            usual = f"at least threshold = {self.threshold}"
            raise ValueError(f"until: expected {usual}, got {self.until}")
        check_k(self.imagenet_k, self.imagenet, self.side, "imagenet_k")


PRESETS = {
    "smoke": lab.preset(
        "seconds; an MLP on scikit-learn's digits, an untrained SqueezeNet on small images",
        "--network mlp --dataset digits --colors black white --objectives confidence "
        "--population 20 --budget 400 --pilot 3 --pilot-budget 200 --imagenet squeezenet1_1 "
        "--imagenet-classes 1 --imagenet-population 24 --imagenet-budget 96 --side 32",
    ),
    "reduced": lab.preset(  # batches of two images, as larger ones leave a CPU's caches
        "two hours on two cores; a shorter pilot, and 6 000 images for each class of SqueezeNet, "
        "on which a trial of the greedy search alone got further than on MobileNetV2",
        "--until 0.995 --pilot-budget 15000 --imagenet squeezenet1_1 --imagenet-population 50 "
        "--imagenet-budget 6000 --imagenet-chunk 2",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each method and cell: of the pilot, of the small network, and of ImageNet."""
    victim = lab.load_victim(s.network, models.load_dataset(s.dataset), s.training_seed)
    arena = small_arena(s, victim)
    drawn = np.random.default_rng(s.seed).permutation(len(arena.wanted))[: s.pilot]
    wanted = arena.wanted.rows(np.sort(drawn))
    pilot = dataclasses.replace(arena, prefix="pilot_", wanted=wanted, budget=s.pilot_budget)
    trials = pilot.compare(s, run, list(variants(s)))
    scores = {method: score(of, s.threshold) for method, of in trials.groups("method")}
    methods = [max(scores, key=lambda method: scores[method]), GREEDY]
    small = arena.compare(s, run, methods)
    large = imagenet_victim(s.imagenet, s.side, s.seed)
    found = imagenet_arena(s, large).compare(s, run, methods)
    victims = {"victim": victim, "imagenet_victim": large, "chosen": methods[0]}
    return {"pilot": trials, "small": small, "imagenet": found, **victims}


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    yield from small_tables(s, found["small"], models.class_names(s.dataset))
    yield pilot_table(s, found["pilot"], found["chosen"])
    names = imagenet_names(s.class_names)
    yield imagenet_table(s, found["imagenet"], names, title_of(s.imagenet))


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """Curves of both networks; images of the first, whose classes have names."""
    network, names = found["victim"].name, models.class_names(s.dataset)
    panels = {
        f"{network}, {s.k} pixels": found["small"],
        f"{title_of(s.imagenet)}, {s.imagenet_k} pixels": found["imagenet"],
    }
    draw_confidence(out / "confidence.png", panels)
    yield lab.Picture(
        "confidence.png",
        "Confidence against evaluations: the median over the cells, and the quartiles shaded.",
    )
    theirs, ours = (of for _, of in found["small"].groups("method"))
    order = np.argsort(theirs["confidence"] - ours["confidence"], kind="stable")[:NUM_IMAGES]
    shown = lab.Records.joined([theirs.rows(order), ours.rows(order)])
    cells = theirs.rows(order).columns("color", "target")
    heads = [f"{color}, {names[target]}" for color, target in cells]
    lab.draw_gallery(out / "images.png", lab.tiles(shown, "method"), heads)
    yield lab.Picture(
        "images.png",
        f"{network}: the cells in which the greedy search is furthest ahead, with the confidence "
        "that each search reaches.",
    )


def draw_confidence(path: Path, panels: Mapping[str, lab.Records]) -> None:
    """Median and quartiles over the cells, a panel for each network, a curve for each method."""
    figure = lab.new_figure(4.2 * len(panels), 3.2)
    axes: Any = figure.subplots(1, len(panels))
    for axis, (title, found) in zip(axes, panels.items(), strict=True):
        for (method, of), color in zip(found.groups("method"), COLORS, strict=True):
            low, middle, high = 100 * np.quantile(of["history"], (0.25, 0.5, 0.75), axis=0)
            evaluations = of["evaluations"][0]
            axis.fill_between(evaluations, low, high, color=color, alpha=0.2, lw=0)
            axis.plot(evaluations, middle, color=color, label=method)
        axis.set(title=title, xscale="log", xlabel="evaluations")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3, lw=0.5)
    axes[0].set_ylabel("confidence (%)")
    curves, names = axes[0].get_legend_handles_labels()
    figure.legend(curves, names, loc="outside upper center", ncols=len(names), frameon=False)
    lab.save_figure(figure, path)


def notes(s: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    """Who is attacked, how a variant was chosen, and the answer to the question of Kumano et al."""
    yield found["victim"].note
    yield found["imagenet_victim"].note
    yield (
        "GreedySearch is jfool's own, from no paper, and so are the budgets that are called the "
        "paper's here. It needs no gradients; both searches are charged one evaluation for each "
        "image they show to the network."
    )
    yield (
        f"The variant of differential evolution is the best of {len(variants(s))} on the pilot: by "
        f"the cells at {s.percent}, then by the mean confidence. That of Kumano et al. (2020) "
        "maximizes the confidence with rand/1."
    )
    yield f"ImageNet: differential evolution has {s.imagenet_population} candidates there."
    yield (
        f"Bold: cells that GreedySearch brings to {s.percent}, cells where it gets there in fewer "
        "evaluations, the variant chosen on the pilot, and the higher confidence on ImageNet."
    )
    if s.until is not None:
        shown = lab.floored(s.until)
        yield f"A search ends at {100 * s.until:g} % confidence, which the tables print as {shown}."
    if s.dataset == "cifar10" and s.k == K:
        yield from blue_car(found["small"].where(method=GREEDY, **BLUE_CAR), found["victim"].name)


def blue_car(found: lab.Records, network: str) -> Iterator[str]:
    """Whether five pixels on blue are a car for this network, if that was searched for."""
    for p, fooled in found.columns("confidence", "fooled"):
        answer = "here they are one at" if fooled else "nor is one found here: at most"
        yield (
            f"Kumano et al. (2020) ask whether {K} pixels on blue can be a car, which their search "
            f"never found: {answer} {100 * p:.1f} %, for {network}."
        )


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"Greedy search against differential evolution: {lab.name_of(s.network)}",
    source="jfool's own search, on the cells of tables 2 to 13 and on figure 1 of Kumano et al. "
    "(2020)",
    agenda=("--network cifar_resnet20=FILE --imagenet mobilenet_v2_tf=FILE",),
    paper="50 000 images for each search, 10 000 on ImageNet",
)  # fmt: skip
