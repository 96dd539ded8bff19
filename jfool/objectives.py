"""Objectives: from logits `[*, K]` to fitness `[*]` in float32, which is maximized.

Kumano et al. (2020) and Su et al. (2019) use `Confidence`. In float32 it saturates at exactly 0 or
1; where it is 0 for a whole population, selection has nothing to go by and the search is a random
walk. `LogConfidence` and `Margin` do not saturate. `Untargeted(objective)` minimizes instead.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

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
from jfool.model_outputs import logits_of
from jfool.numbers import brief, check_number
from jfool.parts import check_part
from jfool.softmax import broken, log_softmax_of, softmax


@pytree
class Confidence:
    """Softmax probability of the target. (Kumano et al., 2020, sec. 3.1; Su et al., 2019)"""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        return softmax(logits)[..., target]


@pytree
class LogConfidence:
    """Log of the target's softmax probability: the same order, but no saturation at 0."""

    @property
    def targeted(self) -> bool:
        return True

    def __call__(self, logits: Logits, target: ClassIndex) -> Fitness:
        return log_softmax_of(logits, target)


@pytree
class Logit:
    """Logit of the target, whatever the other logits. (Nguyen et al., 2015, supplement)"""

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
    """In float32; all NaN, and so never selected, where softmax is NaN."""
    return jnp.where(broken(logits), jnp.nan, logits.astype(jnp.float32))


@pytree
class Untargeted:
    """Minimizes `objective` for the true class, so that any other class may win."""

    objective: Objective = Confidence()

    @property
    def targeted(self) -> bool:
        return False

    def __call__(self, logits: Logits, label: ClassIndex) -> Fitness:
        return -self.objective(logits, label)

    def check(self) -> None:
        """Raises TypeError unless it turns a targeted objective round."""
        check_part("objective.objective", self.objective, Objective, "jfool.Confidence()")
        if not self.objective.targeted:
            raise TypeError(
                "objective.objective: expected a targeted one, which Untargeted turns round, "
                f"got {brief(self.objective)}"
            )
        if isinstance(self.objective, AtMost):
            raise TypeError(
                "objective.objective: expected one without a bound, which would cut the wrong end, "
                f"got {brief(self.objective)} (give AtMost(Untargeted(...), bound))"
            )


@pytree
class AtMost:
    """`objective`, but not above a bound: beyond it, nothing is to be gained. With a margin the
    bound is Carlini & Wagner's kappa. (2017, sec. V-A)"""

    objective: Objective
    bound: ArrayLike

    @property
    def targeted(self) -> bool:
        return getattr(self.objective, "targeted", False)

    def __call__(self, logits: Logits, reference: ClassIndex) -> Fitness:
        return jnp.minimum(self.objective(logits, reference), self.bound)

    def check(self) -> None:
        """Raises on an objective or a bound that cannot work."""
        check_part("objective.objective", self.objective, Objective, "jfool.Margin()")
        check_number("objective.bound", self.bound, "a number")


@pytree
class OfLogits:
    """An objective as a score, for `evaluate.gradient`."""

    objective: Objective

    def show(self, model: Model, images: Images) -> Logits:
        return logits_of(model, images)

    def __call__(self, logits: Logits, job: Any, genotype: Any) -> tuple[Fitness, Logits]:
        del genotype
        return self.objective(logits, reference_class(job, self.objective.targeted)), logits


@pytree
class LogitRatio:
    """Difference of logits ratio (DLR): the margin of another class over the true one, in units
    that scaled or shifted logits do not change. (Croce & Hein, 2020, eq. 6)

      (max_{i != y} z_i - z_y) / (z_(1) - z_(3)),    z_(j) the j-th largest logit

    Unlike the cross-entropy, its gradient does not vanish where the network is too sure.

    Reference: Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, arXiv:2003.01690.
    """

    least_classes = 3

    @property
    def targeted(self) -> bool:
        return False

    def __call__(self, logits: Logits, label: ClassIndex) -> Fitness:
        first, _, third = _largest(_sound(logits), 3)
        return -Margin()(logits, label) / (first - third + _TINY)


@pytree
class TargetLogitRatio:
    """The logit ratio that leaves the true class towards `job.target`; any wrong class is a
    success, as of an untargeted attack. (Croce & Hein, 2020, eq. 7)

      (z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)

    A score, not an objective: it needs the job's label and its target.
    """

    least_classes = 4
    needs_target = True

    @property
    def targeted(self) -> bool:
        return False

    def show(self, model: Model, images: Images) -> Logits:
        return logits_of(model, images)

    def __call__(self, logits: Logits, job: Any, genotype: Any) -> tuple[Fitness, Logits]:
        del genotype
        sound = _sound(logits)
        first, _, third, fourth = _largest(sound, 4)
        scale = first - (third + fourth) / 2 + _TINY
        return (sound[job.target] - sound[job.label]) / scale, logits


_TINY = 1e-12  # as in the reference code


def _largest(logits: Logits, count: int) -> list[Fitness]:
    """The largest logits `[*]`, in order."""
    return list(jnp.moveaxis(lax.top_k(logits, count)[0], -1, 0))
