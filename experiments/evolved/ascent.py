"""Fooling images by gradient ascent: paper 001, section 3.9, figures 13 and S3 to S7.

    python -m experiments ascent paper --network caffenet=caffenet.safetensors

From the mean colour of ImageNet and noise of one grey level, images climb the confidence in each of
the paper's twenty classes: without a regulariser until the network is certain, and with the paper's
three sets of regularisers for its numbers of steps. An interrupted run goes on where it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from experiments import section
from experiments.evolved.ascent_figures import (
    draw_classes,
    draw_courses,
    draw_settings,
    draw_starts,
)
from experiments.evolved.ascent_tables import certain, ends, equally_sure
from experiments.evolved.ascents import FIGURE_13, SETTINGS, Ascents, Setting, ascend
from experiments.evolved.figures import percent
from experiments.sparse.imagenet_network import (
    NUM_CLASSES,
    check_network,
    imagenet_names,
    imagenet_victim,
)
from experiments.sparse.shown import check_least, command, shown_settings
from experiments.victims import check_seed, split_spec

# The classes that the paper's code climbs to.
CLASSES = (
    *(200, 207, 215, 279, 366, 367, 390, 414, 445, 500),
    *(509, 580, 643, 657, 704, 713, 782, 805, 826, 906),
)
_OF_STARTS = {"s3": "S6", "s5": "S7"}  # figures of several starts
_TALKATIVE = 10  # failures named at most


@dataclass(frozen=True)
class Config:
    """
    Attributes:
      network: NAME=FILE of a network with 1 000 classes; NAME alone is untrained.
      class_names: a JSON list of the 1 000 names; numbers by default.
      classes: the classes sought.
      settings: out of fig13, no_noise, s3, s4, s5, s3_long, s4_long, s5_long; the last three, and
        no_noise, are not the paper's.
      starts: draws of noise for each class.
      stop: confidence at which an ascent without a regulariser ends.
      most_steps: of an ascent without a regulariser.
      share: of the paper's steps with regularisers.
      side: of the images in pixels; by default the network's own.
      seed: of the noise, and of random weights.
      lanes: ascents side by side.
      out: folder of the section and of the sweeps.
    """

    network: str = "caffenet"
    class_names: Path | None = None
    classes: tuple[int, ...] = CLASSES
    settings: tuple[str, ...] = tuple(SETTINGS)
    starts: int = 5
    stop: float = 0.9999
    most_steps: int = 5000
    share: float = 1.0
    side: int | None = None
    seed: int = 0
    lanes: int = 4
    out: Path = Path("runs/ascent")
    preset: tyro.conf.Suppress[str] = "paper"


PRESETS: dict[str, tuple[str, Config]] = {
    "smoke": (
        "a minute; an untrained SqueezeNet on small images",
        Config(
            network="squeezenet1_1",
            starts=1,
            most_steps=10,
            share=0.01,
            side=32,
            lanes=20,
            preset="smoke",
        ),
    ),
    "reduced": (
        "about 20 minutes on two cores for SqueezeNet: one start, a tenth of the regularised steps",
        Config(network="squeezenet1_1", starts=1, share=0.1, preset="reduced"),
    ),
    "paper": ("the paper's: CaffeNet, five starts", Config()),
}


def main(config: Config) -> None:
    """Climbs, draws, and publishes the section."""
    check(config)
    victim = imagenet_victim(config.network, config.side, config.seed)
    names = imagenet_names(config.class_names)
    found = {
        name: ascend(
            SETTINGS[name],
            victim.model,
            victim.model.image_shape,
            NUM_CLASSES,
            config.classes,
            starts=config.starts,
            num_steps=_num_steps(config, SETTINGS[name]),
            most_steps=max(_num_steps(config, SETTINGS[name]) for name in config.settings),
            stop=config.stop,
            seed=config.seed,
            lanes=config.lanes,
            folder=config.out / name,
        )
        for name in config.settings
    }
    tables = [certain(found, config.stop), ends(found)]
    if any(SETTINGS[name].steps for name in found):
        tables.append(equally_sure(found, config.stop))
    section.publish(
        section.Section(
            name="ascent",
            title=f"Fooling images by gradient ascent: {victim.title}",
            source="paper 001, figures 13 and S3 to S7, section 3.9 and supplement D",
            preset=config.preset,
            command=command("ascent", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=tables,
            pictures=_pictures(config, found, names),
            notes=[victim.note, *_notes(config, found, names)],
            data={name: _data(of) for name, of in found.items()},
        ),
        config.out,
    )


def check(config: Config) -> None:
    """Refuses settings that cannot work, before anything is read.

    Raises:
      ValueError, FileNotFoundError: naming the setting, what was expected and what came.
    """
    check_network(config.network, config.side)
    check_seed(config.seed)
    check_least(config, {"starts": 1, "most_steps": 1, "lanes": 1})
    unknown = set(config.settings) - set(SETTINGS)
    if unknown or len(set(config.settings)) < len(config.settings):
        got = " ".join(config.settings)
        raise ValueError(f"settings: expected some of {', '.join(SETTINGS)}, each once, got {got}")
    if FIGURE_13 not in config.settings:
        got = " ".join(config.settings) or "none"
        raise ValueError(f"settings: expected {FIGURE_13}, beside which others stand, got {got}")
    classes = config.classes
    if not classes or len(set(classes)) < len(classes) or not set(classes) <= set(range(1000)):
        raise ValueError(f"classes: expected some from 0 to 999, each once, got {classes}")
    if not 0 < config.stop < 1:
        raise ValueError(f"stop: expected a confidence between 0 and 1, got {config.stop}")
    if not 0 < config.share <= 1:
        raise ValueError(f"share: expected a number above 0 and at most 1, got {config.share}")


def _num_steps(config: Config, setting: Setting) -> int:
    return max(1, round(config.share * setting.steps)) if setting.steps else config.most_steps


def _pictures(
    config: Config, found: Mapping[str, Ascents], names: tuple[str, ...]
) -> list[section.Picture]:
    """Drawn, with captions."""
    pictures = [
        section.Picture(
            "enlarged.png", "A few classes in all settings: what was added to the mean colour."
        ),
        section.Picture("images.png", "The same images as the network sees them."),
        section.Picture(
            "courses.png",
            "Confidence and total variation behind each step, medians; an ascent that ended is "
            "held where it was.",
        ),
    ]
    draw_settings(config.out / "enlarged.png", found, names, enlarge=True)
    draw_settings(config.out / "images.png", found, names, enlarge=False)
    draw_courses(config.out / "courses.png", found)
    for name, ascents in found.items():
        draw_classes(config.out / f"{name}.png", SETTINGS[name].title, ascents, names)
        pictures.append(section.Picture(f"{name}.png", f"{SETTINGS[name].title}."))
        if name in _OF_STARTS and config.starts > 1:
            file = f"{name}_starts.png"
            draw_starts(config.out / file, ascents, names)
            caption = (
                f"{SETTINGS[name].title}, from several starts, as in figure {_OF_STARTS[name]}."
            )
            pictures.append(section.Picture(file, caption))
    return pictures


def _notes(config: Config, found: Mapping[str, Ascents], names: tuple[str, ...]) -> list[str]:
    plain = found[FIGURE_13]
    notes = [
        "Ascents start at ImageNet's mean colour; the paper's at its mean image.",
        f"Without a regulariser an ascent ends at {percent(config.stop)} %, as in the paper's "
        "text; its code takes 500 steps.",
        "The images are the last that were shown to the network, not the most confident: as in the "
        "paper, and decay and blur may take an ascent down again.",
        "Total variation is the sum of the absolute differences of neighbours across and down, for "
        "each number of the image. That of the noise at the start alone is "
        f"{np.median(plain.variation[:, 0]):.2f} grey levels, which stay where there is no "
        "regulariser; the ascents without noise start at the mean colour itself.",
        *_failures(config, found, names),
        *_low(found),
    ]
    if any(SETTINGS[name].steps for name in found):
        notes.append(
            "Total variation at equal confidence: a regularised ascent's last image beside the "
            "first image with at least its confidence, or at least "
            f"{percent(config.stop)} % if it has more, on the unregularised ascent to the same "
            "class from the same noise; the columns 'lower' count the ascents for which there is "
            "such an image."
        )
    lost = plain.reached & ~plain.reached_uint8
    if lost.any():
        notes.append(
            f"Rounding to 8 bits takes {lost.sum()} of {plain.reached.sum()} images of "
            f"{SETTINGS[FIGURE_13].title} below {percent(config.stop)} %: an ascent ends as soon "
            "as it is there, and so near the mean colour half a grey level counts."
        )
    return notes + _smaller(config)


def _failures(config: Config, found: Mapping[str, Ascents], names: tuple[str, ...]) -> list[str]:
    """By setting, who did not come to certainty."""
    notes = []
    for name, of in found.items():
        if SETTINGS[name].steps is None and not of.reached.all():
            failed = np.flatnonzero(~of.reached)
            told = [f"{names[of.labels[i]]} ({percent(of.confidence[i])} %)" for i in failed]
            more = f" and {len(told) - _TALKATIVE} more" if len(told) > _TALKATIVE else ""
            notes.append(
                f"{SETTINGS[name].title}: not at {percent(config.stop)} % within "
                f"{config.most_steps} steps: {', '.join(told[:_TALKATIVE])}{more}."
            )
    return notes


def _low(found: Mapping[str, Ascents]) -> list[str]:
    """Whether the paper's regularisers win over its steps, on a network that ascents do fool."""
    if not found[FIGURE_13].reached.mean() > 0.5:
        return []
    low = {
        name: of
        for name, of in found.items()
        if SETTINGS[name].steps and not SETTINGS[name].ours and of.confidence.mean() < 0.9
    }
    if not low:
        return []
    told = ", ".join(
        f"{percent(of.confidence.mean())} % in {name.upper()}" for name, of in low.items()
    )
    return [
        f"With the paper's steps and regularisers confidences end low here (means: {told}): a step "
        "aims at a gain of 0.03 at most, and where decay and blur take away as much, an ascent "
        "goes no higher. The rows 'steps x ...' are ours: the same regularisers with longer steps."
    ]


def _smaller(config: Config) -> list[str]:
    notes = []
    paper = PRESETS["paper"][1]
    if split_spec(config.network)[0] != paper.network:
        notes.append("The paper's network is CaffeNet.")
    if config.share < 1:
        notes.append(
            f"Smaller than in the paper: {config.share:.3g} of its steps with regularisers."
        )
    if config.starts < paper.starts:
        notes.append(
            f"Smaller than in the paper: {config.starts} of {paper.starts} starts for each class."
        )
    if len(config.classes) < len(CLASSES):
        notes.append(f"Smaller than in the paper: {len(config.classes)} of {len(CLASSES)} classes.")
    return notes


def _data(of: Ascents) -> dict[str, np.ndarray]:
    return {
        "labels": of.labels,
        "confidence": of.confidence,
        "confidence_uint8": of.confidence_uint8,
        "predicted": of.prediction,
        "num_steps": of.num_steps,
        "total_variation": of.last_variation,
    }
