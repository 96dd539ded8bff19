"""Draws first.png: what two networks are sure to see in images that mean nothing to us.

    python docs/figures/first.py cifar10_resnet20.safetensors

Top: five pixels on one colour, found here by `jfool.GreedyFooling` (seed 0) for the ResNet20 of
He et al. on CIFAR-10; confidences after rounding to 8 bits. Bottom: images that
`jfool.EvolvedFooling` grew for classes of ImageNet and SqueezeNet, cut from the gallery that the
experiment `evolved_imagenet` drew.
"""

import sys
from pathlib import Path

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

import jfool
import models

DOCS = Path(__file__).parents[1]
EVOLVED = "imagenet/diversity.png"
COLORS = {
    "black": (0, 0, 0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1, 1, 1),
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
}
# Colour and class of CIFAR-10; the place in this list decides the random draws.
SPARSE = (
    *(("blue", 1), ("red", 2), ("black", 3), ("white", 5)),
    *(("green", 6), ("black", 7), ("grey", 8), ("grey", 4)),
)
# Class, confidence in %, and the corner (x, y) of its tile in `EVOLVED`; tiles are 224 pixels wide.
GROWN = (
    ("coil", 99.88, (116, 72)),
    ("baseball", 99.98, (358, 353)),
    ("maze", 99.85, (600, 72)),
    ("theater curtain", 98.35, (1084, 72)),
    ("brain coral", 98.01, (1326, 72)),
    ("window shade", 97.89, (1568, 72)),
    ("oscilloscope", 98.94, (842, 72)),
    ("spider web", 97.36, (1810, 72)),
)


def main(weights: str) -> None:
    sparse, confidence = five_pixels(weights)
    names = models.class_names("cifar10")
    (evolved,) = DOCS.glob(f"*/{EVOLVED}")
    picture = np.asarray(Image.open(evolved).convert("RGB"))
    mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8.5})
    figure, axes = plt.subplots(2, len(SPARSE), figsize=(10, 3.25), dpi=200)
    by_class = np.argsort([label for _, label in SPARSE])
    for axis, i in zip(axes[0], by_class, strict=True):
        show(axis, sparse[i], names[SPARSE[i][1]], 100 * float(confidence[i]))
    for axis, (name, percent, (x, y)) in zip(axes[1], GROWN, strict=True):
        show(axis, picture[y : y + 224, x : x + 224], name, percent)
    figure.subplots_adjust(left=0.004, right=0.996, bottom=0.105, top=0.93, wspace=0.06, hspace=0.5)
    for row, title in (
        (0, "Five pixels on one colour, and what ResNet20 sees in them (CIFAR-10)"),
        (1, "Images grown by evolution, and what SqueezeNet sees in them (ImageNet)"),
    ):
        axes[row, 0].set_title(title, loc="left", fontsize=9.5, fontweight="bold", pad=5)
    out = Path(__file__).with_suffix(".png")
    figure.savefig(out)
    Image.open(out).convert("RGB").quantize(256, dither=Image.Dither.NONE, kmeans=3).save(
        out, optimize=True
    )
    print(f"{out}: {out.stat().st_size} bytes")


def five_pixels(weights: str) -> tuple[np.ndarray, np.ndarray]:
    """Images `[8, 32, 32, 3]` and the confidence in their classes."""
    model = models.load("cifar_resnet20", weights, (32, 32, 3), 10)
    colors, labels = zip(*SPARSE, strict=True)
    jobs = jfool.SparseJob(
        target=np.array(labels),
        base=np.array([COLORS[color] for color in colors], np.float32),
        k=np.full(len(SPARSE), 5),
    )
    result = jfool.run(
        jax.random.key(0),
        jfool.GreedyFooling((32, 32, 3), 10, max_k=5),
        model,
        jobs,
        num_steps=400,
        until=jfool.confident(0.985),
        chunk=192,
    )
    assert (np.asarray(result.prediction) == labels).all()
    return np.asarray(result.images), np.asarray(result.confidence_uint8)


def show(axis: Axes, image: np.ndarray, name: str, percent: float) -> None:
    """The confidence is rounded down, as in the papers' tables."""
    axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(f"{name}\n{np.floor(10 * percent + 1e-6) / 10:.1f} %", labelpad=3)
    for spine in axis.spines.values():
        spine.set(color="0.6", linewidth=0.6)


if __name__ == "__main__":
    main(sys.argv[1])
