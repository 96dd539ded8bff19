"""What the model says of final answers: at the highest precision, and after 8-bit rounding."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float

from jfool import criteria
from jfool.base import (
    Attack,
    Candidate,
    Criterion,
    Image,
    Model,
    pytree,
    reference_class,
    static,
)
from jfool.constraints import Constraint, distances, inside, round_inside
from jfool.evaluate import Evaluate, is_stochastic
from jfool.jobs import original


@pytree
class _Shown:
    """An image to be judged, and the class that decides."""

    image: Any
    reference: Any


@pytree
class _AsShown:
    """The encoding of `_Shown`."""

    def decode(self, job: Any, genotype: _Shown) -> Image:
        del job
        return genotype.image


@pytree
class _Truth:
    """Reads confidence, prediction and success out of logits, and whether `until` holds."""

    until: Criterion | None
    targeted: bool = static()

    def __call__(self, logits: Float[Array, " K"], job: Any, shown: _Shown) -> dict[str, Array]:
        del job
        logits, targeted, reference = logits.astype(jnp.float32), self.targeted, shown.reference
        fooled = criteria.fooled(logits, reference, targeted)
        met = fooled if self.until is None else self.until(logits, reference, targeted)
        return {
            "confidence": criteria.confidence(logits, reference, targeted),
            "prediction": criteria.prediction(logits),
            "success": fooled & met if targeted else fooled,
            "met": met,
        }


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges the answers of `L` lanes, in batches of the shape that the search has.

    Each answer is shown as it is and rounded to 8 bits, and once a lane the image that the attack
    started from. A stochastic model sees each `num_draws` times.

    Attributes:
      attack, model, until: as `run` takes them.
      chunk: the most images per model call.
      num_draws: draws of a stochastic model.
      split: devices that share a population.
    """

    attack: Attack
    model: Model
    until: Criterion | None
    chunk: int | None
    num_draws: int
    split: int = 1

    def __call__(
        self, keys: Array, jobs: Any, answers: Candidate, asked: Bool[Array, " L"]
    ) -> tuple[dict[str, Any], Bool[Array, " L"]]:
        """
        Args:
          keys: `[L]`, of the draws of a stochastic model.
          jobs, answers: of each lane.
          asked: which lanes to judge.
        Returns:
          Fields of `AttackResult`, and whether `until` holds of the answers of a lane.
        """
        attack = self.attack
        references = reference_class(jobs, attack.targeted)  # [L, *cells]
        num_lanes = len(references)
        constraint = getattr(attack, "constraint", None)
        exact = answers.image.reshape(num_lanes, -1, *attack.image_shape)
        shown = [exact, _rounded(constraint, jobs, exact)]
        classes = references.reshape(num_lanes, -1)
        of_shown = [classes, classes]
        originals = jax.vmap(lambda job: original(job, attack.image_shape))(jobs)
        if originals is not None:
            shown, of_shown = [*shown, originals[:, None]], [*of_shown, classes[:, :1]]
        rows = _Shown(jnp.concatenate(shown, axis=1), jnp.concatenate(of_shown, axis=1))
        read = self._read(keys, rows, asked)
        cells = classes.shape[1]
        truths, rounded = (
            {name: leaf[:, part].reshape(references.shape) for name, leaf in read.items()}
            for part in (slice(0, cells), slice(cells, 2 * cells))
        )
        found = jnp.broadcast_to(answers.found, references.shape)
        eligible, clean, far = found, None, None
        if constraint is not None:
            within = jax.vmap(functools.partial(inside, constraint))
            eligible = eligible & within(jobs, answers.image)
        if originals is not None:
            clean = read["prediction"][:, 2 * cells]
            far = distances(answers.image, originals)
            if not attack.targeted:  # an image that was wrong before the attack is no success of it
                eligible = eligible & (clean == references)
        return {
            "images": answers.image,
            "confidence": jnp.where(found, truths["confidence"], jnp.nan),
            "prediction": jnp.where(found, truths["prediction"], -1),
            "success": eligible & truths["success"],
            "success_rate": jnp.where(eligible, truths["success_rate"], 0),
            "confidence_uint8": jnp.where(found, rounded["confidence"], jnp.nan),
            "success_uint8": eligible & rounded["success"],
            "clean_prediction": clean,
            "distances": far,
            "genotype": answers.genotype,
            "notes": answers.notes,
        }, truths["met"].reshape(num_lanes, -1).all(axis=1)

    def _read(self, keys: Array, rows: _Shown, asked: Array) -> dict[str, Array]:
        """Truths `[L, R]` of the rows `[L, R]`, as many a call as a step of the search shows."""
        num_lanes, num_rows = rows.reference.shape
        stochastic = is_stochastic(self.model)
        draws = self.num_draws if stochastic else 1
        per_call = max(self.attack.images_at_once // self.split, 1)
        num_calls = -(-num_rows * draws // per_call)
        index = jnp.minimum(jnp.arange(num_calls * per_call) // draws, num_rows - 1)
        wanted = jnp.arange(num_calls * per_call) < num_rows * draws
        truth = _Truth(self.until, self.attack.targeted)

        def call(number: Array) -> dict[str, Array]:
            here = lax.dynamic_slice_in_dim(index, number * per_call, per_call)
            when = lax.dynamic_slice_in_dim(wanted, number * per_call, per_call)

            def of_lane(key: Array, rows: _Shown, asked: Array) -> dict[str, Array]:
                draws = jax.random.fold_in(key, number) if stochastic else None
                evaluate = Evaluate(self.model, asked, draws, self.chunk)
                shown = jax.tree.map(lambda leaf: leaf[here], rows)
                return evaluate.read(_AsShown(), truth, None, shown, when=when)

            return jax.vmap(of_lane)(keys, rows, asked)

        with jax.default_matmul_precision("highest"):
            read = lax.map(call, jnp.arange(num_calls))  # [calls, L, per_call]

        def of_rows(leaf: Array) -> Array:
            leaf = jnp.moveaxis(leaf, 0, 1).reshape(num_lanes, -1)[:, : num_rows * draws]
            return leaf.reshape(num_lanes, num_rows, draws)

        return _over_draws(
            {name: of_rows(leaf) for name, leaf in read.items()}, self.attack.num_classes
        )


def _rounded(constraint: Constraint | None, jobs: Any, images: Array) -> Array:
    """Images `[L, A, H, W, C]` in steps of 1/255, inside the constraint if there is one."""
    if constraint is None:
        return jnp.round(images * 255) / 255
    return jax.vmap(functools.partial(round_inside, constraint))(jobs, images[:, 0])[:, None]


def _over_draws(read: dict[str, Array], num_classes: int) -> dict[str, Array]:
    """Means and majorities over the last axis, the draws of a stochastic model."""
    rate = read["success"].mean(-1, dtype=jnp.float32)
    votes = jax.nn.one_hot(read["prediction"] + 1, num_classes + 1, dtype=jnp.int32)
    return {
        "confidence": read["confidence"].mean(-1),
        "prediction": votes.sum(-2).argmax(-1).astype(jnp.int32) - 1,
        "success": rate > 0.5,
        "success_rate": rate,
        "met": read["met"].mean(-1, dtype=jnp.float32) > 0.5,
    }
