"""One attack several times, one after another, until the model is fooled."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jfool import criteria
from jfool.arguments import check_part
from jfool.attacks.wrapping import Wrapping
from jfool.base import Attack, Candidate, PRNGKey, pytree, reference_class, static
from jfool.numbers import check_number, check_whole


@pytree
class TurnState:
    """
    inner: the state of the turn.
    answer: the fittest candidate of all turns that fooled the model, else the fittest of all.
    fooled: `[]` bool, whether it did.
    num_calls: `[]`, steps so far.
    """

    inner: Any
    answer: Candidate
    fooled: Array
    num_calls: Array


@pytree
class InTurn(Wrapping):
    """Runs `attack` from `num_turns` starts, one after another; with `until`, a job ends in the
    turn that fools the model. `Restarts` runs them side by side.

    Run it for `num_turns * (num_steps + 1) - 1` steps.

    Attributes:
      attack: one that draws its start, such as `PGD`; or one that heads for `job.target` but takes
        any wrong class. If `job.target` is `[N, num_turns]`, each turn has a target of its own.
      num_turns: how many starts.
      num_steps: of each turn, after it has shown its start.
    Example:
      >>> import jfool
      >>> attack = jfool.APGD((28, 28, 1), 10, objective=jfool.TargetLogitRatio())
      >>> InTurn(attack, 9, 100).num_calls
      909
    """

    attack: Any
    num_turns: int = static()
    num_steps: ArrayLike = 100

    @property
    def num_calls(self) -> Any:
        """Steps of all turns, with those that show a start."""
        return self.num_turns * (self.num_steps + 1)

    def init(self, key: PRNGKey, job: Any) -> TurnState:
        of_turn = self._of_turn(job, 0)
        inner = self.attack.init(key, of_turn)
        answer = self.attack.best(of_turn, inner)
        return TurnState(inner, answer, jnp.zeros((), bool), jnp.zeros((), jnp.int32))

    def step(self, key: PRNGKey, evaluate: Any, job: Any, state: TurnState) -> tuple[Any, Any]:
        length = jnp.asarray(self.num_steps, jnp.int32) + 1
        of_turn = self._of_turn(job, state.num_calls // length)
        start_key, step_key = jax.random.split(key)
        begins = (state.num_calls % length == 0) & (state.num_calls > 0)
        start = self.attack.init(start_key, of_turn)
        inner = jax.tree.map(lambda new, old: jnp.where(begins, new, old), start, state.inner)
        inner, info = self.attack.step(step_key, evaluate, of_turn, inner)

        now, targeted = self.attack.best(of_turn, inner), self.targeted
        fools = criteria.fooled(now.logits, reference_class(of_turn, targeted), targeted)
        before = state.fooled, state.answer.fitness
        wins = criteria.better((fools, now.fitness), before)
        answer = jax.tree.map(lambda new, old: jnp.where(wins, new, old), now, state.answer)
        return TurnState(inner, answer, state.fooled | fools, state.num_calls + 1), info

    def best(self, job: Any, state: TurnState) -> Candidate:
        del job
        return state.answer

    def _of_turn(self, job: Any, turn: ArrayLike) -> Any:
        """The job with the target of a turn."""
        target: Any = getattr(job, "target", None)
        if target is None or np.ndim(target) == 0:
            return job
        return dataclasses.replace(job, target=jnp.asarray(target)[turn])

    def check(self, jobs: Any) -> None:
        """Raises on settings or jobs that cannot work."""
        check_whole("num_turns", self.num_turns, 1)
        check_number(
            "num_steps", self.num_steps, "a whole number of at least 0", least=0, whole=True
        )
        targets: Any = getattr(jobs, "target", None)
        if targets is None or np.ndim(targets) < 2:
            check_part("attack", self.attack, Attack, "jfool.PGD(...)", jobs)
            return
        if self.targeted:
            raise ValueError(
                "jobs.target: expected integers [N] for an attack that is to reach its target, got "
                f"shape {list(np.shape(targets))} (a target for each turn is one to head for)"
            )
        if np.shape(targets)[1:] != (self.num_turns,):
            raise ValueError(
                f"jobs.target: expected [N, {self.num_turns}], one target a turn, "
                f"got shape {list(np.shape(targets))}"
            )
        for turn in range(self.num_turns):
            of_turn = dataclasses.replace(jobs, target=targets[:, turn])
            check_part("attack", self.attack, Attack, "jfool.PGD(...)", of_turn)
