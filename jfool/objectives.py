"""How good candidates are, from their logits `[*, K]`: an objective returns fitness `[*]`, to be
maximised. All in float32.

`Confidence` is what papers 000 and 004 climb. In float32 it saturates to exactly 0 or 1; where it
is 0 for a whole population, selection sees a plateau and the search is a random walk.
`LogConfidence` and `Margin` do not have that plateau. `Untargeted(objective)` climbs down instead.
"""

from typing import Any

import jax
import jax.numpy as jnp

from jfool.base import (
    ClassIndex,
    Fitness,
    Images,
    Logits,
    Model,
    Objective,
    pytree,
    reference_class,
)
from jfool.softmax import broken, log_softmax, softmax


@pytree
class Confidence:
    """Softmax probability of the target (paper 000, sec. 3.1; Su et al.)."""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        return softmax(logits)[..., target]


@pytree
class LogConfidence:
    """Log of the softmax probability of the target: the same order, without saturation at 0."""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        return log_softmax(logits)[..., target]


@pytree
class Logit:
    """Logit of the target, which other classes do not bound (paper 001, supplement)."""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        return _sound(logits)[..., target]


@pytree
class Margin:
    """Logit of the target minus the largest other logit: positive when the target is predicted."""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        logits = _sound(logits)
        is_target = jnp.arange(logits.shape[-1]) == target
        other = jnp.where(is_target.reshape((1,) * (logits.ndim - 1) + (-1,)), -jnp.inf, logits)
        return logits[..., target] - other.max(-1)


def _sound(logits: Logits) -> Logits:
    """In float32; all NaN, and so never chosen, where softmax is."""
    return jnp.where(broken(logits), jnp.nan, logits.astype(jnp.float32))


@pytree
class Untargeted:
    """Minimises `objective` of the true class, for attacks that only want to leave it."""

    objective: Objective = Confidence()

    @property
    def targeted(self) -> bool:
        return False

    def __call__(self, logits: Logits, label: ClassIndex) -> Fitness:
        return -self.objective(logits, label)


@pytree
class OfLogits:
    """An objective as a score of images, which `evaluate.gradient` differentiates."""

    objective: Objective

    def __call__(self, model: Model, images: Images, jobs: Any) -> tuple[Fitness, Logits]:
        logits = model(images)
        classes = reference_class(jobs, self.objective.targeted)
        return jax.vmap(self.objective)(logits, classes), logits
