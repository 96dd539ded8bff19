"""Nguyen et al. (2015), figures 1, 6 to 10: images that evolve for all classes of ImageNet at once.

    python -m experiments nguyen2015 imagenet paper --network caffenet=caffenet.safetensors

One archive holds a champion for each of the 1 000 classes. Genes are bytes of pixels ("direct"), or
a CPPN, a small network that grows and paints the image ("cppn"). Their confidences are compared
over the classes and at equal cost; relatives among the champions are shown, and parts of some are
removed while the network stays sure of them. The paper: medians of 21.59 % (direct) and 88.11 %
(CPPN). `reduced` takes 25 minutes on two cores; an interrupted run resumes.
"""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab.imagenet import (
    NUM_CLASSES,
    image_shape,
    imagenet_names,
    imagenet_victim,
    title_of,
)
from experiments.nguyen2015 import imagenet_figures as figures
from experiments.nguyen2015.ablation import ablated, ablation_table, draw_ablated, draw_courses
from experiments.nguyen2015.figures import caption
from experiments.nguyen2015.genome_graph import HLS, draw_genome
from experiments.nguyen2015.imagenet_tables import comparison, dip, medians
from experiments.nguyen2015.methods import METHODS, ArchiveEvolution, evolve

ENCODINGS = ("direct", "cppn")
LETTERS = 24  # of a class's name in pictures


@lab.settings
class Settings:
    network: lab.ImageNetNetwork = "caffenet"  # NAME=FILE; NAME alone is untrained
    class_names: lab.ClassNames | None = None  # a JSON list of names; numbers by default
    every: lab.Count = 1  # every n-th class has a cell, from class 0
    # Side of the images in pixels, of which the network sees ten crops; None: it sees images of its
    # own size, once.
    whole: lab.Count | None = 256
    side: lab.Side | None = None  # of what the network sees, in pixels; by default its own
    populations: tuple[lab.EvenCount, lab.EvenCount] = (200, 400)  # children, direct and CPPN
    generations: tuple[lab.Count, lab.Count] = (20_000, 5_000)  # after the start, direct and CPPN
    marks: tuple[lab.Number, ...] = (1_000, 5_000, 20_000)  # generations that the table shows
    runs: lab.Count = 5  # of each encoding; they differ in their draws
    relatives: tuple[int, ...] = (40, 46, 47, 153, 154, 155)  # figure 9's lizards and toy dogs
    shown: lab.Count = 8  # images in a row of the galleries
    ablated: lab.Count = 8  # champions from which tiles are removed
    tiles: lab.Count = 8  # along each side of an image; they are removed one by one
    # share of its confidence that such an image must keep
    hold: Annotated[float, lab.between(-1e-9, 1, "a share in [0, 1]")] = 0.9
    seed: lab.Seed = 0  # of the draws, and of random weights
    lanes: lab.Lanes = 1  # runs side by side
    chunk: lab.Chunk = 100  # images per call of the network, ten crops counting as one

    def check(self) -> None:
        sees, cells = image_shape(self.network, self.side)[0], range(0, NUM_CLASSES, self.every)
        if self.whole is not None and self.whole < sees:
            least = f"at least the {sees} pixels that the network sees"
            raise ValueError(f"whole: expected {least}, got {self.whole}")
        longest = max(self.generations)
        if not self.marks or max(self.marks) > longest:
            raise ValueError(f"marks: expected generations up to {longest}, got {self.marks}")
        if not self.relatives or not set(self.relatives) <= set(cells):
            expected = f"classes that have a cell (every {self.every})"
            raise ValueError(f"relatives: expected {expected}, got {self.relatives}")
        if self.ablated > len(cells):
            got = self.ablated
            raise ValueError(f"ablated: expected at most {len(cells)} classes, got {got}")


