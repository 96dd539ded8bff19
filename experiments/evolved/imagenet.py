"""Paper 001, figures 1 and 6 to 10: images that evolve for all 1 000 classes of ImageNet at once.

    python -m experiments evolved_imagenet paper --network caffenet=caffenet.safetensors

One archive holds a champion for each class. Genes are bytes of pixels ("direct"), or a small
network that grows and paints ("cppn"). What they reach is compared, over the classes and at equal
cost; relatives among the champions are shown, and parts of some are taken away while the network
stays sure of them. An interrupted run goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

import models
from experiments import section
from experiments.evolved import ablated
from experiments.evolved.archives import Archives, evolve_archives
from experiments.evolved.genome_graph import draw_genome
from experiments.evolved.imagenet_figures import (
    caption_of,
    diverse_cells,
    draw_best,
    draw_growth,
    draw_heat_map,
    draw_kin,
    draw_runs,
)
from experiments.evolved.imagenet_tables import comparison, dip, medians
from experiments.evolved.methods import TEXTS
from experiments.sparse.imagenet_network import (
    NUM_CLASSES,
    ImageNetVictim,
    check_network,
    imagenet_names,
    imagenet_victim,
)
from experiments.sparse.shown import check_least, command, shown_settings
from experiments.victims import check_seed, split_spec

_METHODS = ("direct", "cppn")
_PAPER_RUNS = 5


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      every: every which class has a cell, from class 0 on.
      whole: side of the images in pixels, of which the network sees ten crops; None: it sees images
        of its own size, once.
      side: of what the network sees, in pixels; by default its own.
      populations: children per generation, direct and CPPN.
      generations: behind the start, direct and CPPN.
      marks: generations at which the table looks.
      runs: of each encoding; they differ in their draws.
      relatives: classes of figure 9, lizards and toy dogs.
      shown: images in a row of the galleries.
      ablated: champions whose parts are taken away.
      tiles: that an image is cut into for that, along each side.
      hold: share of its confidence that an image keeps meanwhile.
      seed: of the draws, and of random weights.
      lanes: runs side by side.
      chunk: images per call of the network, ten crops counting as one.
      out: folder of the section and of the sweeps.
    """

    network: str = "caffenet"
    class_names: Path | None = None
    every: int = 1
    whole: int | None = 256
    side: int | None = None
    populations: tuple[int, int] = (200, 400)
    generations: tuple[int, int] = (20_000, 5_000)
    marks: tuple[int, ...] = (1_000, 5_000, 20_000)
    runs: int = _PAPER_RUNS
    relatives: tuple[int, ...] = (40, 46, 47, 153, 154, 155)
    shown: int = 8
    ablated: int = 8
    tiles: int = 8
    hold: float = 0.9
    seed: int = 0
    lanes: int = 1
    chunk: int = 100
    out: Path = Path("runs/evolved_imagenet")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; ten classes of an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            every=100,
            whole=None,
            side=32,
            populations=(8, 8),
            generations=(6, 6),
            marks=(3, 6),
            runs=2,
            relatives=(0, 100, 200),
            shown=4,
            ablated=2,
            tiles=3,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 25 minutes on two cores: two runs of 16 100 images of each encoding, one crop",
        Config(
            network="squeezenet1_1",
            whole=None,
            populations=(100, 100),
            generations=(160, 160),
            marks=(40, 80, 160),
            runs=2,
            ablated=6,
            tiles=6,
            chunk=50,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: five runs, ten crops, 20 000 x 200 and 5 000 x 400", Config()),
}


