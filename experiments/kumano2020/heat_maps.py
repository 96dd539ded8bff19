r"""Paper 000, figure 10: where SFIs made by DE, and by deep feature inversion, alter their pixels.

    python -m experiments heat_maps paper --de runs/deep_features/sweep \
        --inversion runs/inversion/images.npz

The SFIs by DE come from finished sweeps, or are searched for now. The paper sees some positions
shared by both methods, and takes it that a network relies on some pixels above all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import models
from experiments.kumano2020.class_sfis import ClassSearch, budget_notes, check_classes
from experiments.kumano2020.heat_figures import draw, pixel_counts, shared_pixels
from experiments.kumano2020.pixel_maps import (
    THRESHOLD,
    Evolved,
    Inverted,
    check_network_of,
    joined,
    of_sweep,
    read_inverted,
)
from experiments.lab import section
from experiments.lab.colors import parse_colors
from experiments.lab.grid_search import search_grid
from experiments.lab.record import write_arrays
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.lab.victims import split_spec, victim_of

_SEARCH = ("population", "generations", "until", "repeats", "seed", "lanes")
_FIGURE, _MAPS, _SWEEP = "heat_maps.png", "maps.npz", "sweep"


@dataclass(frozen=True)
class Config(ClassSearch):
    """
    Attributes:
      de: folders of sweeps whose SFIs of that colour and k are taken; none: they are searched for.
      inversion: images by deep feature inversion (images.npz of `inversion`), or None.
      out: folder of the section, and of the sweep if there is one.
    """

    de: tuple[Path, ...] = ()
    inversion: Path | None = None
    out: Path = Path("runs/heat_maps")


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "seconds; an MLP on digits",
        Config(
            dataset="digits",
            network="mlp",
            population=20,
            generations=10,
            repeats=3,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 30 minutes on two cores, or seconds with --de: ResNet20, 10 SFIs per class",
        Config(
            network="cifar_resnet20",
            population=100,
            generations=300,
            until=0.9,
            repeats=10,
            preset="reduced",
        ),
    ),
    "paper": ("the paper's: VGG16, 50 SFIs per class, 500 x 3000", Config()),
}


def main(config: Config) -> None:
    """Reads or searches, draws, and publishes the section."""
    check(config)
    dataset = models.load_dataset(config.dataset)
    shape, names = dataset.image_shape, dataset.class_names
    (color,) = parse_colors([config.color], shape[2], config.dataset)
    model, _ = victim_of(config.network, dataset, config.training_seed)
    inverted = None
    if config.inversion is not None:
        inverted = read_inverted(config.inversion, color, shape, len(names))
        check_network_of(inverted, model, f"inversion {config.inversion}")
    if config.de:
        evolved = joined([of_sweep(folder, config.k, color, shape) for folder in config.de])
        check_network_of(evolved, model, f"de {' '.join(map(str, config.de))}")
    else:
        search_grid(config, [config.k], model, dataset, config.out / _SWEEP)
        evolved = of_sweep(config.out / _SWEEP, config.k, color, shape)
    rows = {"DE": evolved} if inverted is None else {"DE": evolved, "inversion": inverted}
    maps = {method: altered.maps(len(names)) for method, altered in rows.items()}
    draw(config.out / _FIGURE, maps, names)
    write_arrays(config.out / _MAPS, **maps)
    name, _ = split_spec(config.network)
    tables = [
        pixel_counts(method, altered, maps[method], names) for method, altered in rows.items()
    ]
    if inverted is not None:
        tables.append(shared_pixels(maps["DE"], maps["inversion"], names))
    section.publish(
        section.Section(
            name="heat_maps",
            title=f"Where SFIs alter their pixels: {name} on {config.dataset}",
            source="paper 000, figure 10 and section 5.5",
            preset=named_preset(config),
            command=command("heat_maps", config, PRESETS[config.preset][1]),
            settings=settings_of(config),
            tables=tables,
            pictures=[
                section.Picture(
                    _FIGURE,
                    f"Pixels altered by more than {THRESHOLD}, by class: from black over red to "
                    "white in growing shares of the SFIs, white at the map's own maximum, which "
                    "stands below it.",
                )
            ],
            notes=_notes(config, evolved, inverted),
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read or trained.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_classes(config)
    for folder in config.de:
        if not folder.is_dir():
            raise FileNotFoundError(f"de: expected the folder of a sweep, got none at {folder}")
    if config.inversion is not None and not config.inversion.is_file():
        raise FileNotFoundError(f"inversion: expected a file, got none at {config.inversion}")


def named_preset(config: Config) -> str:
    """As `preset_name` has it; but how large searches were that are given, no preset says."""
    if not config.de:
        return preset_name(config, PRESETS["paper"][1])
    return "SFIs given" if config.preset == "paper" else f"{config.preset}, SFIs given"


def settings_of(config: Config) -> dict[str, Any]:
    """Without those of searches that were not made."""
    settings = shown_settings(config)
    return {name: settings[name] for name in settings if not (config.de and name in _SEARCH)}


def _range(numbers: np.ndarray) -> str:
    least, most = numbers.min(), numbers.max()
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _notes(config: Config, evolved: Evolved, inverted: Inverted | None) -> list[str]:
    notes = [
        "A pixel counts as altered where a channel differs from the base by more than "
        f"{THRESHOLD}: the paper only says intensity > 0.3.",
        f"By DE: {config.k}-SFIs on {config.color} that the network takes for their class; the "
        "paper names neither k nor colour for this figure.",
        f"They are {len(evolved.labels)}, found with {_range(evolved.num_queries)} evaluations "
        "each.",
    ]
    if inverted is None:
        notes.append("Deep feature inversion, the paper's second row, was not given (--inversion).")
    else:
        notes.append(
            f"By inversion: on {config.color} too, with lambda = {inverted.l1_weight:g}; the "
            "paper's is 1e-5."
        )
    return notes if config.de else [*notes, *budget_notes(config)]
