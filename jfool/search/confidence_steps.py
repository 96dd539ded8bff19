"""Steps that aim at a fixed gain of confidence. (Nguyen et al., 2015, code of fig. 13, S3 to S5)

  x <- x + r g,   r = min(early, late (1 - p)) / ||g||^2, at most `max_rate`

To first order, a step raises the confidence p by `early`, or near certainty by the share `late` of
what is missing.
"""

from typing import Any

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jfool.numbers import check_number


def confidence_steps(
    early: ArrayLike, late: ArrayLike = 0.1, max_rate: float = 1e7 / 255**2
) -> optax.GradientTransformationExtraArgs:
    """An optimizer for `GradientAscent` on `Confidence`; the step size is `early`.

    Args:
      early: gain of confidence per step, far from certainty (figure 13: 0.02).
      late: the most that a step gains, as a share of the missing confidence (figure 13: 0.1).
      max_rate: for images in [0, 1]; the code's 1e7 is for bytes.
    """
    for name, value in (("early", early), ("late", late), ("max_rate", max_rate)):
        check_number(name, value, "a positive number", above=0)

    def update(updates: Any, state: Any, params: Any = None, **known: Any) -> tuple[Any, Any]:
        del params
        gain = jnp.minimum(early, late * (1 + known["value"]))  # that is, 1 - confidence
        rate = gain / optax.tree.norm(updates, squared=True)
        return optax.tree.scale(-jnp.minimum(rate, max_rate), updates), state

    return optax.GradientTransformationExtraArgs(_no_state, update)


def _no_state(params: Any) -> optax.EmptyState:
    del params
    return optax.EmptyState()
