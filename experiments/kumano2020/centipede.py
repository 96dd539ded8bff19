r"""Kumano et al. (2020), figure 1: ten altered pixels that ResNet50 takes for a centipede.

    python -m experiments kumano2020 centipede paper --network resnet50=resnet50.safetensors

One search of 1 000 candidates over 30 000 generations, on grey; the paper reaches 91 % on
torchvision's ResNet50. `reduced` takes 30 minutes on two cores; an interrupted run resumes from its
last checkpoint. This tells what the search costs on accelerators that you do not have:

    python -m experiments plan --network resnet50 --k 10 --population 1000 --generations 30000 \
        --jobs 1 --lanes 1 --split 8 --topology v5e:2x4
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import jfool
import models
from experiments import lab
from experiments.lab.course import follow, read_course
from experiments.lab.imagenet import NUM_CLASSES, imagenet_names, imagenet_victim, title_of
from experiments.lab.predict import probabilities

CENTIPEDE = 79
PAPER = lab.published(__file__)["centipede"]
ENLARGED = 3
COLUMNS = (
    *("confidence (%)", "after 8-bit rounding (%)", "color alone (%)"),
    *("prediction", "generations", "evaluations"),
)


@lab.settings
class Settings:
    network: lab.ImageNetNetwork = "resnet50"  # NAME=FILE of its weights; NAME alone is untrained
    class_names: lab.ClassNames | None = None  # a JSON list of the 1 000 names; by default numbers
    target: lab.ImageNetClass = CENTIPEDE  # the class to reach
    color: lab.Color = "grey"  # of the image
    k: lab.Pixels = 10  # the most pixels that are altered
    search: lab.Evolution = lab.Evolution(population=1000, generations=30_000, lanes=1, chunk=250)
    precision: lab.Precision = "float32"  # of the network in the search
    side: lab.Side | None = None  # of the images; by default the network's
    split: lab.Lanes = 1  # devices that share the population
    checkpoint_seconds: lab.Seconds = 60.0  # between checkpoints, and between points of the curve


PRESETS = {
    "smoke": lab.preset(
        "seconds; an untrained SqueezeNet on small images",
        "--network squeezenet1_1 --population 8 --generations 6 --side 32 --checkpoint-seconds 0",
    ),
    "reduced": lab.preset(
        "30 minutes on two cores; MobileNetV2, 100 candidates over 999 generations",
        "--network mobilenet_v2_tf --population 100 --generations 999 --chunk 50",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """The image, and the confidence on the way to it."""
    victim = imagenet_victim(s.network, s.side, s.search.seed)
    shape, folder = victim.image_shape, run.folder / "sweep"
    wanted = lab.cells([s.k], [s.color], [s.target], 1, num_classes=NUM_CLASSES, shape=shape)
    found = lab.search(
        run,
        folder.name,
        jfool.SparseFooling(shape, NUM_CLASSES, max_k=s.k, search=s.search.search()),
        models.in_precision(victim.model, jnp.dtype(s.precision)),
        wanted.plus(job_id=[0]),
        s.search,
        split=s.split,
        checkpoint_seconds=s.checkpoint_seconds,
        on_progress=follow(folder, s.search, s.checkpoint_seconds),
    )
    (plain,) = lab.plain_confidences(victim.model, [s.color], shape).values()
    found = in_float32(found, victim.model).plus(plain=[plain[s.target]])
    course = {found["num_steps"][0].item(): found["confidence"][0].item(), **read_course(folder)}
    generations, confidences = zip(*sorted(course.items()), strict=True)
    curve = lab.Records.of(generation=generations, confidence=confidences)
    return {"search": found, "course": curve, "victim": victim}


def in_float32(found: lab.Records, model: models.Network) -> lab.Records:
    """The record of the one image, judged by a network that computes in float32."""
    (image,), (target,) = found["image"], found["target"]
    shares = probabilities(model, np.stack([image, np.rint(image * 255) / 255]))
    prediction = -1 if np.isnan(shares[0]).any() else shares[0].argmax()
    return found.plus(
        confidence=shares[:1, target],
        confidence_uint8=shares[1:, target],
        prediction=[prediction],
        fooled=[prediction == target],
    )


def of_paper(s: Settings) -> bool:
    """Whether it is the image that the paper shows: a centipede of ten pixels on gray."""
    usual = Settings()
    return (s.target, s.color, s.k) == (usual.target, usual.color, usual.k)


def tables(s: Settings, found: Mapping[str, Any]) -> Iterator[lab.Table]:
    """What was reached, beside the paper if it shows the same."""
    names, usual = imagenet_names(s.class_names), Settings().search
    (row,) = found["search"].table.to_pylist()
    prediction = names[row["prediction"]] if row["prediction"] >= 0 else "NaN"
    confidences = [percent(row[name]) for name in ("confidence", "confidence_uint8", "plain")]
    ours = [*confidences, prediction, row["num_steps"], row["num_queries"]]
    paper = [PAPER, None, None, names[s.target], usual.generations, usual.num_queries]
    rows, beside = [names[s.target]], [paper] if of_paper(s) else None
    yield lab.Table("The search", COLUMNS, rows, [ours], beside)


def percent(fraction: float) -> float | int | None:
    """Rounded down as the paper prints it, but small ones in full, as most are on the way."""
    return 100 * fraction if fraction < 0.1 else lab.floored(fraction)


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """The image, large enough for single pixels to be seen, and the course of the search."""
    names = imagenet_names(s.class_names)
    ((image, p, fooled),) = found["search"].columns("image", "confidence", "fooled")
    enlarged = image.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    tile = lab.Tile(enlarged, f"{100 * p:.2f} %", fooled)
    lab.draw_gallery(out / "centipede.png", [("", [tile])], [names[s.target]])
    yield lab.Picture("centipede.png", "The image; its altered pixels are single ones.")
    draw_course(out / "course.png", found["course"], PAPER if of_paper(s) else None)
    yield lab.Picture("course.png", "Confidence of the best candidate, at the checkpoints.")


def draw_course(path: Path, curve: lab.Records, paper: float | None) -> None:
    """Confidence over generations in percent, and a line where the paper ends, if it has one."""
    figure = lab.new_figure(7, 3.5)
    axes = figure.subplots()
    axes.plot(curve["generation"], 100 * curve["confidence"], ".-", color="#1f4e9c")
    if paper is not None:
        axes.axhline(paper, color="grey", linestyle="--", linewidth=1, label=f"paper: {paper:g} %")
        axes.legend(loc="best", fontsize="small")
    axes.set(yscale="log", xlabel="generation", ylabel="confidence (%)")
    lab.save_figure(figure, path)


def notes(s: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    yield found["victim"].note
    yield "The paper does not say what happens to positions outside the image: they are clipped."
    yield (
        "The curve shows the confidence that the search itself computes; the table's is computed "
        "again in float32."
    )
    ours, paper = s.search.num_queries, Settings().search.num_queries
    if ours < paper:
        share = 100 * ours / paper
        yield f"The search evaluates {ours:,} images, {share:.2g} % of the paper's {paper:,}."


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: (
        f"A {s.k}-SFI for {imagenet_names(s.class_names)[s.target]} through {title_of(s.network)}"
    ),
    source=lambda s: f"Kumano et al. (2020), {'' if of_paper(s) else 'as '}figure 1",
    agenda=("--network resnet50=FILE",),
    paper="ResNet50, 1 000 candidates over 30 000 generations",
)  # fmt: skip