def main(config: Config) -> None:
    """Evolves, draws, and publishes the section."""
    check(config)
    victim = imagenet_victim(config.network, config.side, config.seed)
    names = imagenet_names(config.class_names)
    model = victim.model
    if config.whole is not None:
        model = models.TenCrop(model, (config.whole, config.whole, 3))
        model.eval()
    populations = dict(zip(_METHODS, config.populations, strict=True))
    found = {
        method: evolve_archives(
            method,
            model,
            model.image_shape,
            np.arange(0, NUM_CLASSES, config.every),
            population=populations[method],
            generations=generations,
            runs=config.runs,
            seed=config.seed,
            lanes=config.lanes,
            chunk=config.chunk,
            folder=config.out / method,
        )
        for method, generations in zip(_METHODS, config.generations, strict=True)
    }
    cells = diverse_cells(found["cppn"], config.ablated)
    left = ablated.ablated(model, found["cppn"], 0, cells, side=config.tiles, hold=config.hold)
    pictures = _draw(config, found, names)
    pictures += _draw_ablated(config, left, names)
    section.publish(
        section.Section(
            name="evolved_imagenet",
            title=f"Evolved fooling images for the classes of ImageNet: {victim.title}",
            source="paper 001, figures 1 and 6 to 10, sections 3.3 and 3.4",
            preset=config.preset,
            command=command("evolved_imagenet", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[
                medians(found, config.marks),
                comparison(found, populations),
                dip(found),
                ablated.ablation_table(left, names, config.hold),
            ],
            pictures=pictures,
            notes=_notes(config, victim, found),
            data={
                "labels": found["cppn"].labels.tolist(),
                "confidence": {m: runs.confidence.tolist() for m, runs in found.items()},
                "prediction": {m: runs.prediction.tolist() for m, runs in found.items()},
                "ablated": {str(one.label): one.confidence.tolist() for one in left},
            },
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    check_seed(config.seed)
    least = {"every": 1, "runs": 1, "shown": 1, "ablated": 1, "tiles": 1, "lanes": 1, "chunk": 1}
    check_least(config, least)
    sees = config.side or models.ARCHITECTURES[split_spec(config.network)[0]].image_shape[0]
    if config.whole is not None and config.whole < sees:
        raise ValueError(
            f"whole: expected at least the {sees} pixels that the network sees, got {config.whole}"
        )
    if any(population < 2 or population % 2 for population in config.populations):
        raise ValueError(f"populations: expected even numbers, got {config.populations}")
    if any(generations < 1 for generations in config.generations):
        raise ValueError(f"generations: expected numbers of at least 1, got {config.generations}")
    longest = max(config.generations)
    if not config.marks or not all(0 <= mark <= longest for mark in config.marks):
        raise ValueError(f"marks: expected generations up to {longest}, got {config.marks}")
    cells = range(0, NUM_CLASSES, config.every)
    if not config.relatives or not all(label in cells for label in config.relatives):
        raise ValueError(
            f"relatives: expected classes that have a cell (every {config.every}), "
            f"got {config.relatives}"
        )
    if config.ablated > len(cells):
        raise ValueError(f"ablated: expected at most {len(cells)} classes, got {config.ablated}")
    if not 0 <= config.hold <= 1:
        raise ValueError(f"hold: expected a share in [0, 1], got {config.hold}")


def _draw(
    config: Config, found: Mapping[str, Archives], names: tuple[str, ...]
) -> list[section.Picture]:
    """The figures of both encodings, and of the CPPNs alone."""
    cppn, out = found["cppn"], config.out
    populations = dict(zip(_METHODS, config.populations, strict=True))
    run, cell = np.unravel_index(cppn.confidence.argmax(), cppn.confidence.shape)
    relatives = np.searchsorted(cppn.labels, config.relatives).tolist()
    draw_heat_map(out / "heat_map.png", found)
    draw_growth(out / "growth.png", found, populations)
    draw_best(out / "best.png", found, names, config.shown)
    draw_runs(out / "diversity.png", cppn, diverse_cells(cppn, config.shown), names)
    draw_runs(out / "relatives.png", cppn, relatives, names)
    draw_kin(out / "kin.png", cppn, int(run), names, config.shown)
    title = caption_of(names[cppn.labels[cell]], float(cppn.confidence[run, cell]))
    draw_genome(
        out / "genome.png",
        jax.tree.map(lambda leaf: leaf[0], cppn.genotypes(int(run), [cell])),
        cppn.attack.encoding.colors,
        title.replace("\n", ", "),
    )
    return [
        section.Picture(
            "heat_map.png",
            "Figures 6 and 7: confidence of the champions over the classes, a row for each run, "
            "and the runs' median; the band of dogs and cats is shaded.",
        ),
        section.Picture("growth.png", "Confidence over the images that a run was shown."),
        section.Picture("best.png", "Figure 1: the most confident champions, each class once."),
        section.Picture(
            "diversity.png",
            "Figure 8: the champions of several runs (down) for the classes (across) of which the "
            "least sure run is surest.",
        ),
        section.Picture(
            "relatives.png", "Figure 9: champions for related classes (across), by run (down)."
        ),
        section.Picture(
            "kin.png",
            f"Of run {run + 1}: champions of which each descends from the one before it (in "
            "between may lie others, beaten since), then champions whose common ancestor is young, "
            "with the generation in which they won their class.",
        ),
        section.Picture("genome.png", "The network that paints the most confident champion."),
    ]


def _draw_ablated(
    config: Config, left: list[ablated.Ablated], names: tuple[str, ...]
) -> list[section.Picture]:
    ablated.draw_ablated(config.out / "ablated.png", left, names)
    ablated.draw_courses(config.out / "ablation.png", left, names)
    return [
        section.Picture(
            "ablated.png",
            f"Figure 10: champions before and after the loss of tiles, in an order that keeps "
            f"{100 * config.hold:.0f} % of their confidence the longest that greed can.",
        ),
        section.Picture("ablation.png", "Their confidence on the way."),
    ]


def _images_shown(config: Config) -> dict[str, int]:
    """To a run, by encoding."""
    return {
        TEXTS[method]: population * (generations + 1)
        for method, population, generations in zip(
            _METHODS, config.populations, config.generations, strict=True
        )
    }


def _notes(config: Config, victim: ImageNetVictim, found: Mapping[str, Archives]) -> list[str]:
    paper = PRESETS["paper"][1]
    cppn = found["cppn"]
    notes = [
        victim.note,
        "The paper attacks CaffeNet.",
        "A generation is a batch of children of pairs of champions, as in the paper's code; its "
        "text varies one image at a time.",
        "Genes of the direct encoding are bytes, not floats: children are rounded to whole grey "
        "levels, so that 1 000 champions take a quarter of the memory. Pixels mutate at a rate of "
        "0.1 by polynomial steps (eta 15), half of the pairs cross, colours are hue, lightness and "
        "saturation, all as in the code.",
        "Medians by generation, the test and the curve are the search's own confidences; what "
        "stands at the end, and the galleries, are computed anew from the images, which are of 8 "
        "bits.",
        "The test takes champions as independent, as the paper's does; those of one run descend "
        "from each other.",
        "The paper removes repeated elements by hand; here tiles go greedily, each painted in the "
        "image's mean colour.",
        f"{cppn.num_full} of {cppn.confidence.size} champions' networks are full and can grow no "
        "more.",
    ]
    if config.whole is None:
        notes.append("The network sees each image once, whole; the paper's saw ten crops.")
    of_paper = _images_shown(paper)
    counts = [
        ("classes", len(cppn.labels), NUM_CLASSES),
        ("runs", config.runs, paper.runs),
        *(
            (f"images shown to a run, {text}", ours, of_paper[text])
            for text, ours in _images_shown(config).items()
        ),
    ]
    smaller = [f"{ours:,} of {theirs:,} {what}" for what, ours, theirs in counts if ours < theirs]
    if smaller:
        notes.append(f"Smaller than in the paper: {'; '.join(smaller)}.")
    return notes
