"""What 5-SFIs do to one of the architectures of tables 14 and 15, kept in a file of its own.

So that the networks may be attacked one by one, on one machine or several, and compared when they
are there. `B` base colours, `K` classes.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import models
from experiments.lab.found import Found, best_rows
from experiments.lab.judging import probabilities
from experiments.lab.record import versions, write_json

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """
    name: of the architecture.
    dataset: that it was trained on.
    command, settings: that attacked it.
    card: of the network.
    natural_confidence: mean over the test images of the confidence of the predicted class.
    true_confidence: the same of the true class.
    bases: base colours.
    best: `[B, K]`, the highest confidence of a cell's searches.
    predicted: `[B, K]`, whether that image is taken for the class sought.
    logits: `[B, K]`, its logit of the class sought; of CapsNet: the length of that capsule.
    versions: as `record.versions` has them.
    """

    name: str
    dataset: str
    command: str
    settings: dict[str, Any]
    card: dict[str, Any]
    natural_confidence: float
    true_confidence: float
    bases: Sequence[str]
    best: Sequence[Sequence[float]]
    predicted: Sequence[Sequence[bool]]
    logits: Sequence[Sequence[float]]
    versions: dict[str, Any] = dataclasses.field(default_factory=versions)

    @property
    def evaluations(self) -> int:
        """Of a search that runs to its end."""
        return self.settings["population"] * (self.settings["generations"] + 1)

    def write(self, folder: Path) -> None:
        write_json(folder / OUTCOME, dataclasses.asdict(self))


def read_outcomes(folder: Path, dataset: str) -> dict[str, Outcome]:
    """All that lie in the folders below `folder`, by the name of the architecture.

    Raises:
      ValueError: one is damaged, or of another data set.
    """
    found = {}
    for path in sorted(folder.glob(f"*/{OUTCOME}")):
        try:
            outcome = Outcome(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{path}: expected an outcome, got {error!r:.200}") from error
        if outcome.dataset != dataset:
            raise ValueError(f"out: expected outcomes on {dataset}, got {outcome.dataset}: {path}")
        found[outcome.name] = outcome
    return found


def strongest(found: Found, model: Any, bases: Sequence[str], num_classes: int) -> dict[str, Any]:
    """`best`, `predicted` and `logits` of an `Outcome`."""
    place = {row.job_id: i for i, row in enumerate(found.rows)}
    by_cell = best_rows(found.rows)
    rows = [[by_cell[base, label] for label in range(num_classes)] for base in bases]
    images = np.stack([found.images[place[row.job_id]] for of_base in rows for row in of_base])
    logits = logits_of(model, images).reshape(len(bases), num_classes, num_classes)
    return {
        "best": [[row.confidence for row in of_base] for of_base in rows],
        "predicted": [[row.prediction == row.label for row in of_base] for of_base in rows],
        "logits": [np.diagonal(of_base).tolist() for of_base in logits],
    }


def natural_confidences(model: Any, dataset: models.Dataset) -> tuple[float, float]:
    """Means over the test images: of the confidence of the predicted, and of the true class."""
    images = dataset.test_images.astype(np.float32) / np.float32(255)
    confidences = probabilities(model, images).astype(np.float64)
    true = confidences[np.arange(len(images)), dataset.test_labels]
    return float(confidences.max(1).mean()), float(true.mean())


def logits_of(model: Any, images: Float[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N K"]:
    """At the precision at which results are judged."""
    with jax.default_matmul_precision("highest"):
        return np.asarray(_call(model, jnp.asarray(images, jnp.float32)), np.float32)


@jax.jit
def _call(model: Any, images: jax.Array) -> jax.Array:
    return model(images)
