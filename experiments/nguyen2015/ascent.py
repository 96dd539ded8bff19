"""Nguyen et al. (2015), figures 13 and S3 to S7: fooling images by gradient ascent.

    python -m experiments nguyen2015 ascent paper --network caffenet=caffenet.safetensors

From the mean color of ImageNet and noise of one grey level, gradient ascent raises the confidence
in each of the paper's twenty classes: without a regularizer until the network is certain, and with
the paper's three sets of regularizers for the paper's numbers of steps. The paper: 99.99 % in every
class without a regularizer, a mean of 98.59 % with decay. `reduced` takes 20 minutes on two cores;
an interrupted run resumes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

import jfool
from experiments import lab
from experiments.lab.imagenet import NUM_CLASSES, imagenet_names, imagenet_victim, title_of
from experiments.nguyen2015.ascent_figures import (
    draw_ascents,
    draw_classes,
    draw_courses,
    draw_starts,
)
from experiments.nguyen2015.ascent_tables import PAPER, certain, ends, equally_sure
from experiments.nguyen2015.ascents import ASCENTS, FIGURE_13, MEAN, attack_of
from experiments.nguyen2015.figures import percent

OF_STARTS = {"s3": "S6", "s5": "S7"}  # figures of several starts
MOST_NAMED = 10  # failures
MEASURED = (  # see jfool.AttackResult
    *("confidence", "success", "confidence_uint8", "success_uint8", "stopped", "num_steps"),
    *("num_gradients", "notes.confidence", "notes.variation"),
)
Names = Annotated[tuple[Annotated[str, lab.one_of(ASCENTS)], ...], lab.distinct]


@lab.settings
class Settings:
    network: lab.ImageNetNetwork = "caffenet"  # NAME=FILE; NAME alone is untrained
    class_names: lab.ClassNames | None = None  # a JSON list of names; numbers by default
    classes: Annotated[tuple[lab.ImageNetClass, ...], lab.distinct] = tuple(PAPER["classes"])
    ascents: Names = tuple(ASCENTS)  # no_noise and s3_long, s4_long, s5_long are not the paper's
    galleries: tuple[str, ...] | None = None  # ascents whose images are all drawn; by default all
    starts: lab.Count = 5  # draws of noise for each class
    # Confidence at which an ascent without a regularizer ends.
    stop: Annotated[float, lab.between(0, 1 - 1e-7, "a confidence between 0 and 1")] = 0.9999
    most_steps: lab.Count = 5000  # of an ascent without a regularizer
    # Share of the paper's steps that an ascent with regularizers takes.
    share: Annotated[float, lab.between(0, 1, "a number above 0 and at most 1")] = 1.0
    side: lab.Side | None = None  # of the images in pixels; by default the network's own
    seed: lab.Seed = 0  # of the noise, and of random weights
    lanes: lab.Lanes = 4  # ascents side by side

    def check(self) -> None:
        known = " ".join(self.ascents)
        if FIGURE_13 not in self.ascents:
            raise ValueError(f"ascents: expected {FIGURE_13} beside others, got {known}")
        if not set(self.galleries or ()) <= set(self.ascents):
            got = f"{' '.join(self.galleries or ()):.60}"
            raise ValueError(f"galleries: expected some of {known}, got {got}")

    def num_steps(self, name: str) -> int:
        """The most that an ascent takes."""
        steps = ASCENTS[name].steps
        return max(1, round(self.share * steps)) if steps else self.most_steps


PRESETS = {
    "smoke": lab.preset(
        "a minute; an untrained SqueezeNet on small images",
        "--network squeezenet1_1 --starts 1 --most-steps 10 --share 0.01 --side 32 --lanes 20",
    ),
    "reduced": lab.preset(
        "SqueezeNet, one start, a tenth of the regularized steps",
        "--network squeezenet1_1 --galleries fig13 --starts 1 --share 0.1",
    ),
}


def records(s: Settings, run: lab.Run) -> dict[str, Any]:
    """A record for each ascent, start and class."""
    victim = imagenet_victim(s.network, s.side, s.seed)
    found = [ascend(s, run, victim, name) for name in s.ascents]
    return {"ascents": lab.Records.joined(found), "victim": victim}


def ascend(s: Settings, run: lab.Run, victim: lab.Victim, name: str) -> lab.Records:
    """Climbs to all classes from all starts.

    A class and a start have the same draw of noise in all ascents that have noise.

    Returns:
      Records by start and class: `MEASURED`, `fooled`, and of the last image `image`, `variation`
      (total variation) and `distance` from the mean color (root mean square in grey levels).
    """
    target = np.tile(np.sort(s.classes), s.starts)
    start = np.repeat(np.arange(s.starts), len(s.classes))
    # One compiled program serves all ascents: their record has the length of the longest.
    attack = attack_of(ASCENTS[name], victim, max(map(s.num_steps, s.ascents)))
    found = run.sweep(
        name,
        jax.random.key(s.seed, impl="threefry2x32"),
        attack,
        victim.model,
        jfool.AscentJob(target=target, base=np.tile(MEAN, (len(target), 1))),
        lanes=s.lanes,
        title=ASCENTS[name].title,
        num_steps=s.num_steps(name),
        until=None if ASCENTS[name].steps else jfool.confident(s.stop),
        chunk=min(s.lanes, len(target)),
        job_ids=start * NUM_CLASSES + target,
    )
    images = found.images(attack, jfool.AscentJob)
    last = np.arange(len(target)), found.column("num_steps")
    return lab.Records.of(
        ascent=name,
        start=start,
        target=target,
        **{column: found.column(column) for column in MEASURED},
        fooled=found.column("prediction") == target,
        image=images,
        variation=found.column("notes.variation")[last],
        distance=255 * np.sqrt(np.square(images - MEAN).mean(axis=(1, 2, 3))),
    )


def tables(s: Settings, found: Mapping[str, Any]) -> list[lab.Table]:
    """Certainty, last images, and total variation where something is regularized."""
    made = [certain(found["ascents"], s.stop), ends(found["ascents"])]
    regularized = any(ASCENTS[name].steps for name in s.ascents)
    return [*made, equally_sure(found["ascents"], s.stop)] if regularized else made


def pictures(s: Settings, found: Mapping[str, Any], out: Path) -> Iterator[lab.Picture]:
    """A few classes in all ascents, their course, and all classes of some."""
    ascents, names = found["ascents"], imagenet_names(s.class_names)
    draw_ascents(out / "enlarged.png", ascents, names, enlarge=True)
    caption = "A few classes in all ascents: what was added to the mean color."
    yield lab.Picture("enlarged.png", caption)
    draw_ascents(out / "images.png", ascents, names, enlarge=False)
    yield lab.Picture("images.png", "The same images as the network sees them.")
    draw_courses(out / "courses.png", ascents)
    yield lab.Picture(
        "courses.png",
        "Confidence and total variation after each step, medians; an ascent that ended is held "
        "where it was.",
    )
    for name in s.ascents if s.galleries is None else s.galleries:
        of, title = ascents.where(ascent=name), ASCENTS[name].title
        draw_classes(out / f"{name}.png", title, of, names)
        yield lab.Picture(f"{name}.png", f"{title}.")
        if name in OF_STARTS and s.starts > 1:
            draw_starts(out / f"{name}_starts.png", of, names)
            caption = f"{title}, from several starts, as in figure {OF_STARTS[name]}."
            yield lab.Picture(f"{name}_starts.png", caption)


def notes(s: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    ascents = dict(found["ascents"].groups("ascent"))
    plain, sure = ascents[FIGURE_13], f"{percent(s.stop)} %"
    yield found["victim"].note
    yield "Ascents start at ImageNet's mean color; the paper's at its mean image."
    yield (
        f"Without a regularizer an ascent ends at {sure}, as in the paper's text; its code takes "
        "500 steps."
    )
    yield (
        "The images are the last that were shown to the network, as in the paper. Decay and blur "
        "may take an ascent down again, so they are not always the most confident."
    )
    yield (
        "Total variation is the sum of the absolute differences of neighbors across and down, for "
        "each number of the image. That of the noise at the start alone is "
        f"{np.median(plain['notes.variation'][:, 0]):.2f} grey levels, which stay where there is "
        "no regularizer; the ascents without noise start at the mean color itself."
    )
    names = imagenet_names(s.class_names)
    for name, of in ascents.items():
        failed = of.rows(~of["success"]).columns("target", "confidence")
        told = [f"{names[target]} ({percent(p)} %)" for target, p in failed]
        if ASCENTS[name].steps is None and told:
            more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
            within = f"not at {sure} within {s.most_steps} steps"
            yield f"{ASCENTS[name].title}: {within}: {', '.join(told[:MOST_NAMED])}{more}."
    regularized = [name for name in ascents if ASCENTS[name].steps]
    papers = [name for name in regularized if not ASCENTS[name].ours]
    means = {name: ascents[name]["confidence"].mean() for name in papers}
    low = [f"{percent(mean)} % in {name.upper()}" for name, mean in means.items() if mean < 0.9]
    if low and plain["success"].mean() > 0.5:  # a network that ascents do fool
        yield (
            "With the paper's steps and regularizers confidences end low here (means: "
            f"{', '.join(low)}): a step aims at a gain of 0.03 at most, and where decay and blur "
            "take away as much, an ascent goes no higher. The rows 'steps x ...' are ours: the "
            "same regularizers with longer steps."
        )
    if regularized:
        yield (
            "Total variation at equal confidence: that of a regularized ascent's last image, "
            "beside that of the first image with at least its confidence (or at least "
            f"{sure}, if it has more) on the unregularized ascent to the same class from the same "
            "noise. The columns 'lower' count the ascents for which there is such an image."
        )
    lost = plain["success"] & ~plain["success_uint8"]
    if lost.any():
        yield (
            f"Rounding to 8 bits takes {lost.sum()} of {plain['success'].sum()} images of "
            f"{ASCENTS[FIGURE_13].title} below {sure}: an ascent ends as soon as it is there, and "
            "so near the mean color half a grey level counts."
        )


EXPERIMENT = lab.Experiment(
    Settings(), PRESETS, records, tables, pictures, notes,
    title=lambda s: f"Fooling images by gradient ascent: {title_of(s.network)}",
    source="Nguyen et al. (2015), figures 13 and S3 to S7, section 3.9 and supplement D",
    agenda=("--network caffenet=FILE",),
    paper="CaffeNet, five starts",
)  # fmt: skip
