"""What sections tell of their settings, and how their plots are written."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.record import json_safe
from experiments.victims import split_spec
from models.cache import replacing

_DPI = 150


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
