"""Sparse fooling images by deep feature inversion. (Kumano et al., 2020, sec. 3.2, equation 1)"""

from typing import Any

import numpy as np
from jax.typing import ArrayLike

from jfool.arguments import (
    check_base,
    check_classes,
    check_image_shape,
    check_num_classes,
    check_part,
)
from jfool.base import pytree, static
from jfool.composition import Composed
from jfool.encodings.pixels import Pixels
from jfool.features import FeatureMatch, check_layer
from jfool.numbers import check_number, in_32_bits, is_real, known, values_of
from jfool.penalties import L1
from jfool.renamed import renamed
from jfool.search.gradient_ascent import GradientAscent, Penalty


@renamed(label="target")
@pytree
class InversionJob:
    """The data of one inversion; a sweep has a leading axis N on every field.

    Attributes:
      target: `[]` int, the class to reach: that of the natural image.
      base: `[C]`, the color z_b, float in [0, 1].
      features: `[D]`, Phi(x0) of the natural image, by `jfool.features.show_features`.
      l1_weight: `[]`, lambda; the paper's is 1e-5.
    """

    target: ArrayLike
    base: ArrayLike
    features: ArrayLike
    l1_weight: ArrayLike


@pytree
class FeatureInversion(Composed):
    """A plain color with few altered pixels and the deep features of a natural image.

      argmin over alpha of ||Phi(z_b + alpha) - Phi(x0)||^2 / ||Phi(x0)||^2 + lambda ||alpha||_1

    The paper does not state the optimizer and its step size, the start (here alpha = 0), that
    images stay in [0, 1], or how alpha becomes exactly sparse (here `jfool.penalties`). The answer
    is the image with the lowest value so far. Where the gradient at the plain color is zero, as on
    black for layers without bias or normalization, the search does not move.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      layer: Phi, by name; the paper uses the second to last layer.
      ascent: gradient search with any optax optimizer.
      penalty: `L1()` as in the paper, `GroupL1()` to zero whole pixels, or `SmoothL1()`.
    Example:
      >>> import optax
      >>> ascent = GradientAscent(0.1, optax.sgd)
      >>> FeatureInversion((32, 32, 3), 10, layer="pool", ascent=ascent).targeted
      True
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    layer: str = static()
    ascent: GradientAscent = GradientAscent(0.02)
    penalty: Penalty = L1()
    encoding: Pixels = Pixels()

    @property
    def search(self) -> GradientAscent:
        return self.ascent

    @property
    def objective(self) -> FeatureMatch:
        return FeatureMatch(self.layer)

    def check(self, jobs: InversionJob) -> None:
        """Raises on settings or jobs that cannot work."""
        missing = [name for name in ("base", "features", "l1_weight") if not hasattr(jobs, name)]
        if missing:
            raise TypeError(f"jobs: expected jfool.InversionJob, got {type(jobs).__name__}")
        check_image_shape(self.image_shape)
        check_num_classes(self.num_classes)
        check_layer(self.layer)
        check_part("ascent", self.ascent, GradientAscent, "jfool.GradientAscent(0.02)")
        check_part("penalty", self.penalty, Penalty, "jfool.penalties.L1()")
        check_part("encoding", self.encoding, Pixels, "jfool.Pixels()")
        check_classes(jobs, True, self.num_classes)
        check_base(jobs.base, self.image_shape, images=False)
        _check_features(known(jobs.features))
        expected = "numbers [N] of at least 0"
        check_number("jobs.l1_weight", jobs.l1_weight, expected, least=0, ndim=1)


def _check_features(given: Any) -> None:
    if given.ndim != 2 or not is_real(given):
        raise ValueError(
            f"jobs.features: expected numbers [N, D], got {given.dtype} {list(given.shape)}"
        )
    if (values := values_of(given)) is None:
        return
    features = in_32_bits(values)
    if not np.isfinite(features).all():
        raise ValueError("jobs.features: expected finite numbers, got NaN or infinite ones")
    if not (told := features.any(1)).all():
        raise ValueError(
            "jobs.features: expected rows that are not all zeros, "
            f"got only zeros in row {told.argmin()}"
        )
