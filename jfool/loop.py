"""The loop: jobs run side by side in `L` lanes, each stepped until it is done.

`run` gives every job a lane and waits for the slowest; a sweep refills lanes.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Int, UInt32

from jfool.base import (
    KEY_TYPE,
    Attack,
    Candidate,
    Criterion,
    PRNGKey,
    pytree,
    reference_class,
)
from jfool.counting import counted
from jfool.evaluate import Evaluate, is_stochastic
from jfool.functions import as_pytree
from jfool.result import AttackResult
from jfool.truths import Judge

GRADIENT_COST = 3  # in images: a forward pass, and a backward pass of about twice its cost
KEEP = ("fittest", "last")
_NO_LIMIT = 2**31 - 1
_FOR_TRUTHS = 2**31 - 1  # folded into a job's key for the draws of a stochastic model


@pytree
class Lanes:
    """Running jobs; every field has the leading axis L.

    Attributes:
      key: `[L, 2]`, the data of each job's key.
      job: the attack's jobs.
      state: the attack's states.
      step: `[L]`, steps taken; the first evaluates the start.
      live: `[L]`, False once a job is done; it then neither changes nor counts.
      stopped: `[L]`, whether `until` ended the job.
      num_queries: `[L]`, images shown to the model without a gradient.
      num_gradients: `[L]`, images differentiated.
      num_zero_gradients: `[L]`, of these, the gradients that were zero.
      history: `[L, steps, ...]`, what each step told; None if it is not recorded.
    """

    key: Array
    job: Any
    state: Any
    step: Array
    live: Array
    stopped: Array
    num_queries: Array
    num_gradients: Array
    num_zero_gradients: Array
    history: Any


@pytree
class Limits:
    """When a job is done.

    Attributes:
      num_steps: `[]` int, the most steps after the start's evaluation.
      max_queries: `[]` int, images; the step that reaches it is the job's last. A gradient counts
        as `GRADIENT_COST` images.
      until: a criterion that ends it, or None.
    """

    num_steps: Any
    max_queries: Any
    until: Criterion | None


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices that shape a compiled program.

    Attributes:
      chunk: images per model call, over all lanes together; None for all at once.
      keep: the answer of a job that `until` did not stop: its "fittest" candidate or the "last".
      num_recorded: steps to record, the start's evaluation included; 0 for none.
      num_draws: draws of a stochastic model over which final answers are judged.
    """

    chunk: int | None
    keep: str = "fittest"
    num_recorded: int = 0
    num_draws: int = 100


