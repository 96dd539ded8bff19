"""How ascents end, in tables: certainty, last images, and total variation at equal confidence."""

import numpy as np
from jaxtyping import Bool, Float

from experiments import lab
from experiments.nguyen2015.ascents import ASCENTS, FIGURE_13, FROM_THE_MEAN
from experiments.nguyen2015.figures import median, percent

PAPER = lab.published(__file__)["ascent"]
PAPER_STEPS = PAPER["ends"][FIGURE_13]["steps"]


def certain(found: lab.Records, stop: float) -> lab.Table:
    """The ascents that end at a confidence: how many come there, and what 8 bits leave of it."""
    sure, rows, paper = f"at {percent(stop)} %", {}, {}
    for name, of in found.groups("ascent"):
        if ASCENTS[name].steps is not None:
            continue
        reached, rounded = of["success"], of["confidence_uint8"]
        everywhere = np.array([part["success"].all() for _, part in of.groups("target")])
        steps = of["num_steps"][reached]
        paper[ASCENTS[name].title] = PAPER["certain"].get(name, {})
        rows[ASCENTS[name].title] = {
            sure: count(reached),
            f"by step {PAPER_STEPS}": count(reached & (of["num_steps"] <= PAPER_STEPS)),
            "classes, from every start": count(everywhere),
            "median steps": float(np.median(steps)) if steps.size else None,
            "most steps": int(steps.max()) if steps.size else None,
            f"8 bits: {sure}": count(of["success_uint8"]),
            "8 bits: median (%)": median(rounded),
            "8 bits: over 50 %": count(rounded > 0.5),
            "gradients": int(of["num_gradients"].sum()),
        }
    title = f"Without a regularizer, until the confidence is {percent(stop)} %"
    return lab.table(title, rows, paper, columns=list(rows[ASCENTS[FIGURE_13].title]))


def ends(found: lab.Records) -> lab.Table:
    """The last images of all ascents."""
    rows, paper = {}, {}
    for name, of in found.groups("ascent"):
        confidence, rounded = of["confidence"], of["confidence_uint8"]
        paper[ASCENTS[name].title] = PAPER["ends"].get(name, {})
        rows[ASCENTS[name].title] = {
            "steps": float(np.median(of["num_steps"])),
            "mean confidence (%)": percent(confidence.mean()),
            "median (%)": median(confidence),
            "as sought": count(of["fooled"]),
            "distance from the mean (grey levels)": float(np.median(of["distance"])),
            "total variation": float(np.median(of["variation"])),
            "8 bits: mean (%)": percent(rounded.mean()),
            "8 bits: over 50 %": count(rounded > 0.5),
            "gradients": int(of["num_gradients"].sum()),
        }
    return lab.table("The last images", rows, paper)


def equally_sure(found: lab.Records, stop: float) -> lab.Table:
    """Total variation of the last image of each regularized ascent, and that of the unregularized
    one of the same class and start where it was first as confident."""
    ascents = dict(found.groups("ascent"))
    others = {ASCENTS[n].title: ascents[n] for n in (FIGURE_13, FROM_THE_MEAN) if n in ascents}
    rows = {}
    for name, of in ascents.items():
        if ASCENTS[name].steps is None:
            continue
        confidence, variation = np.minimum(of["confidence"], stop), of["variation"]
        beside = {title: variation_when(other, confidence) for title, other in others.items()}
        rows[ASCENTS[name].title] = {
            "confidence (%)": median(confidence),
            "total variation": float(np.median(variation)),
            **{title: median_of(there) for title, there in beside.items()},
            **{
                f"lower than {title}": count((variation < there)[~np.isnan(there)])
                for title, there in beside.items()
            },
        }
    return lab.table("Total variation at equal confidence (medians, in grey levels)", rows)


def variation_when(of: lab.Records, confidence: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Total variation of the first image shown that is at least as confident as is asked for; of
    the last, if the ascent stopped at what is asked for; NaN where it did not come there."""
    there = of["notes.confidence"] >= confidence[:, None]
    first = of["notes.variation"][np.arange(len(of)), there.argmax(axis=1)]
    stopped = of["stopped"] & ~np.isnan(confidence)
    return np.where(there.any(axis=1), first, np.where(stopped, of["variation"], np.nan))


def median_of(values: Float[np.ndarray, " R"]) -> float | None:
    """Of those that are there."""
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None


def count(which: Bool[np.ndarray, " R"]) -> str:
    return f"{int(which.sum())} of {len(which)}"
