"""Stopping criteria, judged from logits `[K]`. NaN and infinite logits never meet one.

A criterion is `f(logits [K], class, targeted) -> bool`, where class is the target or, untargeted,
the true class. Those below are pytrees: another threshold needs no new compilation. All of them
require `fooled`.
"""

import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jfool.base import ClassIndex, Criterion, Truth
from jfool.numbers import check_number
from jfool.softmax import broken, softmax


def prediction(logits: Float[Array, " K"]) -> Int[Array, ""]:
    """The class of the largest logit; -1 if the logits have no softmax (NaN or infinite)."""
    return jnp.where(broken(logits)[0], -1, jnp.argmax(logits).astype(jnp.int32))


def confidence(
    logits: Float[Array, " K"], reference: ClassIndex, targeted: bool
) -> Float[Array, ""]:
    """Softmax probability in float32: of the target, or untargeted, of the predicted class."""
    of = reference if targeted else jnp.argmax(logits)
    return softmax(logits)[of]


def fooled(logits: Float[Array, " K"], reference: ClassIndex, targeted: bool) -> Truth:
    """Whether the target has the largest logit, or untargeted, another class has a larger one than
    the true class. A tie is not enough: which of equals is predicted is no merit of the attack."""
    others = jnp.where(jnp.arange(logits.shape[-1]) == reference, -jnp.inf, logits).max()
    own = logits[reference]
    return ~broken(logits)[0] & jnp.where(targeted, own > others, own < others)


def better(now: tuple[Truth, Float[Array, ""]], before: tuple[Truth, Float[Array, ""]]) -> Truth:
    """Of two answers, each as whether it fools the model and its fitness: one that fools is better
    than one that does not, and among equals the fitter. NaN never is."""
    return jnp.where(now[0] == before[0], now[1] > before[1], now[0])


def misclassified() -> Criterion:
    """Stop as soon as the model is fooled, at any confidence."""
    return Partial(fooled)


def confident(threshold: ArrayLike) -> Criterion:
    """Stop when the model is fooled with a confidence (softmax) of at least `threshold`.

    Args:
      threshold: in (0, 1]. Kumano et al. (2020, sec. 5.7) stop at 0.9.
    """
    return Partial(_confident, _probability(threshold))


def suppressed(threshold: ArrayLike) -> Criterion:
    """Stop when the model is fooled and the true class's confidence is below `threshold`.

    For untargeted attacks. Su et al. (2019) stop at 0.05 on ImageNet.
    """
    return Partial(_suppressed, _probability(threshold))


def _confident(
    threshold: Float[Array, ""], logits: Float[Array, " K"], reference: ClassIndex, targeted: bool
) -> Truth:
    sure = confidence(logits, reference, targeted) >= threshold
    return fooled(logits, reference, targeted) & sure


def _suppressed(
    threshold: Float[Array, ""], logits: Float[Array, " K"], reference: ClassIndex, targeted: bool
) -> Truth:
    if targeted:
        raise ValueError("until: suppressed(...) expects an untargeted attack, got a targeted one")
    return fooled(logits, reference, targeted) & (confidence(logits, reference, True) < threshold)


def _probability(threshold: ArrayLike) -> Array:
    check_number("threshold", threshold, "a probability in (0, 1]", above=0, most=1)
    return jnp.asarray(threshold, jnp.float32)
