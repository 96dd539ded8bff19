"""Inside a user's `jit`, shapes and types are checked always, and values wherever there are some.

For every attack of the contract's table. Nothing is compiled: what is refused is refused during the
trace. JAX arrays with values are made outside, since `jnp` inside makes traced ones.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, grey_jobs, sparse_fooling, unchecked
from tests.jfool.test_contract import TABLE, UNTARGETED, WEIGHTS

FORMS = [(name, aim) for name, row in TABLE.items() for aim in row.aims]


def made(name: str, targeted: bool) -> tuple[Any, Any]:
    """An attack of the table and its jobs."""
    row = TABLE[name]
    jobs = row.jobs(np.arange(NUM_CLASSES), row.base, targeted)
    return row.make(jfool.Confidence() if targeted else UNTARGETED), jobs


def fields_of(jobs: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(jobs) if getattr(jobs, f.name) is not None]


def trace(attack: Any, jobs: Any, traced: Any = (), **options: Any) -> Any:
    """The images of a run inside a jit of the user's, with weights and some fields traced."""

    def inside(weights: Any, fields: dict[str, Any]) -> Any:
        whole = dataclasses.replace(jobs, **fields)
        model = Linear(weights)
        key = jax.random.key(0)
        return jfool.run(key, attack, model, whole, **{"num_steps": 1, **options}).images

    fields = {name: getattr(jobs, name) for name in traced}
    return jax.eval_shape(inside, jnp.asarray(WEIGHTS), fields)


Spoil = Callable[[np.ndarray], np.ndarray]
CLASSES: dict[str, Spoil] = {
    "floats": lambda x: x.astype(np.float32),
    "an axis too many": lambda x: x[..., None],
}
NO_CLASSES: dict[str, Spoil] = {"-2": lambda x: x - 2, "7": lambda x: x + 7}
# what is wrong with a field by its type or shape, and by its values
TYPES: dict[str, dict[str, Spoil]] = {
    "target": CLASSES,
    "label": CLASSES,
    "base": {
        "bytes": lambda x: np.full(x.shape, 127, np.uint8),
        "whole numbers": lambda x: np.full(x.shape, 127),
        "one channel": lambda x: x[..., :1],
    },
    "image": {
        "bytes": lambda x: np.full(x.shape, 127, np.uint8),
        "one channel": lambda x: x[..., :1],
    },
    "epsilon": {"truths": lambda x: x > 0, "an axis too many": lambda x: x[:, None]},
    "k": {"floats": lambda x: x.astype(np.float32), "an axis too many": lambda x: x[:, None]},
    "features": {"truths": lambda x: x > 0, "an axis too many": lambda x: x[:, None]},
    "l1_weight": {"truths": lambda x: x > 0, "an axis too many": lambda x: x[:, None]},
}
VALUES: dict[str, dict[str, Spoil]] = {
    "target": NO_CLASSES,
    "label": NO_CLASSES,
    "base": {"bytes as floats": lambda x: 255 * x + 1, "NaN": lambda x: x * np.float32(np.nan)},
    "image": {"bytes as floats": lambda x: 255 * x + 1, "NaN": lambda x: x * np.float32(np.nan)},
    "epsilon": {"gray levels": lambda x: 255 * x, "NaN": lambda x: x * np.float32(np.nan)},
    "k": {"99": lambda x: x + 97, "0": lambda x: 0 * x},
    "features": {"NaN": lambda x: x * np.float32(np.nan), "zeros": lambda x: 0 * x},
    "l1_weight": {"negative": lambda x: -x},
}


def spoilt(wrong: dict[str, dict[str, Spoil]]) -> list[Any]:
    return [
        pytest.param(*form, field, spoil, id=f"{form[0]} {field} {what}")
        for form in FORMS
        for field in fields_of(made(*form)[1])
        for what, spoil in wrong[field].items()
    ]


@pytest.mark.parametrize(("name", "targeted", "field", "spoil"), spoilt(TYPES))
def test_types_and_shapes_are_checked_whatever_is_traced(name, targeted, field, spoil):
    attack, jobs = made(name, targeted)
    bad = dataclasses.replace(jobs, **{field: spoil(getattr(jobs, field))})
    for traced in ((), [field], fields_of(jobs)):
        with unchecked(), pytest.raises((TypeError, ValueError), match=rf"jobs\.{field}: expected"):
            trace(attack, bad, traced)


@pytest.mark.parametrize(("name", "targeted", "field", "spoil"), spoilt(VALUES))
def test_values_are_checked_beside_traced_ones(name, targeted, field, spoil):
    attack, jobs = made(name, targeted)
    bad = dataclasses.replace(jobs, **{field: spoil(getattr(jobs, field))})
    others = [other for other in fields_of(jobs) if other != field]
    for traced in ([], others):
        with unchecked(), pytest.raises(ValueError, match=rf"jobs\.{field}: expected"):
            trace(attack, bad, traced)