@dataclasses.dataclass(frozen=True)
class Loop:
    """Makes the steps of one compiled program, while it is traced.

    Attributes:
      attack, model: as `run` takes them.
      limits: when jobs are done.
      settings: the choices that shape it.
      axis: mesh axis over which populations are split; None for no split.
    """

    attack: Attack
    model: Any
    limits: Limits
    settings: Settings
    axis: str | None = None

    def enter(self, key: PRNGKey, ids: Int[Array, " L"], jobs: Any) -> Lanes:
        """Jobs at their start. A job's key is `fold_in(key, id)`, that of its step t a fold of
        it."""
        count = ids.shape[0]
        data = jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(key, ids))
        step = jnp.zeros(count, jnp.int32)
        state = jax.vmap(self.attack.init)(_fold(data, step), jobs)
        live = jnp.ones(count, bool)
        history = None
        if self.settings.num_recorded:
            told = nothing_like(lambda *lanes: self._step(*lanes)[1], data, jobs, state, live)
            num = self.settings.num_recorded
            history = jax.tree.map(lambda leaf: jnp.stack([leaf] * num, axis=1), told)
        lanes = Lanes(
            key=data,
            job=jobs,
            state=state,
            step=step,
            live=live,
            stopped=jnp.zeros(count, bool),
            num_queries=jnp.zeros(count, jnp.int32),
            num_gradients=jnp.zeros(count, jnp.int32),
            num_zero_gradients=jnp.zeros(count, jnp.int32),
            history=history,
        )
        return dataclasses.replace(lanes, live=self._has_budget(lanes))

    def advance(self, lanes: Lanes) -> Lanes:
        """Takes one step of every live job."""
        attack, limits = self.attack, self.limits
        data = jax.random.key_data(_fold(lanes.key, lanes.step + 1))
        state, told, shown = self._step(data, lanes.job, lanes.state, lanes.live)
        ended = jnp.zeros_like(lanes.live)
        if limits.until is not None:
            best = jax.vmap(attack.best)(lanes.job, state)
            until = functools.partial(limits.until, targeted=attack.targeted)
            met = jnp.vectorize(until, signature="(K),()->()")(
                best.logits, reference_class(lanes.job, attack.targeted)
            )
            ended = met.reshape(len(ended), -1).all(axis=1)
        shown = jax.tree.map(lambda count: jnp.where(lanes.live, count, 0), shown)
        stepped = dataclasses.replace(
            lanes,
            state=state,
            step=lanes.step + lanes.live.astype(jnp.int32),
            stopped=lanes.stopped | (lanes.live & ended),
            num_queries=lanes.num_queries + shown.queries,
            num_gradients=lanes.num_gradients + shown.gradients,
            num_zero_gradients=lanes.num_zero_gradients + shown.zero_gradients,
            history=jax.tree.map(functools.partial(_record, lanes), lanes.history, told)
            if self.settings.num_recorded
            else None,
        )
        live = lanes.live & ~ended & self._has_budget(stepped)
        return dataclasses.replace(stepped, live=live)

    def results(
        self, lanes: Lanes, asked: Bool[Array, " L"]
    ) -> tuple[Lanes, AttackResult, Bool[Array, " L"]]:
        """Judges the jobs that are `asked` for, in float32 at the highest matmul precision.

        Where `until` does not hold any more there, the job goes on if it has budget left.

        Returns:
          The lanes; the results of jobs that are done, undefined for others; and which those are.
        """
        settings, split = self.settings, 1 if self.axis is None else lax.axis_size(self.axis)
        judge = Judge(
            self.attack, self.model, self.limits.until, settings.chunk, settings.num_draws, split
        )
        keys = _fold(lanes.key, jnp.full_like(lanes.step, _FOR_TRUTHS))
        truths, confirmed = judge(keys, lanes.job, self._answers(lanes), asked)
        doubtful = asked & lanes.stopped & ~confirmed
        goes_on = doubtful & self._has_budget(lanes)
        stopped = lanes.stopped & ~doubtful
        result = AttackResult(
            **truths,
            stopped=stopped,
            num_queries=lanes.num_queries,
            num_gradients=lanes.num_gradients,
            num_zero_gradients=lanes.num_zero_gradients,
            num_steps=jnp.maximum(lanes.step - self._first, 0),
            history=lanes.history,
        )
        lanes = dataclasses.replace(lanes, live=lanes.live | goes_on, stopped=stopped)
        return lanes, result, asked & ~goes_on

    def _step(self, data: Array, jobs: Any, states: Any, live: Array) -> tuple[Any, Any, Any]:
        """States, what the steps tell, and how many images they show, of all lanes."""

        def of_lane(data: Array, job: Any, state: Any, live: Array) -> tuple[Any, Any, Any]:
            key, draws = jax.random.wrap_key_data(data, impl=KEY_TYPE), None
            if is_stochastic(self.model):
                key, draws = jax.random.split(key)
            evaluate = Evaluate(self.model, live, draws, self.settings.chunk, self.axis)
            (stepped, told), shown = counted(self.attack.step)(key, evaluate, job, state)
            kept = jax.tree.map(lambda new, old: jnp.where(live, new, old), stepped, state)
            return kept, told, shown

        return jax.vmap(of_lane)(data, jobs, states, live)

    def _answers(self, lanes: Lanes) -> Candidate:
        attack: Any = self.attack
        best = jax.vmap(attack.best)(lanes.job, lanes.state)
        if self.settings.keep == "fittest":
            return best
        last = jax.vmap(attack.last)(lanes.job, lanes.state)
        return jax.tree.map(functools.partial(where, lanes.stopped), best, last)

    def _has_budget(self, lanes: Lanes) -> Array:
        cost = lanes.num_queries + GRADIENT_COST * lanes.num_gradients
        steps_left = lanes.step - self._first < self.limits.num_steps
        return steps_left & (cost < self.limits.max_queries)

    @property
    def _first(self) -> int:
        return num_recorded(0, self.settings.keep)


def num_recorded(num_steps: int, keep: str) -> int:
    """Calls of an attack's step: the first one evaluates the start, and the step after the last
    candidate is left out if that is the answer."""
    return num_steps + (1 if keep == "fittest" else 0)


def _fold(data: UInt32[Array, "L 2"], numbers: Int[Array, " L"]) -> Array:
    keys = jax.random.wrap_key_data(data, impl=KEY_TYPE)
    return jax.vmap(jax.random.fold_in)(keys, numbers)


def where(mask: Bool[Array, " L"], new: Array, old: Array) -> Array:
    """`new` in the lanes of the mask, else `old`."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (new.ndim - 1)), new, old)


def _record(lanes: Lanes, history: Array, told: Array) -> Array:
    """What a step told, in its place, unless the job was done."""

    def of_lane(history: Array, told: Array, step: Array, live: Array) -> Array:
        return history.at[step].set(jnp.where(live, told, history[step]))

    return jax.vmap(of_lane)(history, told, lanes.step, lanes.live)


def nothing_like(function: Callable[..., Any], *args: Any) -> Any:
    """NaN (0 for integers) in the form of a function's result, which is not computed."""
    form = []

    def leaves(*args: Any) -> list[Any]:
        leaves, structure = jax.tree.flatten(function(*args))
        form.append(structure)
        return leaves

    def nothing(leaf: Any) -> Array:
        is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
        return jnp.full(leaf.shape, jnp.nan if is_float else 0, leaf.dtype)

    nothings = [nothing(leaf) for leaf in jax.eval_shape(leaves, *args)]
    return jax.tree.unflatten(form[0], nothings)


def limits_of(num_steps: int, max_queries: int | None, until: Criterion | None) -> Limits:
    """Limits that share a trace, whatever the types of their numbers."""
    if max_queries is None:
        max_queries = _NO_LIMIT
    return strong(Limits(num_steps, max_queries, _as_pytree(until)))


def strong(tree: Any) -> Any:
    """Numbers as strongly typed 32-bit arrays, so that 0.7, float32(0.7) and float64(0.7), or 3
    and int64(3), share a trace."""
    return jax.tree.map(_strong, tree)


def _strong(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(jnp.float32)
    return array.astype(jnp.int32) if jnp.issubdtype(array.dtype, jnp.integer) else array


def _as_pytree(until: Criterion | None) -> Criterion | None:
    """A function that is no pytree would be a leaf."""
    return as_pytree(until) if jax.tree_util.all_leaves([until]) else until
