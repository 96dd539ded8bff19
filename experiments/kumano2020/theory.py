"""Section 4 of paper 000: where the theorems say that fooling images exist, and where they are.

Trains the paper's three models without biases on images in [0, 1]: a linear model, a network with
one hidden layer, a kernel machine; for pairs of classes, and for all classes at once. The fewest
pixels that give a class the confidence M are predicted by Theorems 1 to 3, found by differential
evolution, and for linear models also by an integer program that knows nothing of the theorems.

    python -m experiments theory reduced
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

import models
from experiments.kumano2020.theory_config import PRESETS, Config, check
from experiments.kumano2020.theory_growth import Curve, draw_growth
from experiments.kumano2020.theory_models import MODELS, Model, logits_of, only, start, trained
from experiments.kumano2020.theory_search import BLACK, Crossed, evolve
from experiments.kumano2020.theory_study import Study, study
from experiments.kumano2020.theory_tables import (
    CROSSED,
    PLAIN,
    classes_table,
    draw_certificates,
    growth_table,
    notes,
    pairs_table,
)
from experiments.lab.progress import say
from experiments.lab.search import Search
from experiments.lab.section import Picture, Section, publish
from experiments.lab.shown import command, preset_name, shown_settings
from jfool import theory

__all__ = ["PRESETS", "Config", "main"]


def main(config: Config) -> None:
    """Writes the section; the last line on standard output is JSON."""
    pairs = check(config)
    dataset = models.load_dataset(config.dataset)
    classes = tuple(range(10)) if config.classes is None else config.classes
    of_pairs = [only(dataset, pair) for pair in pairs]
    studies = {
        name: [_study(config, name, data, (0, 1), [CROSSED]) for data in of_pairs]
        for name in MODELS
    }
    kinds: dict[str, list[str]] = {name: [CROSSED] for name in config.searched}
    if "linear" in kinds:
        kinds["linear"].append(PLAIN)
    of_all = [_study(config, name, dataset, classes, kinds.get(name, [])) for name in MODELS]
    linear, hidden, kernel = (
        _curve(config, name, _label(config, name), of_pairs[0], evolved=True) for name in MODELS
    )
    widths = [dataclasses.replace(config, hidden=width) for width in config.widths]
    wider = [
        _curve(other, "hidden", _label(other, "hidden"), of_pairs[0], evolved=False)
        for other in widths
    ]
    curves = [linear, hidden, *wider, kernel]

    gap = float(theory.log_odds_of(config.confidence))
    draw_growth(config.out / "growth.png", curves, gap, config.confidence)
    draw_certificates(config.out / "certificates.png", of_all)
    reached, other = of_pairs[0].class_names[1], of_pairs[0].class_names[0]
    section = Section(
        name="theory",
        title=f"Where sparse fooling images exist: Theorems 1 to 3 on {config.dataset}",
        source="paper 000, section 4",
        preset=preset_name(config, PRESETS["paper"][1]),
        command=command("theory", config, PRESETS[config.preset][1]),
        settings=shown_settings(config),
        tables=[
            pairs_table(studies, config.confidence),
            classes_table(of_all, config.confidence),
            growth_table(curves, config.growth_ks),
        ],
        pictures=[
            Picture(
                "growth.png",
                f"The gap that k white pixels on black reach for {reached} against {other}: bounds "
                "of the theorems, and what evolution found. The paper's orders of growth are k for "
                "the linear model, D_h k for the hidden layer, k^2 for the kernel machine.",
            ),
            Picture(
                "certificates.png",
                "Images that the theorems construct, and those that evolution found, with their "
                "number of altered pixels and measured confidence. Without the pixels the black "
                "ones have a confidence of 1 / K.",
            ),
        ],
        notes=notes(studies, of_all, _assumptions(config)),
        data={"curves": {curve.label: curve.bound.round(4) for curve in curves}},
    )
    publish(section, config.out)


def _trained(config: Config, name: str, dataset: models.Dataset) -> Model:
    num_classes = len(dataset.class_names)
    start_key, key = jax.random.split(jax.random.key(config.seed, impl="threefry2x32"))
    kernel = name == "kernel"
    return trained(
        start(name, start_key, dataset.train_images[0].size, num_classes, config.hidden),
        optax.sgd(config.kernel_rate) if kernel else optax.adam(1e-3),
        key,
        dataset,
        config.kernel_steps if kernel else config.num_steps,
        config.batch_size,
    )


def _search(config: Config, kind: str) -> Search:
    return {CROSSED: Crossed, PLAIN: Search}[kind](
        population=config.population,
        generations=config.generations,
        until=config.confidence,
        seed=config.seed,
        lanes=config.lanes,
    )


def _study(
    config: Config, name: str, dataset: models.Dataset, labels: Sequence[int], kinds: Sequence[str]
) -> Study:
    model = _trained(config, name, dataset)
    found = study(
        name,
        model,
        dataset,
        labels,
        confidence=config.confidence,
        exact_seconds=config.exact_seconds,
        searches={kind: _search(config, kind) for kind in kinds},
        ks=config.kernel_ks if name == "kernel" else config.ks,
        folder=config.out / "searches",
    )
    say(f"{dataset.name}, {MODELS[name]}: test accuracy {found.accuracy:.1%}")
    return found


def _label(config: Config, name: str) -> str:
    return f"{config.hidden} hidden units" if name == "hidden" else MODELS[name]


def _curve(
    config: Config, name: str, label: str, dataset: models.Dataset, *, evolved: bool
) -> Curve:
    """Of class 1 of two, on black; evolution climbs the gap itself."""
    model = _trained(config, name, dataset)
    bound = np.asarray(model.certificates(1).log_odds[-1])  # on black
    if not evolved:
        return Curve(name, label, bound, {})
    search = dataclasses.replace(_search(config, CROSSED), until=None, objective="margin")
    folder = config.out / "searches" / f"growth_{name}"
    found = evolve(search, model, dataset, (1,), [BLACK], config.growth_ks, folder)
    logits = np.asarray(logits_of(model, jnp.asarray(found.images)))
    gaps = (logits[:, 1] - logits[:, 0]).tolist()
    return Curve(name, label, bound, dict(zip([r.k for r in found.rows], gaps, strict=True)))


def _assumptions(config: Config) -> str:
    return (
        f"Models, our choice (the paper trains none): images in [0, 1], no biases, {config.hidden} "
        f"hidden units, Adam (rate 1e-3, {config.num_steps} steps of {config.batch_size} images); "
        f"the kernel machine by plain gradient descent on its dual (rate {config.kernel_rate:g}, "
        f"{config.kernel_steps} steps). Evolution tried k = {', '.join(map(str, config.ks))} "
        f"(kernel machine: {', '.join(map(str, config.kernel_ks))}) with {config.population} "
        f"candidates and up to {config.generations} generations, for the linear model on black and "
        "on white, for the others on black. It mutates the fittest and keeps 80 % of the genes "
        f"(crossover rate 0.2); '{PLAIN}' is the paper's own search, which does neither."
    )
