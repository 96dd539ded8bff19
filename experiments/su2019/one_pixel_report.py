"""What attacks on photographs came to, beside the slides of paper 004."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from experiments.lab import section
from experiments.lab.gallery import Tile, draw_gallery
from experiments.lab.judging import wilson
from experiments.lab.matrix import draw_matrix
from experiments.lab.section import floored

# Percent: accuracy, targeted, untargeted, confidence, by network and number of pixels.
PAPER = {
    ("allconv", 1): (85.6, 19.82, 68.71, 79.40),
    ("nin", 1): (87.2, 23.15, 71.66, 75.02),
    ("cifar_vgg16", 1): (83.3, 16.48, 63.53, 67.67),
    ("BVLC", 1): (57.3, None, 16.04, 22.91),
    ("not named", 3): (None, 40.57, 86.53, None),
    ("not named", 5): (None, 44.00, 86.34, None),
}
RATE_LABELS = {3: 79.17, 5: 77.09}
_COLUMNS = ("accuracy", "targeted", "95 %", "untargeted", "95 %", "confidence")
_MOST_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Attacks:
    """Attacks on one network; a row for each image, target and k.

    Attributes:
      k: `[R]`, altered pixels.
      image: `[R]`, index of the test image.
      label, target, prediction: `[R]`, of the image before; sought; of the image behind.
      confidence: `[R]`, of the target, behind.
      before: `[R]`, of the label, before.
      num_queries: `[R]`.
      natural, attacked: `[R, H, W, C]` in [0, 1].
    """

    k: Int[np.ndarray, " R"]
    image: Int[np.ndarray, " R"]
    label: Int[np.ndarray, " R"]
    target: Int[np.ndarray, " R"]
    prediction: Int[np.ndarray, " R"]
    confidence: Float[np.ndarray, " R"]
    before: Float[np.ndarray, " R"]
    num_queries: Int[np.ndarray, " R"]
    natural: Float[np.ndarray, "R H W C"]
    attacked: Float[np.ndarray, "R H W C"]

    @property
    def success(self) -> np.ndarray:
        """`[R]`, whether the target is predicted."""
        return self.prediction == self.target

    @property
    def num_images(self) -> int:
        return len(np.unique(self.image))

    def of(self, k: int) -> "Attacks":
        """Those with k pixels."""
        return Attacks(**{f.name: getattr(self, f.name)[self.k == k] for f in fields(self)})


@dataclass(frozen=True)
class Rates:
    """
    Attributes:
      num_images: attacked.
      targeted: share of the attacks that succeed.
      untargeted: share of the images of which any attack succeeds.
      confidence: of the targets of the attacks that succeed, the mean; None where none does.
      targets_per_image: number of classes that an image can be turned into, the mean.
    """

    num_images: int
    targeted: float
    untargeted: float
    confidence: float | None
    targets_per_image: float


def rates_of(attacks: Attacks) -> Rates:
    """Of attacks with one k."""
    success = attacks.success
    per_image = [success[attacks.image == image].sum() for image in np.unique(attacks.image)]
    return Rates(
        num_images=attacks.num_images,
        targeted=float(success.mean()),
        untargeted=float(np.mean(np.array(per_image) > 0)),
        confidence=float(attacks.confidence[success].mean()) if success.any() else None,
        targets_per_image=float(np.mean(per_image)),
    )


def table(
    rates: Mapping[tuple[str, int], Rates], accuracy: Mapping[str, float], dataset: str
) -> section.Table:
    """A row for each network and k, on CIFAR-10 also for those that only the paper has."""
    paper = PAPER if dataset == "cifar10" else {}
    rows = [*rates, *(row for row in paper if row not in rates)]
    measured = [
        _cells(rates[row], accuracy[row[0]]) if row in rates else [None] * len(_COLUMNS)
        for row in rows
    ]
    theirs = []
    for row in rows:
        of_all, targeted, untargeted, confidence = paper.get(row, (None,) * 4)
        theirs.append([of_all, targeted, None, untargeted, None, confidence])
    heads = [f"{name}, {k} pixel{'s' * (k > 1)}" for name, k in rows]
    title = "Attacks on test images, %"
    return section.Table(title, _COLUMNS, heads, measured, theirs if paper else None)


def _cells(rates: Rates, accuracy: float) -> list[section.Cell]:
    confidence = None if rates.confidence is None else 100 * rates.confidence
    return [
        100 * accuracy,
        100 * rates.targeted,
        _interval(rates.targeted, rates.num_images),
        100 * rates.untargeted,
        _interval(rates.untargeted, rates.num_images),
        confidence,
    ]


def _interval(rate: float, num_images: int) -> str:
    low, high = wilson(rate, num_images)
    return f"{100 * low:.1f} to {100 * high:.1f}"


def pictures(
    found: Mapping[str, Attacks], ks: Sequence[int], names: Sequence[str], out: Path
) -> list[section.Picture]:
    """For each network and k, which classes are turned into which."""
    made = []
    for network, attacks in found.items():
        for k in ks:
            file = f"{network}_{k}.png"
            draw_pairs(out / file, attacks.of(k), names)
            made.append(
                section.Picture(
                    file,
                    f"{network}, k = {k}: of the images of each class, how many are turned into "
                    "each other class.",
                )
            )
    return made


def draw_pairs(path: Path, attacks: Attacks, names: Sequence[str]) -> None:
    """Attacks that succeed, of all, by the class of the image and the class sought."""
    classes = range(len(names))
    shares, texts = np.full((len(names), len(names)), np.nan), []
    for label in classes:
        texts.append([""] * len(names))
        for target in classes:
            hits = attacks.success[(attacks.label == label) & (attacks.target == target)]
            if len(hits):
                shares[label, target] = hits.mean()
                texts[label][target] = f"{hits.sum()} of {len(hits)}"
    titles = {"row_title": "class of the image", "column_title": "class sought"}
    draw_matrix(path, shares.tolist(), texts, names, names, **titles)


def galleries(
    found: Mapping[str, Attacks], ks: Sequence[int], names: Sequence[str], out: Path
) -> list[section.Picture]:
    """For each network that was fooled, images before and behind."""
    made = []
    for network, attacks in found.items():
        pairs = [(k, shown) for k in ks if (shown := most_confident(attacks.of(k), names))]
        if not pairs:
            continue
        width = max(len(shown) for _, shown in pairs)
        rows, heads = [], []
        for k, shown in pairs:
            for side, head in enumerate(("original", f"{k} pixel{'s' * (k > 1)}")):
                rows.append([pair[side] for pair in shown] + [None] * (width - len(shown)))
                heads.append(head)
        file = f"{network}.png"
        draw_gallery(out / file, rows, heads, [str(i + 1) for i in range(width)])
        caption = (
            f"Test images that {network} classifies correctly, above, and what altered pixels turn "
            "them into, below, with confidences; for each number of pixels the most confident."
        )
        made.append(section.Picture(file, caption))
    return made


def most_confident(attacks: Attacks, names: Sequence[str]) -> list[tuple[Tile, Tile]]:
    """Of each image that was fooled the most confident attack; before and behind."""
    best = [i for i in np.argsort(-attacks.confidence, kind="stable") if attacks.success[i]]
    _, first = np.unique(attacks.image[best], return_index=True)
    label, target = (
        [f"{names[c]}: {floored(float(p))} %" for c, p in zip(classes, confidence, strict=True)]
        for classes, confidence in (
            (attacks.label, attacks.before),
            (attacks.target, attacks.confidence),
        )
    )
    return [
        (Tile(attacks.natural[i], label[i]), Tile(attacks.attacked[i], target[i]))
        for i in (best[j] for j in sorted(first)[:_MOST_SHOWN])
    ]
