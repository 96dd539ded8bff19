"""What computing in bfloat16 does to a network's answers on test images.

    python -m experiments bench precision --network cifar_resnet20=FILE --dataset cifar10

Both passes see the same weights and images. Confidence is the softmax of the predicted class of
float32.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import models
from experiments import lab
from experiments.lab.record import print_json, versions, write_json
from experiments.lab.settings import flat


@lab.settings
class Settings:
    dataset: lab.Dataset = "digits"  # whose test images are classified
    network: lab.Network = "lenet"  # NAME=FILE, or NAME to train it here
    training_seed: lab.Seed = 0  # of the network, if it is trained here
    batch: lab.Count = 100  # images per forward pass
    out: lab.OutFile | None = None  # also write the record to this file


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    dataset = models.load_dataset(settings.dataset)
    victim = lab.load_victim(settings.network, dataset, settings.training_seed)
    record = {
        "bench": "precision",
        **compare(victim.model, dataset.test_images, settings.batch),
        **flat(settings),
        "accuracy": victim.accuracy,
        **versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
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
