"""Fooling images by gradient ascent. (Nguyen, Yosinski & Clune, 2015, sec. 3.5 and supplement)"""

from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jfool.arguments import (
    check_base,
    check_classes,
    check_image_shape,
    check_num_classes,
    check_objective,
    check_part,
)
from jfool.base import Image, Objective, PRNGKey, pytree, static
from jfool.composition import Composed
from jfool.encodings.pixels import Pixels
from jfool.numbers import brief, check_number
from jfool.objectives import Confidence
from jfool.regularizers import Regularizers
from jfool.renamed import renamed
from jfool.search.confidence_steps import confidence_steps
from jfool.search.gradient_ascent import GradientAscent, Penalty


@renamed(label="target")
@pytree
class AscentJob:
    """The data of one ascent; a sweep has a leading axis N on every field.

    Attributes:
      target: `[]` int, the class to reach.
      base: `[C]` or `[H, W, C]`, float in [0, 1]: the mean of the training images, or any image to
        start near; regularizers pull towards it.
    """

    target: ArrayLike
    base: ArrayLike


@runtime_checkable
class Start(Protocol):
    """`start(key, base [H, W, C]) -> image`."""

    def __call__(self, key: PRNGKey, base: Image) -> Image: ...


@pytree
class NearBase:
    """The base plus normal noise of this standard deviation; the paper uses one gray level."""

    noise: ArrayLike = 1 / 255

    def __call__(self, key: PRNGKey, base: Image) -> Image:
        return jnp.clip(base + self.noise * jax.random.normal(key, base.shape, jnp.float32), 0, 1)

    def check(self) -> None:
        """Raises ValueError if the noise is negative or no finite number."""
        check_number("start.noise", self.noise, "a number of at least 0", least=0)


@pytree
class Uniform:
    """Uniform noise in [0, 1]."""

    def __call__(self, key: PRNGKey, base: Image) -> Image:
        return jax.random.uniform(key, base.shape, jnp.float32)


@pytree
class GradientFooling(Composed):
    """Gradient ascent on the confidence in a class, from the mean image plus noise.

    The defaults are those of the paper's figure 13: no regularizer, and steps that each aim to
    raise the confidence by 0.02, or by a tenth of what is missing if that is less. The paper stops
    at `until=jfool.confident(0.9999)`.

    Attributes:
      image_shape: (H, W, C) of the model's input.
      num_classes: K.
      ascent: `GradientAscent(gain, confidence_steps)`, or with any optax optimizer.
      regularizers: what is applied to the image after each step.
      objective: `Confidence()`; or `Logit()`, which needs an optax optimizer.
      start: `NearBase()` or `Uniform()`.
    Example:
      >>> import optax
      >>> attack = GradientFooling((8, 8, 3), 10, ascent=GradientAscent(0.01, optax.adam))
      >>> attack.targeted
      True
    """

    image_shape: tuple[int, int, int] = static()
    num_classes: int = static()
    ascent: GradientAscent = GradientAscent(0.02, partial(confidence_steps, late=0.1))
    regularizers: Penalty = Regularizers()
    objective: Objective = Confidence()
    start: Start = NearBase()
    encoding: Pixels = Pixels()

    @property
    def search(self) -> GradientAscent:
        return self.ascent

    @property
    def penalty(self) -> Penalty:
        return self.regularizers

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        if not isinstance(jobs, AscentJob):
            raise TypeError(f"jobs: expected jfool.AscentJob, got {type(jobs).__name__}")
        check_image_shape(self.image_shape)
        check_num_classes(self.num_classes)
        check_objective(self.objective, self.num_classes, targeted=True)
        check_part("ascent", self.ascent, GradientAscent, "jfool.GradientAscent(0.02)")
        check_part("regularizers", self.regularizers, Penalty, "jfool.Regularizers()")
        check_part("start", self.start, Start, "jfool.NearBase()")
        check_part("encoding", self.encoding, Pixels, "jfool.Pixels()")
        if self.ascent.aims_at_confidence() and not isinstance(self.objective, Confidence):
            raise ValueError(
                "ascent: expected an optax optimizer for an objective other than "
                f"jfool.Confidence(), got jfool.confidence_steps for {brief(self.objective)}"
            )
        check_classes(jobs, True, self.num_classes)
        check_base(jobs.base, self.image_shape)
