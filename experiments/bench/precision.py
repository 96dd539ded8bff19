"""What computing in bfloat16 does to a network's answers on test images.

    python -m experiments bench precision --model cifar_resnet20 --dataset cifar10 --weights FILE

Both passes see the same weights and images. Confidence is the softmax of the predicted class of
float32.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import models
from experiments.lab.record import claim_file, print_json, versions, write_json
from experiments.lab.victims import check_seed, check_victim, victim


@dataclasses.dataclass(frozen=True)
class Config:
    """
    Attributes:
      dataset: whose test images are classified.
      model: of the networks.
      weights: a file with weights for the network, instead of training it.
      training_seed: of the network.
      batch: images per forward pass.
      out: also write the record to this file.
    """

    dataset: str = "digits"
    model: str = "lenet"
    weights: Path | None = None
    training_seed: int = 0
    batch: int = 100
    out: Path | None = None


def main(config: Config) -> None:
    """Prints one JSON line."""
    if config.batch < 1:
        raise ValueError(f"batch: expected at least 1, got {config.batch}")
    check_victim(config.model, config.dataset, config.weights)
    check_seed(config.training_seed, "training_seed")
    claim_file(config.out)
    dataset = models.load_dataset(config.dataset)
    model, card = victim(config.model, dataset, config.training_seed, config.weights)
    record = {
        "bench": "precision",
        **compare(model, dataset.test_images, config.batch),
        **dataclasses.asdict(config),
        "weights": config.weights and config.weights.name,
        "accuracy": card["accuracy"],
        **versions(),
    }
    if config.out is not None:
        write_json(config.out, record)
    print_json(record)


def compare(model: models.Network, images: np.ndarray, batch: int) -> dict[str, Any]:
    """Figures over uint8 images `[N, H, W, C]`."""
    half = models.in_precision(model, jnp.bfloat16)
    exact, rounded = (_probabilities(network, images, batch) for network in (model, half))
    predicted = exact.argmax(axis=-1)
    rows = np.arange(len(images))
    errors = abs(rounded[rows, predicted] - exact[rows, predicted])
    return {
        "num_images": len(images),
        "same_prediction": float((rounded.argmax(axis=-1) == predicted).mean()),
        "mean_confidence_error": float(errors.mean()),
        "largest_confidence_error": float(errors.max()),
    }


def _probabilities(model: models.Network, images: np.ndarray, batch: int) -> np.ndarray:
    """`[N, K]` float32."""
    forward = jax.jit(lambda model, images: jax.nn.softmax(model(images.astype(jnp.float32) / 255)))
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([np.asarray(forward(model, part)) for part in parts])
