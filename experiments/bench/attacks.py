"""What gradient attacks cost over loops as a user would write them, and how long first calls take.

    python -m experiments bench attacks

Bars: a step of PGD, in `run` and in `perturb`, and FGSM in `perturb`, at most 1.05 x the same in a
jitted loop of sign, clip and clip; what `run` costs beyond its steps at most three forward passes
of the batch, which judge the clean, the final and the rounded images. Ratios are medians over pairs
divided by the null ratio; see `experiments.bench.pairs`.
"""

import dataclasses
import functools
import os
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax

import jfool
from experiments import lab
from experiments.bench.pairs import Ratio, over_null, seconds
from experiments.lab.record import print_json, versions, write_json
from models import ARCHITECTURES, Network, create

_SHAPE, _EPSILON, _STEP_SIZE = (32, 32, 3), 8 / 255, 2 / 255
_KEY = jax.random.key(0)


@lab.settings
class Settings:
    network: Annotated[str, lab.one_of(ARCHITECTURES)] = "cifar_resnet20"  # with random weights
    batch: lab.Count = 128  # images attacked at once
    steps: lab.Count = 5  # of PGD, in a timed call
    pairs: lab.Count = 15  # paired runs for each ratio
    out: lab.OutFile | None = None  # also write the record to this file


def main(settings: Settings) -> None:
    """Prints one JSON line."""
    bench = Bench(settings)
    first_calls = bench.first_call_seconds()  # before anything else is compiled
    ratios = {
        "pgd_run_step_over_handwritten": bench.pgd_run_step(),
        "pgd_perturb_step_over_handwritten": bench.pgd_perturb_step(),
        "fgsm_perturb_over_handwritten": bench.fgsm_perturb(),
        "run_fixed_over_forward": bench.run_fixed(),
    }
    record = {
        "bench": "attacks",
        **{name: ratio.value for name, ratio in ratios.items()},
        "intervals": {name: ratio.interval for name, ratio in ratios.items()},
        "null_ratios": {name: ratio.null for name, ratio in ratios.items()},
        "first_call_seconds": first_calls,
        "load_average": os.getloadavg()[0],
        **dataclasses.asdict(settings),
        **versions(),
    }
    if settings.out is not None:
        write_json(settings.out, record)
    print_json(record)


class Bench:
    """A network, a batch, and the programs that are compared on them."""

    def __init__(self, settings: Settings) -> None:
        self.steps, self.pairs = settings.steps, settings.pairs
        self.model = create(settings.network, _SHAPE)
        self.model.eval()
        image_key, label_key = jax.random.split(jax.random.key(1))
        self.images = jax.random.uniform(image_key, (settings.batch, *_SHAPE), jnp.float32)
        self.labels = jax.random.randint(label_key, (settings.batch,), 0, self.model.num_classes)
        epsilons = jnp.full(settings.batch, _EPSILON, jnp.float32)
        self.jobs = jfool.PerturbationJob(self.images, epsilons, self.labels)
        sizes = _SHAPE, self.model.num_classes
        self.fgsm, self.pgd = jfool.FGSM(*sizes), jfool.PGD(*sizes, step_size=_STEP_SIZE)
        self.others = {"bim": jfool.BIM(*sizes), "mifgsm": jfool.MIFGSM(*sizes)}

    def first_call_seconds(self) -> dict[str, float]:
        """Of one step each, compilation included; the forward pass is compiled beforehand."""
        forward(self.model, self.images).block_until_ready()
        attacks = {"fgsm": self.fgsm, **self.others, "pgd": self.pgd}
        return {
            **{name: seconds(lambda a=attack: self.run(a, 1)) for name, attack in attacks.items()},
            "fgsm_perturb": seconds(lambda: self.perturb(self.fgsm, 1)),
            "pgd_perturb": seconds(lambda: self.perturb(self.pgd, self.steps)),
            "pgd_handwritten": seconds(self.handwritten_pgd),
        }

    def pgd_run_step(self) -> Ratio:
        """A run of some steps less a run of none, over the loop of as many."""

        def steps() -> float:
            return seconds(lambda: self.run(self.pgd, self.steps)) - self.fixed_seconds()

        return over_null(steps, self.handwritten_pgd, self.pairs)

    def pgd_perturb_step(self) -> Ratio:
        """The random start is part of both."""
        return over_null(
            lambda: seconds(lambda: self.perturb(self.pgd, self.steps)),
            self.handwritten_pgd,
            self.pairs,
        )

    def fgsm_perturb(self) -> Ratio:
        return over_null(
            lambda: seconds(lambda: self.perturb(self.fgsm, 1)),
            lambda: fgsm(self.model, self.images, self.labels, _EPSILON),
            self.pairs,
        )

    def run_fixed(self) -> Ratio:
        """A run of no steps."""
        return over_null(self.fixed_seconds, lambda: forward(self.model, self.images), self.pairs)

    def fixed_seconds(self) -> float:
        return seconds(lambda: self.run(self.pgd, 0))

    def run(self, attack: Any, num_steps: int) -> jfool.AttackResult:
        return jfool.run(_KEY, attack, self.model, self.jobs, num_steps=num_steps, keep="last")

    def perturb(self, attack: Any, num_steps: int) -> jax.Array:
        return perturb(_KEY, attack, self.model, self.jobs, num_steps=num_steps)

    def handwritten_pgd(self) -> jax.Array:
        return pgd(_KEY, self.model, self.images, self.labels, _EPSILON, _STEP_SIZE, self.steps)


@jax.jit
def forward(model: Network, images: jax.Array) -> jax.Array:
    return model(images)


@functools.partial(jax.jit, static_argnames="num_steps")
def perturb(key: jax.Array, attack: Any, model: Any, jobs: Any, *, num_steps: int) -> jax.Array:
    return jfool.perturb(key, attack, model, jobs, num_steps=num_steps)


@jax.jit
def pgd(
    key: jax.Array,
    model: Network,
    images: jax.Array,
    labels: jax.Array,
    epsilon: float,
    step_size: float,
    num_steps: int,
) -> jax.Array:
    """PGD with a random start, as a user of JAX would write it."""

    def step(_: int, x: jax.Array) -> jax.Array:
        x = x + step_size * jnp.sign(jax.grad(cross_entropy, argnums=1)(model, x, labels))
        return jnp.clip(jnp.clip(x, images - epsilon, images + epsilon), 0, 1)

    noise = jax.random.uniform(key, images.shape, minval=-epsilon, maxval=epsilon)
    return jax.lax.fori_loop(0, num_steps, step, jnp.clip(images + noise, 0, 1))


@jax.jit
def fgsm(model: Network, images: jax.Array, labels: jax.Array, epsilon: float) -> jax.Array:
    gradient = jax.grad(cross_entropy, argnums=1)(model, images, labels)
    return jnp.clip(images + epsilon * jnp.sign(gradient), 0, 1)


def cross_entropy(model: Network, images: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()
