"""`jfool.OnePixel` beside the pixel attacks of ART and torchattacks, on one small network.

    python -m experiments bench peers

All run the same images, population and generations, untargeted, one pixel, without early stop, and
are timed in turns: jfool, ART, torchattacks, jfool, ... after a warm-up. Times are milliseconds per
generation (`population` candidates evaluated) and image. The ratios are medians over the repeats of
a peer's time over jfool's time beside it: the machine may be shared, absolute times mean little.

What the peers cannot do, and how their evaluations are counted, stands in `peer_attacks`. The
variants of differential evolution differ (jfool: rand/1, as in Su et al. (2019); the peers: best/1,
dither), which costs neither side time. The peers' overhead per candidate does not depend on the
network, so the ratios fall as the network grows: `width` shows it.

Use an idle machine: PyTorch's threads wait for each other, and beside other work (`load_average` in
the record) its forward pass takes 10 to 50 times as long, which has nothing to do with the attack.
OMP_NUM_THREADS=1 gives it one thread, which avoids that.

Expected on two idle CPU cores, in about a minute: ART and torchattacks 4 times jfool's 5 ms each.
Beside other jobs: ART 1.8 to 3, torchattacks 9 to 18. With one PyTorch thread torchattacks takes 5
times jfool's time on idle cores, 3 times beside other jobs.
"""

import dataclasses
import importlib
import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable
from typing import Annotated, Any

import jax
import numpy as np

from experiments import lab
from experiments.bench import peer_net
from experiments.bench.peer_attacks import Work, art_attack, jfool_attack, torchattacks_attack
from experiments.bench.peer_report import evaluations, print_table, summary
from experiments.lab.record import print_json, versions, write_json

PEERS = {
    "art": "adversarial-robustness-toolbox",
    "torchattacks": "torchattacks",
    "torch": "torch",
}
NUM_GENES = 5  # x, y, r, g, b


@lab.Check
def multiple_of_genes(name: str, value: int, _: Any) -> None:
    """torchattacks rounds its population down to one."""
    if value < NUM_GENES or value % NUM_GENES:
        raise ValueError(f"{name}: expected a multiple of {NUM_GENES}, got {value}")


@lab.settings
class Settings:
    images: lab.Count = 4  # attacked images; jfool takes them together, the peers one by one
    population: Annotated[int, multiple_of_genes] = 400  # candidates; ART's are always 400
    generations: lab.Count = 20  # after the start population
    repeats: lab.Count = 5  # rounds of the three attacks for each median
    width: lab.Count = 16  # filters of the network's first convolution
    out: lab.OutFile | None = None  # also write the record to this file


def main(settings: Settings) -> None:
    """Prints a table, then one JSON line."""
    require_peers()
    weights, images = peer_net.make_weights(settings.width), peer_net.make_images(settings.images)
    difference = check_copies(weights, images)
    attacks = {
        "jfool": jfool_attack(weights, images, settings.population),
        "art": art_attack(weights, images),
        "torchattacks": torchattacks_attack(weights, images, settings.population),
    }
    forwards = forward_passes(weights, settings.population)
    for warm_up in attacks.values():
        warm_up(1)
    works: dict[str, list[Work]] = {name: [] for name in attacks}
    forward_ms: dict[str, list[float]] = {name: [] for name in forwards}
    for _ in range(settings.repeats):
        for name, attack in attacks.items():
            works[name].append(attack(settings.generations))
        for name, forward in forwards.items():
            forward_ms[name].append(milliseconds(forward))
    figures = {
        **summary(works, settings.population),
        **{name: statistics.median(times) for name, times in forward_ms.items()},
        **evaluations(works, settings.images, settings.population, settings.generations),
    }
    print_table(figures)
    record = {
        "bench": "peers",
        **figures,
        "logits_max_difference": difference,
        **dataclasses.asdict(settings),
        "untargeted": True,
        "k": 1,
        "early_stop": False,
        "load_average": os.getloadavg()[0],
        **versions(),
        **peer_versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
    print_json(record)


def require_peers() -> None:
    """Raises ImportError if a peer cannot be imported."""
    for module in PEERS:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(
                f"peers: expected {error.name or module} to be installed, got no such package "
                '(pip install "jfool[peers]")'
            ) from error


def check_copies(weights: peer_net.Weights, images: np.ndarray, tolerance: float = 1e-4) -> float:
    """The largest difference between the logits of the JAX network and of its PyTorch copy.

    Raises:
      RuntimeError: it exceeds the tolerance, or an image does not start at the label.
    """
    import torch  # pyright: ignore[reportMissingImports]

    ours = np.asarray(jax.jit(peer_net.apply)(weights, images))
    with torch.no_grad():
        theirs = peer_net.torch_copy(weights)(peer_net.to_torch(images)).numpy()
    difference = float(np.abs(ours - theirs).max())
    if not difference <= tolerance:
        raise RuntimeError(f"the networks differ: expected {tolerance}, got {difference}")
    if (ours.argmax(1) != peer_net.LABEL).any():
        raise RuntimeError(f"expected every image in class {peer_net.LABEL} before the attack")
    return difference


def forward_passes(weights: peer_net.Weights, population: int) -> dict[str, Callable[[], Any]]:
    """One call of the bare network on a population, per framework, compiled."""
    import torch  # pyright: ignore[reportMissingImports]

    images = peer_net.make_images(population)
    on_device, inputs = jax.device_put((weights, images))
    forward = jax.jit(peer_net.apply)
    forward(on_device, inputs).block_until_ready()
    network, tensor = peer_net.torch_copy(weights), peer_net.to_torch(images)

    def torch_forward() -> Any:
        with torch.no_grad():
            return network(tensor)

    return {
        "jax_forward_ms": lambda: forward(on_device, inputs).block_until_ready(),
        "torch_forward_ms": torch_forward,
    }


def milliseconds(work: Callable[[], Any], calls: int = 10) -> float:
    """Median time of a call."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def peer_versions() -> dict[str, Any]:
    import torch  # pyright: ignore[reportMissingImports]

    return {
        **{name: importlib.metadata.version(package) for name, package in PEERS.items()},
        "torch_device": "cpu",
        "torch_threads": torch.get_num_threads(),
    }