PRESETS = {
    "smoke": lab.preset(
        "seconds; ten classes of an untrained SqueezeNet on small images",
        "--network squeezenet1_1 --every 100 --whole None --side 32 --populations 8 8 "
        "--generations 6 6 --marks 3 6 --runs 2 --relatives 0 100 200 --shown 4 --ablated 2 "
        "--tiles 3",
    ),
    "reduced": lab.preset(
        "two runs of 16 100 images of each encoding, one crop",
        "--network squeezenet1_1 --whole None --populations 100 100 --generations 160 160 "
        "--marks 40 80 160 --runs 2 --ablated 6 --tiles 6 --chunk 50",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """Archives by encoding, a record for each champion, and champions that lost parts."""
    victim = imagenet_victim(s.network, s.side, s.seed)
    model = victim.model
    if s.whole is not None:
        model = models.TenCrop(model, (s.whole, s.whole, 3))
        model.eval()
    targets = np.tile(np.arange(0, NUM_CLASSES, s.every), (s.runs, 1))
    archives = {}
    for name, sizes in zip(ENCODINGS, zip(s.populations, s.generations, strict=True), strict=True):
        encoding = METHODS[name](model.image_shape)
        if isinstance(encoding, jfool.DirectPixels):
            encoding = dataclasses.replace(encoding, dtype="uint8")
        search = ArchiveEvolution(*sizes, seed=s.seed, lanes=s.lanes, chunk=s.chunk)
        archives[name] = evolve(run, name, encoding, model, targets, search)
    cells = figures.diverse_cells(archives["cppn"], s.ablated)
    champions = [of.records.plus(method=name) for name, of in archives.items()]
    return {
        "archives": archives,
        "champions": lab.Records.joined(champions),
        "ablated": ablated(model, archives["cppn"], cells, side=s.tiles, hold=s.hold),
        "victim": victim,
    }


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    """Confidences, encodings compared, dogs and cats, and what champions do without."""
    archives, names = found["archives"], imagenet_names(s.class_names)
    ablation = ablation_table(found["ablated"], names, s.hold)
    return [medians(archives, s.marks), comparison(archives), dip(archives), ablation]


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The figures of both encodings, and of the CPPNs alone."""
    archives, left, whole_names = found["archives"], found["ablated"], imagenet_names(s.class_names)
    names = [textwrap.shorten(name, LETTERS, placeholder="...") for name in whole_names]
    cppn = archives["cppn"]
    run, cell = map(int, np.unravel_index(cppn.confidence.argmax(), cppn.confidence.shape))
    relatives = np.searchsorted(cppn.targets[0], s.relatives).tolist()
    genome = jax.tree.map(lambda leaf: leaf[0], cppn.genotypes(run, [cell]))
    title = f"{names[cppn.targets[0, cell]]}, {caption(cppn.confidence[run, cell])}"

    figures.draw_heat_map(out / "heat_map.png", archives)
    figures.draw_growth(out / "growth.png", archives)
    figures.draw_best(out / "best.png", archives, names, s.shown)
    diverse = figures.diverse_cells(cppn, s.shown)
    figures.draw_runs(out / "diversity.png", cppn, diverse, names)
    figures.draw_runs(out / "relatives.png", cppn, relatives, names)
    figures.draw_kin(out / "kin.png", cppn, run, names, s.shown)
    draw_genome(out / "genome.png", genome, HLS, title)
    draw_ablated(out / "ablated.png", left, names)
    draw_courses(out / "ablation.png", left, whole_names)
    captions = {
        "heat_map": "Figures 6 and 7: confidence of the champions over the classes, a row for each "
        "run, and the runs' median; the band of dogs and cats is shaded.",
        "growth": "Confidence over the images that a run was shown.",
        "best": "Figure 1: the most confident champions, each class once.",
        "diversity": "Figure 8: the champions of several runs (down) for the classes (across) of "
        "which the least sure run is surest.",
        "relatives": "Figure 9: champions for related classes (across), by run (down).",
        "kin": f"Of run {run + 1}: champions of which each descends from the one before it (in "
        "between may lie others, beaten since), then champions whose common ancestor is young, "
        "with the generation in which they won their class.",
        "genome": "The network that paints the most confident champion.",
        "ablated": "Figure 10: champions before and after the loss of tiles, of which the next is "
        f"always that which costs the least, as long as {100 * s.hold:.0f} % of the confidence "
        "hold.",
        "ablation": "Their confidence as tiles are removed.",
    }
    yield from (lab.Picture(f"{name}.png", text) for name, text in captions.items())


def notes(s: Settings, found: Mapping[str, Any]) -> list[str]:
    cppn = found["archives"]["cppn"]
    told = [
        found["victim"].note,
        "A generation is a batch of children of pairs of champions, as in the paper's code; its "
        "text varies one image at a time.",
        "Genes of the direct encoding are bytes, not floats: children are rounded to whole grey "
        "levels, so that 1 000 champions take a quarter of the memory. Pixels mutate at a rate of "
        "0.1 by polynomial steps (eta 15), half of the pairs cross, colors are hue, lightness and "
        "saturation, all as in the code.",
        "Medians by generation, the test and the curve show the search's own confidences. Those "
        "at the end and in the galleries are recomputed from the images, which have 8 bits.",
        "The test takes champions as independent, as the paper's does; those of one run descend "
        "from each other.",
        "The paper removes repeated elements by hand; here tiles are removed greedily, each "
        "painted in the image's mean color.",
        f"{cppn.num_full} of {cppn.confidence.size} champions' networks are full and can grow no "
        "more.",
    ]
    ten_crops = "The network sees each image once, whole; the paper's saw ten crops."
    return told if s.whole is not None else [*told, ten_crops]


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"Evolved fooling images for the classes of ImageNet: {title_of(s.network)}",
    source="Nguyen et al. (2015), figures 1 and 6 to 10, sections 3.3 and 3.4",
    agenda=("--network caffenet=FILE",),
    paper="five runs, ten crops, 20 000 x 200 and 5 000 x 400",
)  # fmt: skip
