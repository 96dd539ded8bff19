"""A network with ImageNet's 1 000 classes: with weights from a file, or untrained.

No data set belongs to it here. Without weights it serves to try an experiment out, and whatever is
shown of it says so.
"""

import hashlib
from pathlib import Path

import models
from experiments.lab.progress import say
from experiments.lab.victims import Victim, split_spec
from models.names import one_of

NUM_CLASSES = 1000
NETWORKS = tuple(n for n, a in models.ARCHITECTURES.items() if a.num_classes == NUM_CLASSES)


def imagenet_victim(spec: str, side: int | None = None, seed: int = 0) -> Victim:
    """A network from one text.

    Args:
      spec: `NAME=FILE`, or `NAME` for random weights.
      side: of its square images in pixels; by default the architecture's.
      seed: of random weights.
    """
    check_network(spec, side)
    name, file = split_spec(spec)
    shape = image_shape(spec, side)
    if file is None:
        model = models.create(name, shape, seed=seed)
        model.eval()
        say(f"{name} is UNTRAINED: its weights are random")
        return as_victim(name, model)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return as_victim(name, models.load(name, file, shape), file.name, digest)


def title_of(spec: str) -> str:
    """What titles call a network."""
    name, file = split_spec(spec)
    return name if file else f"{name}, UNTRAINED"


def as_victim(
    name: str, model: models.Network, weights: str | None = None, sha256: str = ""
) -> Victim:
    """A network that is there.

    Args:
      name: of the architecture.
      model: in evaluation mode.
      weights: the name of their file; None: drawn at random.
      sha256: of that file.
    """
    origin = {"untrained": True} if weights is None else {"weights": weights, "sha256": sha256}
    return Victim(name, model, {"model": name, **origin}, model.image_shape, NUM_CLASSES)


def check_network(spec: str, side: int | None, setting: str = "network") -> None:
    """Refuses a network that does not exist, before anything is read.

    Args:
      spec, side: see `imagenet_victim`.
      setting: what the user calls the network.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    name, file = split_spec(spec)
    if name not in NETWORKS:
        raise ValueError(f"{setting}: expected {one_of(NETWORKS, name)}, got {name!r}")
    if file is not None and not file.is_file():
        raise FileNotFoundError(f"{setting}: expected a file of weights, got none at {file}")
    if side is not None and side < 32:
        raise ValueError(f"side: expected at least 32 pixels, got {side}")


def image_shape(spec: str, side: int | None) -> tuple[int, int, int]:
    """(H, W, C) of what a network is shown; see `imagenet_victim`."""
    usual = models.ARCHITECTURES[split_spec(spec)[0]].image_shape
    return usual if side is None else (side, side, usual[2])


def check_k(k: int, spec: str, side: int | None, setting: str = "k") -> None:
    """Refuses to alter more pixels than images have.

    Args:
      spec, side: see `imagenet_victim`.
      setting: what the user calls it.

    Raises:
      ValueError: naming the setting.
    """
    height, width, _ = models.ARCHITECTURES[split_spec(spec)[0]].image_shape
    pixels = height * width if side is None else side * side
    if k > pixels:
        raise ValueError(f"{setting}: expected at most the {pixels} pixels of an image, got {k}")


def imagenet_names(path: Path | None, setting: str = "class_names") -> tuple[str, ...]:
    """What the classes are called: by a file (see `models.read_class_names`), or by number.

    Raises:
      ValueError: there is no such file, or it does not have 1 000 names.
    """
    if path is None:
        return tuple(f"class {number}" for number in range(NUM_CLASSES))
    try:
        names = models.read_class_names(path)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{setting}: {error}") from error
    if len(names) != NUM_CLASSES:
        raise ValueError(f"{setting}: expected {NUM_CLASSES} names, got {len(names)} in {path}")
    return tuple(name.replace("_", " ") for name in names)
