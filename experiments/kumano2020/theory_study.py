"""A trained model, class by class: what the theorems say of it, and what searches found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.kumano2020.theory_models import Linear, Model, accuracy, logits_of
from experiments.kumano2020.theory_search import (
    BLACK,
    WHITE,
    Fewest,
    evolve_fewest,
    exact_smallest_k,
)
from experiments.lab.search import Search
from jfool import theory
from models import Dataset


@dataclass(frozen=True, eq=False)
class Predicted:
    """For one class. Numbers of pixels: -1 for "no k does it", None for "nothing is said".

    Attributes:
      lower: fewer pixels cannot do it; linear models only.
      upper: so many do it, by the certificate.
      printed: by the paper's choice of the branch; linear models of two classes only.
      image: the certificate `[H, W, C]` of `upper` pixels, or of as many as help where none does.
      confidence: of the image, measured.
      error: the largest difference of predicted and measured confidence, over all k.
    """

    lower: int | None
    upper: int
    printed: int | None
    image: np.ndarray
    confidence: float
    error: float


@dataclass(frozen=True, eq=False)
class Study:
    """
    model: its name.
    class_names: of all its classes.
    labels: the classes studied, as all lists below.
    accuracy: on test images.
    predicted: by the theorems.
    exact: by integer programs (see `exact_smallest_k`), None where there are none.
    evolved: by differential evolution, for every kind of search that was made.
    tried: numbers of pixels that evolution had.
    num_certificates: how many images of each class were shown to the model.
    """

    model: str
    class_names: Sequence[str]
    labels: Sequence[int]
    accuracy: float
    predicted: Sequence[Predicted]
    exact: Sequence[int | None]
    evolved: Mapping[str, Sequence[Fewest]]
    tried: Sequence[int]
    num_certificates: int


def study(
    name: str,
    model: Model,
    dataset: Dataset,
    labels: Sequence[int],
    *,
    confidence: float,
    exact_seconds: float,
    searches: Mapping[str, Search],
    ks: Sequence[int],
    folder: Path,
) -> Study:
    """Everything about a model. Each kind of search has a folder of its own in `folder`.

    A linear model is best fooled on black or on white (Theorem 1), so evolution tries both; of the
    others the theorems speak on black.
    """
    predicted = [predict(model, c, confidence, dataset.image_shape) for c in labels]
    exact: list[int | None] = [None] * len(labels)
    colors = [BLACK]
    if isinstance(model, Linear):
        colors = [BLACK, WHITE]
        W = np.asarray(model.W, np.float64)
        for i, label in enumerate(labels):
            known = predicted[i].upper if len(W) > 2 else None  # for two, nothing is given away
            deltas = W[label] - np.delete(W, label, axis=0)
            exact[i] = exact_smallest_k(deltas, confidence, exact_seconds, known)
    places = {kind: f"{dataset.name}_{name}_{kind}".replace(" ", "_") for kind in searches}
    evolved = {
        kind: evolve_fewest(search, model, dataset, labels, colors, ks, folder / places[kind])
        for kind, search in searches.items()
    }
    return Study(
        model=name,
        class_names=dataset.class_names,
        labels=labels,
        accuracy=accuracy(model, dataset),
        predicted=predicted,
        exact=exact,
        evolved=evolved,
        tried=ks,
        num_certificates=dataset.train_images[0].size + 1,
    )


def predict(
    model: Model, label: int, confidence: float, image_shape: tuple[int, int, int]
) -> Predicted:
    """By the certificates for every k, and by showing all of them to the model."""
    sfis = model.certificates(label)
    images = jax.vmap(sfis.image)(jnp.arange(len(sfis.bound))).reshape(-1, *image_shape)
    with jax.default_matmul_precision("highest"):
        measured = jax.nn.softmax(logits_of(model, images))[:, label]
    upper = int(sfis.smallest_k(confidence))
    lower = printed = None
    if isinstance(model, Linear):
        lower = int(theory.linear_bounds_on_k(model.W, label, confidence)[0])
        if len(model.W) == 2:
            delta = model.W[label] - model.W[1 - label]
            printed = int(theory.linear(delta, paper_branch=True).smallest_k(confidence))
    return Predicted(
        lower=lower,
        upper=upper,
        printed=printed,
        image=np.asarray(images[upper]),  # -1 is the last one
        confidence=float(measured[upper]),
        error=float(jnp.abs(measured - jax.nn.sigmoid(sfis.bound)).max()),
    )