@pytest.mark.parametrize(("name", "targeted"), FORMS)
def test_jobs_and_settings_may_all_be_traced(name, targeted):
    attack, jobs = made(name, targeted)
    leaves, structure = jax.tree.flatten(attack)

    def inside(leaves: Any) -> Any:
        return trace(jax.tree.unflatten(structure, leaves), jobs, fields_of(jobs)).shape

    shapes = []
    jax.eval_shape(lambda leaves: shapes.append(inside(leaves)), leaves)
    cells = np.shape(getattr(jobs, "target" if targeted else "label"))
    assert shapes == [(*cells, *SHAPE)]


@pytest.mark.parametrize(("name", "targeted"), FORMS)
def test_settings_are_checked_beside_traced_jobs(name, targeted):
    attack, jobs = made(name, targeted)
    leaves, structure = jax.tree.flatten(attack)
    for i in range(len(leaves)):
        numbers = [jnp.float32(jnp.nan if j == i else leaf) for j, leaf in enumerate(leaves)]
        bad = jax.tree.unflatten(structure, numbers)
        with unchecked(), pytest.raises(ValueError, match=r"expected .*, got .*nan"):
            trace(bad, jobs, fields_of(jobs))


def outcome(make: Callable[[Any], dict[str, Any]], given: Any) -> Any:
    """The images of a run inside a jit, with arguments made there from a traced array."""

    def inside(weights: Any, given: Any) -> Any:
        options = {"model": Linear(weights), "num_steps": 1, **make(given)}
        model = options.pop("model")
        key = jax.random.key(0)
        return jfool.run(key, sparse_fooling(), model, grey_jobs(), **options).images

    return jax.eval_shape(inside, jnp.asarray(WEIGHTS), given)


IDS, THRESHOLD = np.arange(4) + 7, np.float32(0.9)
SURE, PERCENT, NAN, TWICE = (
    jnp.float32(0.9),
    jnp.float32(90),
    jnp.float32(jnp.nan),
    jnp.zeros(4, int),
)
MAKERS = {
    "job ids": (lambda ids: {"job_ids": ids}, IDS),
    "a threshold": (lambda least: {"until": jfool.confident(least)}, THRESHOLD),
    "a threshold with a value": (lambda _: {"until": jfool.confident(SURE)}, IDS),
    "a mean": (lambda mean: {"model": wrapped(mean=mean)}, THRESHOLD),
    "a deviation per channel": (lambda std: {"model": wrapped(std=std)}, np.ones(3, np.float32)),
}


def wrapped(**options: Any) -> Any:
    return jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, jnp.asarray(WEIGHTS), **options)


@pytest.mark.parametrize(("make", "given"), MAKERS.values(), ids=MAKERS.keys())
def test_other_arguments_may_be_traced(make, given):
    assert outcome(make, given).shape == (4, *SHAPE)


BAD = {
    "job ids as floats": (lambda ids: {"job_ids": ids}, IDS.astype(np.float32), "job_ids: .*whole"),
    "a job id too few": (lambda ids: {"job_ids": ids}, IDS[:3], r"job_ids: .*\[4\], got \[3\]"),
    "job ids with values": (
        lambda _: {"job_ids": TWICE},
        IDS,
        "job_ids: .*distinct",
    ),
    "two thresholds": (
        lambda least: {"until": jfool.confident(least)},
        np.full(2, THRESHOLD),
        "threshold: expected a probability",
    ),
    "a threshold with a value": (
        lambda _: {"until": jfool.confident(PERCENT)},
        IDS,
        "threshold: expected a probability",
    ),
    "a rule that gives a number": (
        lambda least: {"until": lambda logits, label, targeted: logits[label] * least},
        THRESHOLD,
        "until: expected one boolean",
    ),
    "a mean that is a truth": (
        lambda mean: {"model": wrapped(mean=mean)},
        np.array(True),
        "mean: expected finite numbers",
    ),
    "a weight with a value that is NaN": (
        lambda scale: {"model": Pair(scale, NAN)},
        THRESHOLD,
        "model: expected weights without NaN",
    ),
}


@jfool.base.pytree
class Pair:
    """Two weights that scale the logits."""

    one: Any
    other: Any

    def __call__(self, images: Any) -> Any:
        logits = images.reshape(len(images), -1) @ jnp.asarray(WEIGHTS)
        return logits * self.one * self.other


@pytest.mark.parametrize(("make", "given", "message"), BAD.values(), ids=BAD.keys())
def test_other_arguments_are_checked_as_far_as_they_are_known(make, given, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message) as caught:
        outcome(make, given)
    assert len(str(caught.value).splitlines()) == 1
