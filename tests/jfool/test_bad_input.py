"""What cannot work is refused in one sentence that names the argument, before any work is done."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jfool
from jfool.check import check_model
from jfool.run import AttackResult
from tests.jfool.helpers import (
    NUM_CLASSES,
    SHAPE,
    Linear,
    Tally,
    Traced,
    grey_jobs,
    photos,
    sparse_fooling,
    unchecked,
    weights,
)


class Net(nnx.Module):
    """A linear model with something that behaves differently in training."""

    def __init__(self, kind: str) -> None:
        rngs = nnx.Rngs(0)
        norm, dropout = nnx.BatchNorm(3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.middle = norm if kind == "norm" else dropout
        self.out = nnx.Linear(int(np.prod(SHAPE)), NUM_CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.out(self.middle(images).reshape(len(images), -1))


def with_logits(change: Callable[[jax.Array], Any]) -> Any:
    return jfool.wrap(lambda w, x: change(x.reshape(len(x), -1) @ w), weights())


@jfool.base.pytree
class Odd:
    """Logits spoilt by `change`, and not put right by `wrap`."""

    weights: Any
    change: Callable[[jax.Array], Any] = jfool.base.static()

    def __call__(self, images: jax.Array) -> Any:
        return self.change(images.reshape(len(images), -1) @ self.weights)


def search(**options: Any) -> jfool.Composition:
    options = {"population_size": 8, **options}
    return sparse_fooling(search=jfool.DifferentialEvolution(**options))


def jobs(**changed: Any) -> jfool.SparseJob:
    return dataclasses.replace(grey_jobs(), **changed)


def nan_weights() -> Linear:
    spoilt = weights().copy()
    spoilt[17, 2] = np.nan
    return Linear(spoilt)


# what is wrong: (the arguments of `run` that are so, the error, what its message says)
BAD: dict[str, tuple[dict[str, Callable[[], Any]], Any, str]] = {
    "a legacy key": ({"key": lambda: jax.random.PRNGKey(0)}, TypeError, "key: .*typed key"),
    "a batch of keys": (
        {"key": lambda: jax.random.split(jax.random.key(0), 2)},
        TypeError,
        r"key: .*one key.*\[2\]",
    ),
    "an rbg key": ({"key": lambda: jax.random.key(0, impl="rbg")}, ValueError, "key: .*threefry"),
    "a number as key": ({"key": lambda: 0}, TypeError, "key: .*typed key"),
    "model and attack swapped": ({"attack": lambda: Linear(0)}, TypeError, "attack: .*Linear"),
    "dropout in training mode": (
        {"model": lambda: Net("dropout")},
        ValueError,
        r"model: .*inference mode.*middle.*training mode.*eval\(\)",
    ),
    "batch normalisation in training mode": (
        {"model": lambda: Net("norm")},
        ValueError,
        r"model: .*inference mode.*middle.*training mode.*eval\(\)",
    ),
    "NaN weights": ({"model": nan_weights}, ValueError, "model: .*NaN"),
    "a bare function as model": (
        {"model": lambda: lambda images: images.mean((1, 2))},
        TypeError,
        r"model: .*jfool\.wrap",
    ),
    "a model that cannot be called": ({"model": weights}, TypeError, "model: .*callable"),
    "one logit too few": (
        {"model": lambda: with_logits(lambda y: y[:, 1:])},
        ValueError,
        r"model: .*num_classes = 4.*\(2, 3\)",
    ),
    "logits without a batch": (
        {"model": lambda: with_logits(lambda y: y[0])},
        ValueError,
        r"model: .*logits \[2, 4\].*\(4,\)",
    ),
    "logits with a third axis": (
        {"model": lambda: with_logits(lambda y: y[None])},
        ValueError,
        r"model: .*logits \[2, 4\].*\(1, 2, 4\)",
    ),
    "two outputs": (
        {"model": lambda: Odd(weights(), lambda y: (y, y))},
        ValueError,
        r"model: .*logits \[2, 4\].*tuple",
    ),
    "integer logits": (
        {"model": lambda: Odd(weights(), lambda y: y.astype(jnp.int32))},
        TypeError,
        "model: .*floating.*int32",
    ),
    "a model of other images": (
        {"model": lambda: Linear(weights(shape=(6, 6, 3)))},
        ValueError,
        r"model: .*take images \[2, 4, 5, 3\].*108",
    ),
    "no jobs": ({"jobs": lambda: grey_jobs(np.zeros(0, int))}, ValueError, "jobs: .*none"),
    "fewer labels than bases": (
        {"jobs": lambda: jobs(label=np.arange(3))},
        ValueError,
        r"jobs: .*leading axis.*label \[3\]",
    ),
    "one number for all jobs": (
        {"jobs": lambda: jobs(k=2)},
        ValueError,
        r"jobs: .*leading axis.*k \[\]",
    ),
    "nothing as jobs": ({"jobs": lambda: None}, ValueError, "jobs: .*no arrays"),
    "jobs of another kind": (
        {"jobs": lambda: {"label": np.arange(4)}},
        TypeError,
        r"jobs: expected jfool\.SparseJob, got dict",
    ),
    "a label that is no class": (
        {"jobs": lambda: grey_jobs([0, 1, 2, 4])},
        ValueError,
        r"jobs\.label: .*0 to 3.*4",
    ),
    "a negative label": ({"jobs": lambda: grey_jobs([-1, 1])}, ValueError, r"jobs\.label: .*-1"),
    "labels as floats": (
        {"jobs": lambda: grey_jobs([0.0, 1.0])},
        TypeError,
        r"jobs\.label: .*integers.*float",
    ),
    "labels as one-hot rows": (
        {"jobs": lambda: jobs(label=np.eye(4, dtype=int))},
        TypeError,
        r"jobs\.label: .*integers \[N\]",
    ),
    "colours in 8 bits": (
        {"jobs": lambda: jobs(base=np.full((4, 3), 127, np.uint8))},
        TypeError,
        r"jobs\.base: .*uint8.*255",
    ),
    "colours above 1": (
        {"jobs": lambda: jobs(base=np.full((4, 3), 127.0))},
        ValueError,
        r"jobs\.base: .*\[0, 1\].*127",
    ),
    "NaN colours": (
        {"jobs": lambda: jobs(base=np.full((4, 3), np.nan))},
        ValueError,
        r"jobs\.base: .*\[0, 1\].*nan",
    ),
    "colours with other channels": (
        {"jobs": lambda: jobs(base=np.zeros((4, 1)))},
        ValueError,
        r"jobs\.base: .*\[N, 3\].*\[4, 1\]",
    ),
    "photographs of another size": (
        {"jobs": lambda: jobs(base=photos(4, shape=(5, 4, 3)))},
        ValueError,
        r"jobs\.base: .*\[N, 4, 5, 3\].*\[4, 5, 4, 3\]",
    ),
    "no pixels": ({"jobs": lambda: grey_jobs(k=0)}, ValueError, r"jobs\.k: .*1 to max_k = 3.*0"),
    "more pixels than the attack's most": (
        {"jobs": lambda: grey_jobs(k=4)},
        ValueError,
        r"jobs\.k: .*max_k = 3.*4",
    ),
    "half a pixel": ({"jobs": lambda: grey_jobs(k=1.5)}, TypeError, r"jobs\.k: .*integers.*float"),
    "more pixels than the image has": (
        {"attack": lambda: sparse_fooling(max_k=21)},
        ValueError,
        "max_k: .*1 to 20.*21",
    ),
    "an attack on no pixels": (
        {"attack": lambda: sparse_fooling(max_k=0)},
        ValueError,
        "max_k: .*0",
    ),
    "an image shape without channels": (
        {"attack": lambda: jfool.SparsePixels((28, 28), 1)},
        ValueError,
        r"image_shape: .*\(28, 28\)",
    ),
    "an empty image": (
        {"attack": lambda: jfool.SparsePixels((0, 28, 1), 1)},
        ValueError,
        r"image_shape: .*\(0, 28, 1\)",
    ),
    "an unknown boundary": (
        {"attack": lambda: sparse_fooling(boundary="mirror")},
        ValueError,
        "boundary: .*clip.*mirror",
    ),
    "a population of three": (
        {"attack": lambda: search(population_size=3)},
        ValueError,
        "population_size: .*4.*3",
    ),
    "F of zero": ({"attack": lambda: search(scaling_factor=0.0)}, ValueError, "scaling_factor: "),
    "F below zero": (
        {"attack": lambda: search(scaling_factor=-0.5)},
        ValueError,
        "scaling_factor: .*positive.*-0.5",
    ),
    "F that is NaN": (
        {"attack": lambda: search(scaling_factor=float("nan"))},
        ValueError,
        "scaling_factor: .*nan",
    ),
    "F from high to low": (
        {"attack": lambda: search(scaling_factor=(0.9, 0.5))},
        ValueError,
        r"scaling_factor: .*\(low, high\).*0\.9",
    ),
    "a crossover rate above 1": (
        {"attack": lambda: search(crossover_rate=1.5)},
        ValueError,
        "crossover_rate: .*1.5",
    ),
    "an unknown mutant": ({"attack": lambda: search(mutant="bset")}, ValueError, "mutant: .*bset"),
    "an unknown start": ({"attack": lambda: search(start="sobol")}, ValueError, "start: .*sobol"),
    "an F that is a word": (
        {"attack": lambda: search(scaling_factor="half")},
        (TypeError, ValueError),
        "scaling_factor: .*half",
    ),
    "three Fs": (
        {"attack": lambda: search(scaling_factor=(0.1, 0.5, 0.9))},
        ValueError,
        "scaling_factor: .*0.1",
    ),
    "a list as F": (
        {"attack": lambda: search(scaling_factor=[0.5, 0.9])},
        (TypeError, ValueError),
        "scaling_factor: .*pair",
    ),
    "two crossover rates": (
        {"attack": lambda: search(crossover_rate=(0.1, 0.2))},
        (TypeError, ValueError),
        "crossover_rate: ",
    ),
    "a class in place of an objective": (
        {"attack": lambda: sparse_fooling(objective=jfool.Confidence)},
        TypeError,
        "objective: ",
    ),
    "no classes": (
        {"attack": lambda: jfool.SparseFooling(SHAPE, 0, max_k=3)},
        ValueError,
        "num_classes: .*0",
    ),
    "classes that are no whole number": (
        {"attack": lambda: jfool.SparseFooling(SHAPE, 4.0, max_k=3)},
        (TypeError, ValueError),
        "num_classes: .*4.0",
    ),
    "half a step": ({"num_steps": lambda: 2.5}, ValueError, "num_steps: .*2.5"),
    "a truth as number of steps": ({"num_steps": lambda: True}, ValueError, "num_steps: .*True"),
    "more steps than 32 bits count": (
        {"num_steps": lambda: 2**31},
        ValueError,
        "num_steps: .*2147483648",
    ),
    "a chunk in words": ({"chunk": lambda: "all"}, ValueError, "chunk: .*all"),
    "a number as stopping rule": ({"until": lambda: 0.9}, TypeError, r"until: .*confident.*0\.9"),
    "a stopping rule that was not made": (
        {"until": lambda: jfool.confident},
        (TypeError, ValueError),
        "until: ",
    ),
    "a stopping rule that gives a number": (
        {"until": lambda: lambda logits, label, targeted: logits[label]},
        TypeError,
        "until: .*boolean",
    ),
    "fewer than no steps": ({"num_steps": lambda: -1}, ValueError, "num_steps: .*-1"),
    "a chunk of no images": ({"chunk": lambda: 0}, ValueError, "chunk: .*0"),
    "a threshold in percent": (
        {"until": lambda: jfool.confident(90.0)},
        ValueError,
        r"threshold: .*\(0, 1\].*90",
    ),
    "suppression of a target": (
        {"until": lambda: jfool.suppressed(0.05)},
        ValueError,
        "until: .*suppressed.*untargeted",
    ),
    "one job id too few": (
        {"job_ids": lambda: np.arange(3)},
        ValueError,
        r"job_ids: .*\[4\].*\[3\]",
    ),
    "two jobs of one id": (
        {"job_ids": lambda: np.array([0, 1, 2, 2])},
        ValueError,
        "job_ids: .*distinct",
    ),
    "a negative job id": ({"job_ids": lambda: np.arange(4) - 1}, ValueError, r"job_ids: .*\[0"),
    "job ids as floats": ({"job_ids": lambda: np.arange(4.0)}, ValueError, "job_ids: .*whole"),
}


def run(model: Any = None, **given: Any) -> AttackResult:
    arguments = {"key": jax.random.key(0), "attack": sparse_fooling(), "jobs": grey_jobs()}
    arguments |= {"num_steps": 3, **given}
    lead = [arguments.pop("key"), arguments.pop("attack"), model, arguments.pop("jobs")]
    return jfool.run(*lead, **arguments)


@pytest.fixture(autouse=True)
def annotations_are_not_checked() -> Iterator[None]:
    with unchecked():
        yield


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_refuses(given, error, message):
    tally = Tally()
    make_model = given.get("model", lambda: Traced(Linear(weights()), tally))
    with pytest.raises(error, match=message) as caught:
        run(**{"model": make_model(), **{k: v() for k, v in given.items() if k != "model"}})
    assert len(str(caught.value).splitlines()) == 1
    assert not tally.batches
    assert tally.traces <= 1  # looked at in the abstract at most: nothing was compiled


@pytest.mark.parametrize("kind", ["norm", "dropout"])
def test_a_module_in_inference_mode_is_accepted(kind):
    net = Net(kind)
    net.eval()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check_model(net, SHAPE, NUM_CLASSES)


def test_dropout_that_drops_nothing_is_accepted_in_any_mode():
    net = Net("dropout")
    net.middle.rate = 0.0
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        check_model(net, SHAPE, NUM_CLASSES)


@pytest.mark.parametrize("ids", [[5, 6, 7, 8], range(5, 9), np.arange(5, 9), (5, 6, 7, 8)])
def test_job_ids_may_be_any_sequence_of_whole_numbers(ids):
    def images(ids):
        return jax.eval_shape(lambda: run(Linear(weights()), job_ids=ids).images)

    assert images(ids).shape == (4, *SHAPE)
