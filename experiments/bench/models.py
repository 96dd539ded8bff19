"""A forward pass of our ports beside torchvision's originals, on the same weights and images.

    python -m experiments bench models

Both sides run in turns in one process, batch by batch, float32, on the CPU. The ratios are medians
over the rounds of our time over PyTorch's beside it: the machine may be shared, absolute times mean
little. PyTorch runs in its own layout, channels first, without compilation: what its users run.
The logits of both are compared before anything is timed.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

import models
from experiments import lab
from experiments.lab.record import claim_file, print_json, versions, write_json
from models.normalization import IMAGENET
from models.weights import fill

NETWORKS = ("resnet50", "vgg16", "mobilenet_v2")


@lab.settings
class Settings:
    networks: Annotated[tuple[Annotated[str, lab.one_of(NETWORKS)], ...], lab.distinct] = NETWORKS
    batch: lab.Count = 32  # images per forward pass
    rounds: lab.Count = 5  # paired runs for each median
    threads: lab.Count | None = None  # PyTorch's; by default as many as it chooses
    out: Path | None = None  # also write the record to this file


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    import torch  # pyright: ignore[reportMissingImports]

    claim_file(settings.out)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    record = {
        "bench": "models",
        "figures": {name: compare(name, settings) for name in settings.networks},
        **dataclasses.asdict(settings),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        **versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
    print_json(record)


def compare(name: str, settings: Settings) -> dict[str, Any]:
    """Times one network on both sides."""
    import torch  # pyright: ignore[reportMissingImports]
    import torchvision  # pyright: ignore[reportMissingImports]

    original = getattr(torchvision.models, name)().eval()
    port = models.create(name)
    fill(port, {key: t.numpy() for key, t in original.state_dict().items()}, name)
    port.eval()

    images = np.random.default_rng(0).uniform(size=(settings.batch, *port.image_shape))
    images = images.astype(np.float32)
    normalized = (images - np.array(IMAGENET.mean, np.float32)) / np.array(IMAGENET.std, np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)))
    forward = jax.jit(lambda model, images: model(images))
    on_device = jax.numpy.asarray(images)

    def ours() -> np.ndarray:
        return np.asarray(forward(port, on_device))

    def theirs() -> np.ndarray:
        with torch.inference_mode():
            return original(tensor).numpy()

    expected = theirs()
    error = abs(ours() - expected).max() / abs(expected).max()
    if error > 1e-3:
        raise AssertionError(f"{name}: the logits differ by {error:.1e} of the largest")
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(settings.rounds)]
    return {
        "jax_over_torch": statistics.median(a / b for a, b in times),
        "jax_seconds": statistics.median(a for a, _ in times),
        "torch_seconds": statistics.median(b for _, b in times),
        "logits_differ_by": float(error),
    }


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
