"""What ascents look like, and what is to be said of them."""

from collections.abc import Mapping

import numpy as np

from experiments.lab import section
from experiments.lab.victims import split_spec
from experiments.nguyen2015.ascent_config import CLASSES, PRESETS, Config
from experiments.nguyen2015.ascent_figures import (
    draw_classes,
    draw_courses,
    draw_settings,
    draw_starts,
)
from experiments.nguyen2015.ascents import FIGURE_13, SETTINGS, Ascents
from experiments.nguyen2015.figures import percent

_OF_STARTS = {"s3": "S6", "s5": "S7"}  # figures of several starts
_TALKATIVE = 10  # failures named at most

Found = Mapping[str, Ascents]


def pictures(config: Config, found: Found, names: tuple[str, ...]) -> list[section.Picture]:
    """Draws all of them."""
    drawn = [
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
    for name in config.settings if config.galleries is None else config.galleries:
        ascents = found[name]
        draw_classes(config.out / f"{name}.png", SETTINGS[name].title, ascents, names)
        drawn.append(section.Picture(f"{name}.png", f"{SETTINGS[name].title}."))
        if name in _OF_STARTS and config.starts > 1:
            file = f"{name}_starts.png"
            draw_starts(config.out / file, ascents, names)
            caption = (
                f"{SETTINGS[name].title}, from several starts, as in figure {_OF_STARTS[name]}."
            )
            drawn.append(section.Picture(file, caption))
    return drawn


def remarks(config: Config, found: Found, names: tuple[str, ...]) -> list[str]:
    """What a reader must know, failures included."""
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


def _failures(config: Config, found: Found, names: tuple[str, ...]) -> list[str]:
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


def _low(found: Found) -> list[str]:
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
