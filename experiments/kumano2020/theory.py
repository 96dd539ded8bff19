"""Kumano et al. (2020), section 4: where the theorems say that sparse fooling images exist.

    python -m experiments kumano2020 theory reduced

Trains the paper's three models without biases on images in [0, 1]: a linear model, a network with
one hidden layer, a kernel machine; for pairs of classes, and for all classes at once. The fewest
pixels that give a class the confidence M are predicted by Theorems 1 to 3, found by differential
evolution, and for linear models also by an integer program that knows nothing of the theorems.
The expected result: evolution never needs fewer pixels than Theorem 1, which agrees with the
program. `reduced` takes ten minutes on two cores.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import jax
import numpy as np
import optax

import jfool
import models
from experiments import lab
from experiments.kumano2020.theory_models import MODELS, only, start, trained
from experiments.kumano2020.theory_report import notes, pictures, tables
from experiments.kumano2020.theory_study import EVOLUTION, PLAIN, evolve, study
from experiments.lab.predict import logits
from experiments.lab.progress import say

GRAY = ("digits", "mnist", "fashion_mnist")


def _pair(name: str, text: str, _: Any) -> None:
    first, _, second = text.partition("-")
    digits = "0123456789"
    if len(first) != 1 or len(second) != 1 or first == second or not {first, second} <= {*digits}:
        raise ValueError(f"{name}: expected two different classes such as 3-8, got {text!r:.60}")


Pairs = Annotated[tuple[Annotated[str, lab.Check(_pair)], ...], lab.distinct]
Digits = Annotated[
    tuple[Annotated[int, lab.between(-1, 9, "numbers from 0 to 9")], ...], lab.distinct
]
Searched = tuple[Annotated[str, lab.one_of(MODELS)], ...]
Positive = Annotated[float, lab.between(0, sys.float_info.max, "a number above 0")]


@lab.settings
class Searches(lab.Evolution):
    """Searches by differential evolution."""

    until: lab.Confidence | None = 0.9  # the confidence M to reach
    seed: lab.Seed = 0  # of the trainings, and of the searches


@lab.settings
class Settings:
    dataset: Annotated[lab.Dataset, lab.one_of(GRAY)] = "mnist"
    pairs: Pairs = ("3-8", "0-1", "4-9", "1-7", "5-6")  # of classes; the first also for the growth
    searched: Searched = tuple(MODELS)  # the models of all classes that evolution searches too
    classes: Digits = tuple(range(10))  # into which these are to be fooled
    hidden: lab.Count = 64  # units of the hidden layer
    widths: tuple[lab.Count, ...] = (16, 256)  # units of further networks, for the growth
    num_steps: lab.Count = 5000  # of Adam at 1e-3, for the linear model and the hidden layer
    kernel_steps: lab.Count = 1000  # of plain gradient descent, for the kernel machine
    kernel_rate: Positive = 1e-3  # its learning rate
    batch_size: lab.Count = 128  # of the trainings
    ks: lab.Ks = tuple(range(1, 17))  # numbers of pixels that evolution tries
    kernel_ks: lab.Ks = (16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96)  # for the kernel machine
    growth_ks: lab.Ks = (1, 2, 4, 8, 16, 32)  # for the growth
    search: Searches = Searches()
    exact_seconds: Annotated[Positive, lab.Technical] = 60.0  # after which a program gives up

    def check(self) -> None:
        if len({frozenset(pair) for pair in self.pairs}) < len(self.pairs):
            got = " ".join(self.pairs)
            raise ValueError(f"pairs: expected one or more different ones, got {got}")
        if len({self.hidden, *self.widths}) <= len(self.widths):
            got = " ".join(map(str, self.widths))
            raise ValueError(f"widths: expected different ones other than {self.hidden}, got {got}")
        if self.search.until in (None, 1.0):
            raise ValueError(f"until: expected a number in (0, 1), got {self.search.until}")


PRESETS = {
    "smoke": lab.preset(
        "seconds; scikit-learn's digits",
        "--dataset digits --pairs 3-8 --searched linear --classes 0 1 --hidden 8 --widths 4 "
        "--num-steps 1000 --kernel-steps 50 --batch-size 32 --ks 1 2 --kernel-ks 2 "
        "--growth-ks 1 2 --exact-seconds 2 --population 8 --generations 3",
    ),
    "reduced": lab.preset(
        "three pairs, small populations",
        "--pairs 3-8 0-1 4-9 --searched linear hidden --kernel-steps 300 "
        "--ks 1 2 3 4 5 6 7 8 9 10 12 --kernel-ks 16 24 32 48 --population 200 --generations 2000",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """What is known of each class of each model, and how the gap grows with k."""
    dataset = models.load_dataset(s.dataset)
    pairs = [only(dataset, (int(pair[0]), int(pair[2]))) for pair in s.pairs]
    two, every = [], []
    for name in MODELS:
        ks = s.kernel_ks if name == "kernel" else s.ks
        options = {"exact_seconds": s.exact_seconds, "ks": ks}
        for data in pairs:
            victim = train(s, name, data)
            two.append(study(run, victim, (0, 1), s.search, kinds=[EVOLUTION], **options))
        kinds = [EVOLUTION, PLAIN] if name == "linear" else [EVOLUTION]
        kinds = kinds if name in s.searched else []
        victim = train(s, name, dataset)
        every.append(study(run, victim, s.classes, s.search, kinds=kinds, **options))
    joined = lab.Records.joined
    return {"pairs": joined(two), "all": joined(every), "curves": growth(s, run, pairs[0])}


def train(s: Settings, name: str, dataset: models.Dataset, hidden: int | None = None) -> lab.Victim:
    """One of the three models; all of a kind alike."""
    start_key, key = jax.random.split(s.search.key)
    shape, names = dataset.image_shape, dataset.class_names
    kernel = name == "kernel"
    model = trained(
        start(name, start_key, int(np.prod(shape)), len(names), hidden or s.hidden),
        optax.sgd(s.kernel_rate) if kernel else optax.adam(1e-3),
        key,
        dataset,
        s.kernel_steps if kernel else s.num_steps,
        s.batch_size,
    )
    correct = logits(model, dataset.test_images).argmax(1) == dataset.test_labels
    say(f"{dataset.name}, {MODELS[name]}: test accuracy {correct.mean():.1%}")
    card = {"dataset": dataset.name, "accuracy": float(correct.mean()), "class_names": names}
    return lab.Victim(name, model, card, shape, len(names))


def growth(s: Settings, run: lab.Run, pair: models.Dataset) -> lab.Records:
    """For each model and k the gap that its certificate reaches for the second class, on black; and
    for some k the one that evolution finds, which climbs the gap itself."""
    curves = []
    widths: Mapping[str, Sequence[int]] = {"hidden": (s.hidden, *s.widths)}
    for name, label in MODELS.items():
        for width in widths.get(name, (s.hidden,)):
            victim = train(s, name, pair, width)
            bound = np.asarray(victim.model.certificates(1).log_odds[-1])  # on black
            found = np.full(len(bound), np.nan)
            if width == s.hidden:
                reached = evolve(
                    run, f"searches/growth_{name}", victim, lab.changed(s.search, until=None),
                    EVOLUTION, s.growth_ks, ["black"], (1,), objective=jfool.Margin(),
                )  # fmt: skip
                outputs = logits(victim.model, reached["image"])
                found[reached["k"]] = outputs[:, 1] - outputs[:, 0]
            curves.append(
                lab.Records.of(
                    model=[name] * len(bound),
                    label=f"{width} hidden units" if name == "hidden" else label,
                    k=np.arange(len(bound)),
                    bound=bound,
                    found=found,
                )
            )
    return lab.Records.joined(curves)


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title="Where sparse fooling images exist: Theorems 1 to 3 on {dataset}",
    source="Kumano et al. (2020), section 4",
    paper="populations and generations of the paper; hours",
)  # fmt: skip
