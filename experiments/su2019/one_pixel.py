"""Paper 004, one-pixel attack: photographs that a pixel, or three or five, turn into another class.

    python -m experiments one_pixel paper --networks nin allconv cifar_vgg16=vgg16.safetensors

Su et al. (2019): correctly classified test images, each driven to all nine other classes by
differential evolution (400 candidates, at most 100 generations, until 90 % confidence). An image
counts as fooled untargeted when any of its nine attacks succeeds.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

import jfool
import models
from experiments.lab import section
from experiments.lab.judging import probabilities
from experiments.lab.progress import sweep_progress
from experiments.lab.shown import check_least, check_pixels, command, preset_name, shown_settings
from experiments.lab.victims import check_seed, check_specs, split_spec, victim_of
from experiments.su2019.one_pixel_report import (
    RATE_LABELS,
    Attacks,
    galleries,
    pictures,
    rates_of,
    table,
)
from experiments.su2019.photographs import choose, job_ids, parts


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      networks: NAME=FILE, or NAME to train it or take it from the cache.
      dataset: digits (needs no download), mnist, fashion_mnist or cifar10.
      training_seed: of the networks.
      num_images: test images for each network, drawn from those that it classifies correctly.
      ks: the most pixels that are altered.
      population, generations: of each search.
      until: a search ends at this confidence.
      seed: of the choice of images, and of the searches.
      show_natural: draw images before and behind; both belong to the data set.
      lanes: searches side by side.
      chunk: images per call of the network; by default as many as `population`.
      out: folder of the section and of the sweeps, which go on when started again.
    """

    networks: tuple[str, ...] = ("allconv", "nin", "cifar_vgg16")
    dataset: str = "cifar10"
    training_seed: int = 0
    num_images: int = 500
    ks: tuple[int, ...] = (1, 3, 5)
    population: int = 400
    generations: int = 100
    until: float = 0.9
    seed: int = 0
    show_natural: bool = True
    lanes: int = 9
    chunk: int | None = None
    out: Path = Path("runs/one_pixel")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP on scikit-learn's digits",
        Config(
            networks=("mlp",),
            dataset="digits",
            num_images=2,
            ks=(1, 5),
            population=8,
            generations=10,
            preset="smoke",
        ),
    ),
    "reduced": (
        "the paper's searches, for ten images, with one pixel and with five",
        Config(networks=("cifar_resnet20",), num_images=10, ks=(1, 5), preset="reduced"),
    ),
    "paper": ("the paper's: 500 images, nine targets, up to 40 400 evaluations", Config()),
}


def main(config: Config) -> None:
    """Attacks, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    found, accuracy = {}, {}
    for spec in config.networks:
        name, _ = split_spec(spec)
        model, card = victim_of(spec, dataset, config.training_seed)
        found[name] = attacked(config, name, model, dataset)
        accuracy[name] = card["accuracy"]
    rates = {
        (name, k): rates_of(attacks.of(k)) for name, attacks in found.items() for k in config.ks
    }
    shown = found, config.ks, dataset.class_names, config.out
    section.publish(
        section.Section(
            name=f"one_pixel_{config.dataset}",
            title=f"One-pixel attack on {config.dataset}",
            source="paper 004, One Pixel Attack (Su et al.)",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("one_pixel", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=[table(rates, accuracy, config.dataset)],
            pictures=pictures(*shown) + (galleries(*shown) if config.show_natural else []),
            notes=notes(config, found, len(dataset.test_images)),
            data={
                "rates": [
                    {"network": name, "k": k, **vars(rate)} for (name, k), rate in rates.items()
                ],
                "num_queries": {
                    name: int(attacks.num_queries.sum()) for name, attacks in found.items()
                },
            },
        ),
        config.out,
    )


def attacked(config: Config, name: str, model: models.Network, dataset: models.Dataset) -> Attacks:
    """Every chosen image with every k, driven to every other class."""
    num_classes = len(dataset.class_names)
    key = jax.random.key(config.seed, impl="threefry2x32")
    images = dataset.test_images.astype(np.float32) / np.float32(255)
    predicted = probabilities(model, images)
    chosen = choose(key, predicted.argmax(1) == dataset.test_labels, config.num_images)
    if not len(chosen):
        raise ValueError(f"networks: expected one that classifies any image, got {name}")
    if len(chosen) < config.num_images:
        raise ValueError(
            f"num_images: expected at most the {len(chosen)} test images of {config.dataset} that "
            f"{name} classifies correctly, got {config.num_images}"
        )
    ids = job_ids(chosen, dataset.test_labels, num_classes, config.ks)
    k, image, target = parts(ids, num_classes)
    attack = jfool.OnePixel(
        dataset.image_shape,
        num_classes,
        max_k=max(config.ks),
        search=jfool.DifferentialEvolution(population_size=config.population),
    )
    with sweep_progress(name) as on_progress:
        results = jfool.sweep(
            key,
            attack,
            model,
            jfool.SparseJob(label=target, base=images[image], k=k),
            num_steps=config.generations,
            until=jfool.confident(config.until),
            folder=config.out / "searches" / name,
            lanes=min(config.lanes, len(ids)),
            chunk=config.population if config.chunk is None else config.chunk,
            job_ids=ids,
            on_progress=on_progress,
        )
    k, image, target = parts(results.column("job_id"), num_classes)
    return Attacks(
        k=k,
        image=image,
        label=dataset.test_labels[image],
        target=target,
        prediction=results.column("prediction"),
        confidence=results.column("confidence"),
        num_queries=results.column("num_queries"),
        natural=images[image],
        attacked=results.images(attack, jfool.SparseJob),
        before=predicted.max(1)[image],
    )


def notes(config: Config, found: dict[str, Attacks], num_test_images: int) -> list[str]:
    """What is measured, and what differs from the paper."""
    numbers = {name: attacks.num_images for name, attacks in found.items()}
    texts = [
        "Attacks on "
        + ", ".join(f"{number} images of {name}" for name, number in numbers.items())
        + ", drawn at random from the test images that the network classifies correctly.",
        "Success is the prediction of the target, however confident; confidence is the target's, "
        f"over the successes. Accuracy is that on {num_test_images} test images.",
        "Intervals are Wilson's, 95 %, with the images as units, also for targeted attacks: the "
        "nine of an image are not independent, and taken as one, which makes the interval wide.",
        "What becomes of positions that leave the image is left open: they are clipped.",
    ]
    paper = Config()
    if config.num_images < paper.num_images:
        texts.append(f"{config.num_images} images for each network instead of 500.")
    if (config.population, config.generations) != (paper.population, paper.generations):
        texts.append(
            f"{config.population} candidates over {config.generations} generations instead of 400 "
            "over 100."
        )
    if config.dataset == "cifar10":
        texts.append(
            "The slides do not name the network attacked with three and five pixels, nor explain "
            f"its row Rate/Labels ({RATE_LABELS[3]} and {RATE_LABELS[5]} %), which is left out; "
            "BVLC's is the one on ImageNet, attacked untargeted."
        )
    return texts


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_specs(config.networks, config.dataset)
    check_least(
        config, {"num_images": 1, "population": 4, "generations": 0, "lanes": 1, "chunk": 1}
    )
    check_seed(config.seed)
    check_seed(config.training_seed, "training_seed")
    ks = config.ks
    if not ks or len(set(ks)) < len(ks) or min(ks) < 1:
        raise ValueError(f"ks: expected one or more different numbers from 1 on, got {ks}")
    check_pixels("ks", max(ks), config.dataset)
    if not 0 < config.until <= 1:
        raise ValueError(f"until: expected a confidence in (0, 1], got {config.until}")
