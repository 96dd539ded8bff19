"""Expectation over transformations (EOT). (Athalye, Engstrom, Ilyas & Kwok, 2018)"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jfool.base import Image, Images, Logits, Model, PRNGKey, pytree, static
from jfool.evaluate import is_stochastic
from jfool.model_outputs import logits_of
from jfool.numbers import is_whole

# `transform(key, image [H, W, C]) -> image`, of one image.
Transform = Callable[[PRNGKey, Image], Float[Array, "..."]]


@pytree
class Averaged:
    """The mean logits of a model over `num_samples` random transforms of each image.

    The gradient of a logit, or of any linear functional of the logits, is the mean of the gradients
    of the draws. A cross-entropy is that of the mean logits, which is not the mean cross-entropy.
    It is a stochastic model: with each call come new draws. Each draw counts as an image shown.

    Attributes:
      model: `images -> logits`, or a stochastic model `(images, keys) -> logits`.
      transform: `(key, image) -> image` of one image, any callable pytree; a bare function is part
        of the compiled program, so define it once.
      num_samples: draws of each image.
    Example:
      >>> model = Averaged(lambda x: x.mean((1, 2)), lambda key, image: image, num_samples=30)
      >>> model(jnp.ones((5, 4, 4, 3)), jax.random.split(jax.random.key(0), 5)).shape
      (5, 3)

    Reference: Synthesizing robust adversarial examples, arXiv:1707.07397.
    """

    model: Model
    transform: Transform
    num_samples: int = static()

    stochastic = True

    def __post_init__(self) -> None:
        if not is_whole(self.num_samples, 1):
            raise ValueError(
                f"num_samples: expected a whole number of at least 1, got {self.num_samples!r}"
            )
        if callable(self.transform) and jax.tree_util.all_leaves([self.transform]):
            object.__setattr__(self, "transform", jax.tree_util.Partial(self.transform))

    def __call__(self, images: Images, keys: Key[Array, " B"]) -> Logits:
        pairs = jax.vmap(lambda key: jax.random.split(key, (self.num_samples, 2)))(keys)
        draws = jax.vmap(jax.vmap(self.transform, (0, None)))(pairs[..., 0], images)
        drawn = draws.reshape(-1, *draws.shape[2:])  # [B x S, H, W, C]
        given = (drawn, pairs[..., 1].reshape(-1)) if is_stochastic(self.model) else (drawn,)
        logits = logits_of(self.model, *given).astype(jnp.float32)
        return logits.reshape(len(images), self.num_samples, -1).mean(1)
