"""What is left of a model's accuracy after attacks that ran one after another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jfool.metrics.rates import Rate

UNBROKEN, CLEAN = "", "clean"


@dataclass(frozen=True)
class StageOutcome:
    """What one attack did.

    Attributes:
      robust_accuracy: that is left after it, over all images.
      num_attacked, num_broken: images that were still right before it, and of these the broken.
      num_queries, num_gradients: images that it showed to the model, and differentiated.
      seconds: that it took in this call, compilation included; next to nothing where it was read
        from a folder.
    """

    robust_accuracy: Rate
    num_attacked: int
    num_broken: int
    num_queries: int
    num_gradients: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Robustness:
    """What attacks made of `N` images. `print` shows it as a table.

    Attributes:
      clean_accuracy, robust_accuracy: over all images; an image that was wrong before any attack is
        not robust.
      stages: what each attack did, by its name, in their order.
      broken_by: `[N]`, the name of the stage that broke the image, "clean" if it was wrong before,
        "" if it is robust.
      images: `[N, H, W, C]`, the adversarial images; those that no stage broke as they were.
      distances: `[N]`, of the adversarial images from the originals, in the norm of the constraint;
        NaN where no stage broke the image.
      num_queries, num_gradients: `[N]`, of all stages together.
      warnings: what makes the figures doubtful, one sentence each.
    """

    clean_accuracy: Rate
    robust_accuracy: Rate
    stages: Mapping[str, StageOutcome]
    broken_by: np.ndarray
    images: Float[np.ndarray, "N H W C"]
    distances: Float[np.ndarray, " N"]
    num_queries: Int[np.ndarray, " N"]
    num_gradients: Int[np.ndarray, " N"]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        width = max(len("robust accuracy"), *(len(f"after {name}") for name in self.stages))
        lines = [f"{'clean accuracy':{width}}  {_told(self.clean_accuracy)}"]
        for name, of in self.stages.items():
            broke = f"broke {of.num_broken} of {of.num_attacked}"
            head = f"{f'after {name}':{width}}"
            lines.append(f"{head}  {_told(of.robust_accuracy)}, {broke}")
        lines.append(f"{'robust accuracy':{width}}  {_told(self.robust_accuracy)}")
        return "\n".join([*lines, *(f"warning: {sentence}" for sentence in self.warnings)])


def _told(rate: Rate) -> str:
    low, high = 100 * rate.low, 100 * rate.high
    return f"{100 * rate.rate:5.1f} % of {rate.num_images} images ({low:.1f} to {high:.1f})"
