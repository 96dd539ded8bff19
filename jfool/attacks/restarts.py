"""Several starts of one attack, of which the best answer counts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jfool.attacks.wrapping import Wrapping
from jfool.base import Attack, Candidate, PRNGKey, pytree, static
from jfool.numbers import check_whole
from jfool.parts import check_part


@pytree
class Restarts(Wrapping):
    """Runs `attack` from `num_restarts` starts side by side; the answer is the fittest of all.

    A step shows `num_restarts` times as many images, and all are counted.

    Attributes:
      attack: one that draws its start, such as `PGD`.
      num_restarts: R.
    Example:
      >>> import jfool
      >>> Restarts(jfool.PGD((28, 28, 1), 10), 5).images_at_once
      5
    """

    attack: Any
    num_restarts: int = static()

    @property
    def images_at_once(self) -> int:
        return self.num_restarts * self.attack.images_at_once

    def init(self, key: PRNGKey, job: Any) -> Any:
        keys = jax.random.split(key, self.num_restarts)
        return jax.vmap(self.attack.init, (0, None))(keys, job)

    def step(self, key: PRNGKey, evaluate: Any, job: Any, state: Any) -> tuple[Any, Any]:
        def step(key: PRNGKey, number: Array, state: Any) -> tuple[Any, Any]:
            return self.attack.step(key, evaluate.fold_in(number), job, state)

        keys = jax.random.split(key, self.num_restarts)
        return jax.vmap(step)(keys, jnp.arange(self.num_restarts), state)

    def best(self, job: Any, state: Any) -> Candidate:
        return self.attack.best(job, self._fittest(job, state))

    def last(self, job: Any, state: Any) -> Candidate:
        """The last image of the start that has shown the fittest."""
        return self.attack.last(job, self._fittest(job, state))

    def _fittest(self, job: Any, state: Any) -> Any:
        """The state of one start."""
        fitness = jax.vmap(self.attack.best, (None, 0))(job, state).fitness
        i = jnp.argmax(jnp.where(jnp.isnan(fitness), -jnp.inf, fitness))
        return jax.tree.map(lambda leaf: leaf[i], state)

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_part("attack", self.attack, Attack, "jfool.PGD(...)", jobs)
        check_whole("num_restarts", self.num_restarts, 1)
        if np.ndim(getattr(jobs, "target", 0)) > 1:
            raise ValueError("attack: expected one with one answer, got one with an archive")
