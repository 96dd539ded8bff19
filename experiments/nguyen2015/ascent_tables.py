"""What ascents came to, in tables: certainty, ends, and total variation at equal confidence."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from experiments.lab.section import Cell, Table
from experiments.nguyen2015.ascents import FIGURE_13, FROM_THE_MEAN, MEAN, SETTINGS, Ascents
from experiments.nguyen2015.figures import percent

PAPER_STEPS = 500  # of figure 13, by the code; the text stops at 99.99 %
_PAPER_MEANS = {FIGURE_13: "99.99", "s3": "98.59"}
_NUM_CLASSES = 20  # of the paper

Found = Mapping[str, Ascents]


def certain(found: Found, stop: float) -> Table:
    """The ascents that end at a confidence: how many come there, and what 8 bits leave of it."""
    sure = f"at {percent(stop)} %"
    rows = [name for name in found if SETTINGS[name].steps is None]
    return Table(
        title=f"Without a regulariser, until the confidence is {percent(stop)} %",
        columns=[
            sure,
            f"by step {PAPER_STEPS}",
            "classes, from every start",
            "median steps",
            "most steps",
            f"8 bits: {sure}",
            "8 bits: median (%)",
            "8 bits: over 50 %",
            "gradients",
        ],
        rows=[SETTINGS[name].title for name in rows],
        measured=[_certainty(found[name]) for name in rows],
        paper=[
            [_of(_NUM_CLASSES), None, _of(_NUM_CLASSES), *[None] * 6]
            if name == FIGURE_13
            else [None] * 9
            for name in rows
        ],
    )


def _certainty(of: Ascents) -> list[Cell]:
    classes = np.unique(of.labels)
    everywhere = sum(bool(of.reached[of.labels == label].all()) for label in classes)
    steps = of.num_steps[of.reached]
    return [
        _count(of.reached),
        _count(of.reached & (of.num_steps <= PAPER_STEPS)),
        f"{everywhere} of {len(classes)}",
        float(np.median(steps)) if steps.size else None,
        int(steps.max()) if steps.size else None,
        _count(of.reached_uint8),
        percent(float(np.median(of.confidence_uint8))),
        _count(of.confidence_uint8 > 0.5),
        int(of.num_gradients.sum()),
    ]


def ends(found: Found) -> Table:
    """The last images of all settings."""
    return Table(
        title="The last images",
        columns=[
            "steps",
            "mean confidence (%)",
            "median (%)",
            "as sought",
            "distance from the mean (grey levels)",
            "total variation",
            "8 bits: mean (%)",
            "8 bits: over 50 %",
            "gradients",
        ],
        rows=[SETTINGS[name].title for name in found],
        measured=[_end(of) for of in found.values()],
        paper=[
            [
                PAPER_STEPS if name == FIGURE_13 else None if SETTINGS[name].ours else steps,
                _PAPER_MEANS.get(name),
                *[None] * 7,
            ]
            for name in found
            for steps in [SETTINGS[name].steps]
        ],
    )


def _end(of: Ascents) -> list[Cell]:
    distance = 255 * np.sqrt(np.square(of.images - MEAN).mean(axis=(1, 2, 3)))
    return [
        float(np.median(of.num_steps)),
        percent(float(of.confidence.mean())),
        percent(float(np.median(of.confidence))),
        _count(of.prediction == of.labels),
        float(np.median(distance)),
        float(np.median(of.last_variation)),
        percent(float(of.confidence_uint8.mean())),
        _count(of.confidence_uint8 > 0.5),
        int(of.num_gradients.sum()),
    ]


def equally_sure(found: Found, stop: float) -> Table:
    """Total variation of the last image of each regularised ascent, and that of the unregularised
    one of the same class and start where it was first as confident."""
    rows = [name for name in found if SETTINGS[name].steps is not None]
    others = [name for name in (FIGURE_13, FROM_THE_MEAN) if name in found]
    titles = [SETTINGS[name].title for name in others]
    return Table(
        title="Total variation at equal confidence (medians, in grey levels)",
        columns=[
            "confidence (%)",
            "total variation",
            *titles,
            *(f"lower than {title}" for title in titles),
        ],
        rows=[SETTINGS[name].title for name in rows],
        measured=[_equal(found[name], [found[other] for other in others], stop) for name in rows],
    )


def _equal(regularised: Ascents, others: Sequence[Ascents], stop: float) -> list[Cell]:
    confidence = np.minimum(regularised.confidence, stop)
    beside = [variation_when(of, confidence) for of in others]
    lower = [(regularised.last_variation < of)[~np.isnan(of)] for of in beside]
    return [
        percent(float(np.median(confidence))),
        float(np.median(regularised.last_variation)),
        *(float(np.nanmedian(of)) if np.isfinite(of).any() else None for of in beside),
        *(_count(of) for of in lower),
    ]


def variation_when(
    ascents: Ascents, confidence: Float[np.ndarray, " R"]
) -> Float[np.ndarray, " R"]:
    """Total variation of the first image shown that is at least as confident as is asked for; of
    the last, if the ascent stopped at what is asked for; NaN where it did not come there."""
    there = ascents.course >= confidence[:, None]
    rows = np.arange(len(there))
    variation = np.where(
        there.any(axis=1), ascents.variation[rows, there.argmax(axis=1)], ascents.last_variation
    )
    came = there.any(axis=1) | (ascents.stopped & ~np.isnan(confidence))
    return np.where(came, variation, np.nan)


def _count(which: Bool[np.ndarray, " R"]) -> str:
    return _of(len(which), int(which.sum()))


def _of(total: int, count: int | None = None) -> str:
    return f"{total if count is None else count} of {total}"
