"""Paper 001, figures 1 and 6 to 10: images that evolve for all 1 000 classes of ImageNet at once.

    python -m experiments evolved_imagenet paper --network caffenet=caffenet.safetensors

One archive holds a champion for each class. Genes are bytes of pixels ("direct"), or a small
network that grows and paints ("cppn"). What they reach is compared, over the classes and at equal
cost; relatives among the champions are shown, and parts of some are taken away while the network
stays sure of them. An interrupted run goes on where it was.
"""

from collections.abc import Mapping

import jax
import numpy as np

import models
from experiments.lab import section
from experiments.lab.imagenet import (
    NUM_CLASSES,
    ImageNetVictim,
    imagenet_names,
    imagenet_victim,
)
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.nguyen2015 import ablated
from experiments.nguyen2015.archives import Archives, evolve_archives
from experiments.nguyen2015.genome_graph import draw_genome
from experiments.nguyen2015.imagenet_config import METHODS, PRESETS, Config, check, images_shown
from experiments.nguyen2015.imagenet_figures import (
    caption_of,
    diverse_cells,
    draw_best,
    draw_growth,
    draw_heat_map,
    draw_kin,
    draw_runs,
)
from experiments.nguyen2015.imagenet_tables import comparison, dip, medians


def main(config: Config) -> None:
    """Evolves, draws, and publishes the section."""
    check(config)
    names = imagenet_names(config.class_names)
    victim = imagenet_victim(config.network, config.side, config.seed)
    model = victim.model
    if config.whole is not None:
        model = models.TenCrop(model, (config.whole, config.whole, 3))
        model.eval()
    populations = dict(zip(METHODS, config.populations, strict=True))
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
        for method, generations in zip(METHODS, config.generations, strict=True)
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
            preset=preset_name(config, PRESETS["paper"][1]),
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


def _draw(
    config: Config, found: Mapping[str, Archives], names: tuple[str, ...]
) -> list[section.Picture]:
    """The figures of both encodings, and of the CPPNs alone."""
    cppn, out = found["cppn"], config.out
    populations = dict(zip(METHODS, config.populations, strict=True))
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
    of_paper = images_shown(paper)
    counts = [
        ("classes", len(cppn.labels), NUM_CLASSES),
        ("runs", config.runs, paper.runs),
        *(
            (f"images shown to a run, {text}", ours, of_paper[text])
            for text, ours in images_shown(config).items()
        ),
    ]
    smaller = [f"{ours:,} of {theirs:,} {what}" for what, ours, theirs in counts if ours < theirs]
    if smaller:
        notes.append(f"Smaller than in the paper: {'; '.join(smaller)}.")
    return notes
