"""The fewest pixels that fool a trained model: what theorems say, and what searches find."""

from collections.abc import Iterator, Mapping, Sequence
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

CERTIFICATE, LOWER, PRINTED, EXACT = "certificate", "lower bound", "printed rule", "exact"
EVOLUTION, PLAIN = "evolution", "evolution of sec. 3.1"
# The logits of these models are sums over pixels or over pairs of them, so that genes are good or
# bad by themselves; with crossover a good pixel is not lost when the others change.
SEARCHES: Mapping[str, Mapping[str, Any]] = {
    EVOLUTION: {"crossover_rate": 0.2, "mutant": "best"},
    PLAIN: {},
}


def study(
    run: lab.Run,
    victim: lab.Victim,
    targets: Sequence[int],
    search: lab.Evolution,
    *,
    exact_seconds: float,
    kinds: Sequence[str],
    ks: Sequence[int],
) -> lab.Records:
    """The fewest pixels that reach the confidence at which `search` ends.

    A linear model is best fooled on black or on white (Theorem 1), so evolution tries both; of the
    others the theorems speak on black.

    Returns:
      For each class a record for each theorem and kind of search that says something (`by`): `k`, 0
      where a color alone does it, -1 where nothing does; the best `image` with so many, or of all
      where nothing does, and its `confidence`; of certificates the largest `error` of predicted
      confidences over all k.
    """
    confidence = search.until or 1.0
    colors = ["black", "white"] if isinstance(victim.model, Linear) else ["black"]
    prefix = f"searches/{victim.card['dataset']}_{victim.name}"
    searched = {
        kind: evolve(
            run, f"{prefix}_{kind}".replace(" ", "_"), victim, search, kind, ks, colors, targets
        )
        for kind in kinds
    }
    rows = []
    for target in targets:
        rows += [
            {"target": target, "by": kind, "error": np.nan, **fewest(of, target, confidence)}
            for kind, of in searched.items()
        ]
        said = certificate(victim, target, confidence)
        rows.append({"target": target, "by": CERTIFICATE, **said})
        if isinstance(victim.model, Linear):
            rows += [
                {**said, "target": target, "by": by, "k": k, "error": np.nan, "confidence": np.nan}
                for by, k in bounds(victim.model, target, confidence, exact_seconds, said["k"])
            ]
    names = victim.card["class_names"]
    return lab.Records.of(
        **{name: [row[name] for row in rows] for name in sorted(rows[0])},
        class_name=[names[row["target"]] for row in rows],
        data=victim.card["dataset"],
        model=victim.name,
        accuracy=victim.accuracy,
        num_classes=victim.num_classes,
    )


def certificate(victim: lab.Victim, target: int, confidence: float) -> dict[str, Any]:
    """By the theorems, and by showing the images for every k to the model."""
    sfis = victim.model.certificates(target)
    images = np.asarray(jax.vmap(sfis.image)(jnp.arange(len(sfis.bound))))
    images = images.reshape(-1, *victim.image_shape)
    measured = probabilities(victim.model, images)[:, target]
    k = int(sfis.smallest_k(confidence))  # -1 is the last one
    error = np.abs(measured - np.asarray(jax.nn.sigmoid(sfis.bound))).max()
    return {"k": k, "image": images[k], "confidence": float(measured[k]), "error": float(error)}


def bounds(
    model: Linear, target: int, confidence: float, seconds: float, upper: int
) -> Iterator[tuple[str, int]]:
    """What else is known of linear models, where the program does not give up."""
    W = np.asarray(model.W, np.float64)
    yield LOWER, int(theory.linear_bounds_on_k(model.W, target, confidence)[0])
    two = len(W) == 2
    if two:
        printed = theory.linear(model.W[target] - model.W[1 - target], paper_branch=True)
        yield PRINTED, int(printed.smallest_k(confidence))
    # Of two classes the program is told nothing that the theorem says.
    deltas = W[target] - np.delete(W, target, axis=0)
    exact = exact_smallest_k(deltas, confidence, seconds, None if two else upper)
    if exact is not None:
        yield EXACT, exact


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


def fewest(found: lab.Records, target: int, confidence: float) -> dict[str, Any]:
    """Of the searches for a class, which end at the confidence, and of their colors alone."""
    found = found.where(target=target)
    i = found["plain"].argmax()
    if found["plain"][i] >= confidence:
        image = np.broadcast_to(found["base"][i], found["image"][i].shape)
        return {"k": 0, "image": image, "confidence": float(found["plain"][i])}
    hits = found.where(success=True)
    k = int(hits["k"].min()) if len(hits) else NEVER
    best = found.where(k=k) if len(hits) else found
    i = best["confidence"].argmax()
    return {"k": k, "image": best["image"][i], "confidence": float(best["confidence"][i])}
