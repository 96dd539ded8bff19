"""What sections tell of their settings, and how their plots are written."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import models
from experiments.lab.record import json_safe
from experiments.lab.victims import split_spec
from models.cache import replacing

_DPI = 150
# Parts of the names of settings that change nothing of what the paper did, or stand in the title.
_NO_BUDGET = ("seed", "lanes", "chunk", "split", "seconds", "network", "dataset", "destination")


def shown_settings(config: Any) -> dict[str, Any]:
    """A configuration in JSON types, its files by their names alone, wherever they lie."""
    fields = dataclasses.fields(config)
    return json_safe({f.name: _shown(getattr(config, f.name)) for f in fields})


def shown_spec(spec: str) -> str:
    """`NAME=FILE` without the file's folder."""
    name, file = split_spec(spec)
    return name if file is None else f"{name}={file.name}"


def _shown(value: Any) -> Any:
    if isinstance(value, Path):
        return value if not value.is_absolute() else value.name
    if isinstance(value, str):
        return shown_spec(value)
    return [_shown(item) for item in value] if isinstance(value, tuple) else value


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that needs no display."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, format="png")


def check_least(config: Any, least: dict[str, int]) -> None:
    """Refuses numbers of a configuration below their least, those that are None aside.

    Raises:
      ValueError: naming the setting.
    """
    for name, smallest in least.items():
        value = getattr(config, name)
        if value is not None and not smallest <= value < 2**31:
            raise ValueError(f"{name}: expected a number of at least {smallest}, got {value}")


def check_pixels(setting: str, k: int, dataset: str) -> None:
    """Refuses to alter more pixels than images have.

    Raises:
      ValueError: naming the setting.
    """
    height, width, _ = models.image_shape(dataset)
    if k > height * width:
        raise ValueError(
            f"{setting}: expected at most the {height * width} pixels of {dataset}, got {k}"
        )


def check_layer(layer: str | None, spec: str, dataset: str) -> None:
    """Refuses a layer that the network of `NAME` or `NAME=FILE` does not have; None is its own.

    Raises:
      ValueError: naming those it has.
    """
    if layer is None:
        return
    layers = models.outline(split_spec(spec)[0], models.image_shape(dataset)).layers
    if layer not in layers:
        raise ValueError(f"layer: expected one of {', '.join(layers)}, got {layer!r}")


def smaller(config: Any, paper: Any, texts: Mapping[str, str]) -> list[str]:
    """What of a configuration is less than the paper's, in words.

    Args:
      texts: by setting, what it counts.
    """
    return [
        f"{getattr(config, name)} of {getattr(paper, name)} {text}"
        for name, text in texts.items()
        if getattr(config, name) < getattr(paper, name)
    ]


def preset_name(config: Any, paper: Any) -> str:
    """What a run is called: by its preset; the paper's also by what is not as in the paper."""
    if config.preset != "paper":
        return config.preset
    numbers = [
        f.name
        for f in dataclasses.fields(config)
        if not any(word in f.name for word in _NO_BUDGET)
        and _is_budget(getattr(paper, f.name), getattr(config, f.name))
    ]
    return f"paper, other {', '.join(numbers)}" if numbers else "paper"


def _is_budget(paper: Any, value: Any) -> bool:
    """Whether a number, or numbers or names to go through, differ from the paper's."""
    return value != paper and (_counts(value) or _counts(paper))


def _counts(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and not any(isinstance(item, Path) for item in value)
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def command(name: str, config: Any, preset: Any) -> str:
    """The command line that makes a run: the preset's name, and every setting that differs."""
    shown, usual = shown_settings(config), shown_settings(preset)
    options = []
    for setting, value in shown.items():
        if value == usual[setting] or setting in ("preset", "out"):
            continue
        option = setting.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    return " ".join(["python -m experiments", name, config.preset, *options])
