"""Kinds of settings by name: what each one accepts, and its error for anything else."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

import jax

import jfool
import models
from experiments.lab import imagenet
from experiments.lab.colors import parse_colors
from experiments.lab.folder import check_folder, check_input_folder
from experiments.lab.record import claim_file
from experiments.lab.settings import Check, Extensible, Subject, Technical, settings
from experiments.lab.victims import check_network, check_weights, split_spec
from jfool.encodings.boundary import BOUNDARIES
from jfool.numbers import LARGEST, brief, is_number, plain
from models import names
from models.datasets import check_prepared

OBJECTIVES: dict[str, Any] = {
    "confidence": jfool.Confidence,
    "log_confidence": jfool.LogConfidence,
    "margin": jfool.Margin,
}


def _check(refuse: Callable[[str, Any, Any], None]) -> Check:
    return Check(refuse)


def _check_last(refuse: Callable[[str, Any, Any], None]) -> Check:
    return Check(refuse, last=True)


def _held(value: Any) -> bool:
    """Whether 32 bits hold a number: it is finite there, and 0 only if it is 0."""
    return is_number(value) and (value == 0 or not is_number(value, least=0, most=0))


def at_least(least: int, most: int = LARGEST) -> Check:
    """Numbers from `least` to `most`."""

    def refuse(name: str, value: float, _: Any) -> None:
        if not (least <= value <= most and _held(value)):
            what = f"from {least} to {most}" if value > most else f"of at least {least}"
            raise ValueError(f"{name}: expected a number {what}, got {brief(plain(value))}")

    return Check(refuse)


def one_of(known: Collection[str]) -> Check:
    """One of some names."""

    def refuse(name: str, value: str, _: Any) -> None:
        if value not in known:
            raise ValueError(f"{name}: expected {names.one_of(known, value)}, got {value!r:.60}")

    return Check(refuse)


def between(low: float, high: float, what: str) -> Check:
    """Numbers above `low` and up to `high` that 32 bits hold."""

    def refuse(name: str, value: float, _: Any) -> None:
        if not (low < value <= high and _held(value)):
            raise ValueError(f"{name}: expected {what}, got {brief(plain(value))}")

    return Check(refuse)


@_check
def distinct(name: str, values: tuple[Any, ...], _: Any) -> None:
    """One or more different values."""
    if not values or len(set(values)) < len(values):
        got = " ".join(map(str, values)) or "none"
        raise ValueError(f"{name}: expected one or more different ones, got {got}")


@_check
def ascending(name: str, values: tuple[Any, ...], _: Any) -> None:
    """One or more numbers, each larger than the one before it."""
    if not values or list(values) != sorted(set(values)):
        got = " ".join(map(str, values)) or "none"
        raise ValueError(f"{name}: expected one or more ascending numbers, got {got}")


@_check
def _even(name: str, value: int, _: Any) -> None:
    if value % 2:
        raise ValueError(f"{name}: expected an even number, got {value}")


@_check
def _seed(name: str, value: int, _: Any) -> None:
    if not 0 <= value < 2**32:
        raise ValueError(f"{name}: expected a whole number in [0, 2**32), got {value}")


@_check
def _network(name: str, spec: str, others: Any) -> None:
    check_network(spec, others.dataset, name)


@_check_last
def _weights(name: str, spec: str, others: Any) -> None:
    shape, classes = models.image_shape(others.dataset), models.class_names(others.dataset)
    check_weights(spec, shape, len(classes), name)


@_check_last
def _prepared(name: str, dataset: str, _: Any) -> None:
    check_prepared(dataset, name)


@_check
def _trained_network(name: str, network: str, others: Any) -> None:
    if "=" in network:
        raise ValueError(
            f"{name}: expected a network to train here, without =FILE, got {network!r:.60}"
        )
    advice = "choose one of them, or another data set"
    check_network(network, others.dataset, name, advice)


@_check
def _networks(name: str, specs: tuple[str, ...], others: Any) -> None:
    names = [split_spec(spec)[0] for spec in specs]
    if not specs:
        raise ValueError(f"{name}: expected at least one, got none")
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: expected different ones, got {' '.join(names)}")


@_check
def _imagenet_network(name: str, spec: str, others: Any) -> None:
    imagenet.check_network(spec, getattr(others, "side", None), name)


@_check_last
def _imagenet_weights(name: str, spec: str, others: Any) -> None:
    check_weights(spec, imagenet.image_shape(spec, getattr(others, "side", None)), None, name)


@_check
def _classes(name: str, classes: tuple[int, ...], others: Any) -> None:
    most = imagenet.NUM_CLASSES
    if hasattr(others, "dataset"):
        most = len(models.class_names(others.dataset))
    if wrong := [c for c in classes if not 0 <= c < most]:
        raise ValueError(f"{name}: expected numbers from 0 to {most - 1}, got {wrong[0]}")


def image_shape_of(others: Any) -> tuple[int, int, int]:
    """(H, W, C) of what is attacked: of the data set, or of the ImageNet network."""
    if hasattr(others, "dataset"):
        return models.image_shape(others.dataset)
    return imagenet.image_shape(others.network, others.side)


@_check
def _pixels(name: str, k: int, others: Any) -> None:
    height, width, _ = image_shape_of(others)
    if not k >= 1:
        raise ValueError(f"{name}: expected a number of at least 1, got {k}")
    if k > height * width:
        where = getattr(others, "dataset", "an image")
        raise ValueError(
            f"{name}: expected at most the {height * width} pixels of {where}, got {k}"
        )


@_check
def _colors(name: str, value: tuple[str, ...] | str, others: Any) -> None:
    colors = (value,) if isinstance(value, str) else value
    parse_colors(colors, image_shape_of(others)[2], getattr(others, "dataset", "ImageNet"), name)


@_check
def _layer(name: str, layer: str, others: Any) -> None:
    layers = models.outline(
        split_spec(others.network)[0], models.image_shape(others.dataset)
    ).layers
    if layer not in layers:
        raise ValueError(f"{name}: expected {names.one_of(layers, layer)}, got {layer!r:.60}")


@_check
def _folder(name: str, path: Path, _: Any) -> None:
    check_input_folder(path, name)


@_check_last
def _out_file(name: str, path: Path, _: Any) -> None:
    claim_file(path, name)


@_check_last
def _out_folder(name: str, path: Path, _: Any) -> None:
    check_folder(path, name)


@_check
def _seconds(name: str, value: float, _: Any) -> None:
    if not value >= 0:
        raise ValueError(f"{name}: expected a time of at least 0, got {value}")


@_check
def _class_names(name: str, path: Path, _: Any) -> None:
    imagenet.imagenet_names(path, name)


@_check
def _imagenet_class(name: str, number: int, _: Any) -> None:
    if not 0 <= number < imagenet.NUM_CLASSES:
        last = imagenet.NUM_CLASSES - 1
        raise ValueError(f"{name}: expected a class from 0 to {last}, got {number}")


Count = Annotated[int, at_least(1)]
Repeats = Annotated[int, at_least(1, 10**5)]  # searches of a cell: all are listed beforehand
Population = Annotated[int, at_least(4, 2**24)]  # candidates of a generation
Number = Annotated[int, at_least(0)]
Seed = Annotated[int, _seed, Technical]
Lanes = Annotated[int, at_least(1), Technical]  # searches side by side
Chunk = Annotated[int, at_least(1), Technical]  # images per call of the network
Flag = Annotated[bool, Technical]
Confidence = Annotated[float, between(0, 1, "a confidence in (0, 1]")]
Dataset = Annotated[str, one_of(models.DATASETS), _prepared, Subject]
Network = Annotated[str, _network, _weights, Subject]
TrainedNetwork = Annotated[str, _trained_network, Subject]  # without weights of one's own
Networks = Annotated[tuple[Annotated[str, _network, _weights], ...], _networks, Subject, Extensible]
ImageNetNetwork = Annotated[str, _imagenet_network, _imagenet_weights, Subject]
ImageNetClass = Annotated[int, _imagenet_class]
ClassNames = Annotated[Path, _class_names, Technical]  # a JSON list of ImageNet's names
Side = Annotated[int, at_least(32)]  # of square images, in pixels
Precision = Annotated[str, one_of(("float32", "bfloat16")), Technical]  # of the network
Seconds = Annotated[float, _seconds, Technical]
Layer = Annotated[str, _layer]
Pixels = Annotated[int, _pixels]  # k, the most pixels that are altered
Ks = Annotated[tuple[Pixels, ...], ascending]
Color = Annotated[str, _colors]
Colors = Annotated[tuple[str, ...], _colors]
Classes = Annotated[tuple[int, ...], distinct, _classes]
Objective = Annotated[str, one_of(OBJECTIVES)]
Boundary = Annotated[str, one_of(BOUNDARIES)]  # where pixels go that leave the image
EvenCount = Annotated[int, at_least(2), _even]
OutFile = Annotated[Path, _out_file]
OutFolder = Annotated[Path, _out_folder]
InputFolder = Annotated[Path, _folder]  # of an earlier run


@settings
class Evolution:
    """Searches by differential evolution."""

    population: Population = 500  # candidates of a generation
    generations: Number = 1000  # generations of a search, at most
    until: Confidence | None = None  # end a search at this confidence; None: run all generations
    seed: Seed = 0  # of the searches
    lanes: Lanes = 10  # searches side by side
    chunk: Chunk | None = None  # images per call of the network; by default `population`

    @property
    def key(self) -> jax.Array:
        return jax.random.key(self.seed, impl="threefry2x32")

    @property
    def criterion(self) -> Any:
        return None if self.until is None else jfool.confident(self.until)

    @property
    def num_queries(self) -> int:
        """Images of a search that runs all generations."""
        return self.population * (self.generations + 1)

    def search(self, **options: Any) -> jfool.DifferentialEvolution:
        return jfool.DifferentialEvolution(population_size=self.population, **options)
