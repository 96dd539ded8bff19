"""What the theorems say of a trained model, class by class, and what searches find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from experiments import lab
from experiments.kumano2020.theory_exact import NEVER, exact_smallest_k
from experiments.kumano2020.theory_models import Linear
from experiments.lab.predict import probabilities
from jfool import theory

EVOLUTION, PLAIN = "evolution", "evolution of sec. 3.1"
# The logits of these models are sums over pixels or over pairs of them, so that genes are good or bad
# by themselves; with crossover a good pixel is not lost when the others change.
SEARCHES: Mapping[str, Mapping[str, Any]] = {
    EVOLUTION: {"crossover_rate": 0.2, "mutant": "best"},
    PLAIN: {},
}


@dataclass(frozen=True, eq=False)
class Fewest:
    """The fewest pixels that give a class the confidence M.

    Attributes:
      k: their number; 0 where a color alone does it, -1 where nothing did.
      image: `[H, W, C]` of the highest confidence with so many, or of all where nothing did.
      confidence: its.
    """

    k: int
    image: np.ndarray
    confidence: float


@dataclass(frozen=True, eq=False)
class Study:
    """A class of a model. Numbers of pixels: -1 for "no k does it", None for "nothing is said".

    Attributes:
      model: its name.
      class_names: of all its classes.
      target: the class.
      accuracy: on test images.
      lower: fewer pixels cannot do it; linear models only.
      printed: by the paper's choice of the branch; linear models of two classes only.
      exact: by integer programs; linear models only.
      certificate: of the theorems; where none does it, with as many pixels as help.
      error: the largest difference of predicted and measured confidence, over all k.
      evolved: by differential evolution, for every kind of search that was made.
    """

    model: str
    class_names: Sequence[str]
    target: int
    accuracy: float
    lower: int | None
    printed: int | None
    exact: int | None
    certificate: Fewest
    error: float
    evolved: Mapping[str, Fewest]


def studies(
    run: lab.Run,
    victim: lab.Victim,
    targets: Sequence[int],
    search: lab.Evolution,
    *,
    exact_seconds: float,
    kinds: Sequence[str],
    ks: Sequence[int],
) -> list[Study]:
    """Everything about some classes of a model, for the confidence at which `search` ends.

    A linear model is best fooled on black or on white (Theorem 1), so evolution tries both; of the
    others the theorems speak on black.
    """
    confidence = search.until or 1.0
    colors = ["black", "white"] if isinstance(victim.model, Linear) else ["black"]
    prefix = f"searches/{victim.card['dataset']}_{victim.name}"
    searched = {}
    for kind in kinds:
        name = f"{prefix}_{kind}".replace(" ", "_")
        searched[kind] = evolve(run, name, victim, search, kind, ks, colors, targets)
    return [
        Study(
            model=victim.name,
            class_names=victim.card["class_names"],
            target=target,
            accuracy=victim.accuracy,
            **predict(victim, target, confidence, exact_seconds),
            evolved={
                kind: fewest(of.where(target=target), confidence) for kind, of in searched.items()
            },
        )
        for target in targets
    ]


def predict(
    victim: lab.Victim, target: int, confidence: float, exact_seconds: float
) -> dict[str, Any]:
    """By the theorems, by showing the certificates for every k to the model, and exactly."""
    model = victim.model
    sfis = model.certificates(target)
    images = np.asarray(jax.vmap(sfis.image)(jnp.arange(len(sfis.bound))))
    images = images.reshape(-1, *victim.image_shape)
    measured = probabilities(model, images)[:, target]
    upper = int(sfis.smallest_k(confidence))  # -1 is the last one
    known = dict.fromkeys(("lower", "printed", "exact"))
    if isinstance(model, Linear):
        W = np.asarray(model.W, np.float64)
        known["lower"] = int(theory.linear_bounds_on_k(model.W, target, confidence)[0])
        two = len(W) == 2
        if two:
            delta = model.W[target] - model.W[1 - target]
            known["printed"] = int(theory.linear(delta, paper_branch=True).smallest_k(confidence))
        # For two classes the program is told nothing of the theorem.
        deltas = W[target] - np.delete(W, target, axis=0)
        known["exact"] = exact_smallest_k(deltas, confidence, exact_seconds, None if two else upper)
    predicted = np.asarray(jax.nn.sigmoid(sfis.bound))
    return {
        **known,
        "certificate": Fewest(upper, images[upper], float(measured[upper])),
        "error": float(np.abs(measured - predicted).max()),
    }


def evolve(
    run: lab.Run,
    name: str,
    victim: lab.Victim,
    search: lab.Evolution,
    kind: str,
    ks: Sequence[int],
    colors: Sequence[str],
    targets: Sequence[int],
    **options: Any,
) -> lab.Records:
    """One search for every k, base color and class, of a kind of `SEARCHES`."""
    attack = jfool.SparseFooling(
        victim.image_shape,
        victim.num_classes,
        max_k=max(ks),
        search=search.search(**SEARCHES[kind]),
        **options,
    )
    grid = {"ks": ks, "colors": colors, "classes": targets, "name": name}
    return lab.search_grid(run, victim, search, attack=attack, **grid)


def fewest(found: lab.Records, confidence: float) -> Fewest:
    """Of the searches for one class, which end at the confidence, and of their colors alone."""
    i = int(found["plain"].argmax())
    if found["plain"][i] >= confidence:
        image = np.broadcast_to(found["base"][i], found["image"][i].shape)
        return Fewest(0, image, float(found["plain"][i]))
    hits = found.where(success=True)
    k = int(hits["k"].min()) if len(hits) else NEVER
    best = found.where(k=k) if len(hits) else found
    i = int(best["confidence"].argmax())
    return Fewest(k, best["image"][i], float(best["confidence"][i]))
