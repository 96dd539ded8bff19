"""What every public attack keeps to. A new attack is one more row of `TABLE`."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.attacks.hot_cold import HotColdDirection
from jfool.base import Attack, Criterion, reference_class
from jfool.constraints import Constraint
from jfool.result import AttackResult
from jfool.search.minimal_step import MinimalStep
from tests.jfool.helpers import (
    NUM_CLASSES,
    POPULATION,
    SHAPE,
    Linear,
    Poisonable,
    Tally,
    Watched,
    assert_same,
    callbacks,
    photos,
    softmax,
    weights,
)

NUM_STEPS = 15
EPSILON = 16 / 255
K = np.array([1, 2, 3, 2])
MAX_K = 3
WEIGHTS = weights(5)
SEARCH = jfool.DifferentialEvolution(POPULATION)
UNTARGETED = jfool.Untargeted(jfool.Confidence())
UNTIL = {True: jfool.confident(0.8), False: jfool.suppressed(0.1)}


@dataclasses.dataclass(frozen=True)
class Row:
    """An attack as the contract tests use it.

    Attributes:
      make: of an objective.
      base: `[4, C]` or `[4, H, W, C]`, where the jobs start.
      jobs: of classes `[4]`, `base`, and whether the classes are to be reached.
      aims: whether it is targeted, in all its forms.
      per_step: images and gradients counted in a step.
      gradients_per_image: how many a step takes of each image that it differentiates.
      draws: whether it draws at random.
      sparse: whether the jobs' k bounds what is altered.
      minimal: whether it ends just beyond the boundary, where nothing is confident.
    """

    make: Callable[[jfool.objectives.Objective], Attack]
    base: np.ndarray
    jobs: Callable[[np.ndarray, np.ndarray, bool], Any] = lambda classes, base, targeted: (
        jfool.SparseJob(**{"target" if targeted else "label": classes}, base=base, k=K)
    )
    aims: tuple[bool, ...] = (True, False)
    per_step: int = POPULATION
    gradients_per_image: int = 1
    draws: bool = True
    sparse: bool = True
    minimal: bool = False


def colors() -> np.ndarray:
    return photos(4, seed=9)[:, 0, 0]


def inversion_jobs(target: np.ndarray, base: np.ndarray, _: bool) -> jfool.InversionJob:
    """Each wants the logits of its base, but for the target's, which shall be the largest by 4."""
    logits = np.broadcast_to(base[:, None, None], (4, *SHAPE)).reshape(4, -1) @ WEIGHTS
    logits[np.arange(4), target] = logits.max(1) + 4
    return jfool.InversionJob(target, base, logits, np.full(4, 1e-4, np.float32))


def archives(target: np.ndarray, base: np.ndarray, _: bool) -> jfool.EvolutionJob:
    """Two cells each, and nothing to start from."""
    del base
    return jfool.EvolutionJob(np.stack([target, (target + 1) % NUM_CLASSES], axis=1))


def perturbations(classes: np.ndarray, base: np.ndarray, targeted: bool) -> jfool.PerturbationJob:
    epsilon = np.full(4, EPSILON, np.float32)
    return jfool.PerturbationJob(base, epsilon, **{"target" if targeted else "label": classes})


def minimal(classes: np.ndarray, base: np.ndarray, targeted: bool) -> jfool.PerturbationJob:
    """Without a radius; with the label beside the target, which is the class after it."""
    label = (classes - 1) % NUM_CLASSES if targeted else classes
    return jfool.PerturbationJob(base, None, label, classes if targeted else None)


def perturbing(make: Callable[..., Attack], **options: Any) -> Row:
    """The row of an attack on 8-bit images by steps of one gradient."""
    base = (photos(4, seed=8) * 255).round() / 255
    options = {"per_step": 1, "sparse": False, "draws": False, **options}
    return Row(make, base, **{"jobs": perturbations, **options})


TABLE = {
    "BIM": perturbing(
        lambda objective: jfool.BIM(SHAPE, NUM_CLASSES, step_size=2 / 255, objective=objective)
    ),
    "APGD": perturbing(
        lambda objective: jfool.APGD(SHAPE, NUM_CLASSES, objective=objective, num_steps=NUM_STEPS)
    ),  # from any start, some job ends in the same corner of the ball
    "DeepFool": perturbing(
        lambda _: jfool.DeepFool(SHAPE, NUM_CLASSES),
        jobs=minimal,
        aims=(False,),
        per_step=3,
        gradients_per_image=3,
        minimal=True,
    ),
    "FAB": perturbing(
        lambda _: jfool.FAB(SHAPE, NUM_CLASSES, random_start=True),
        aims=(False,),
        per_step=4,
        gradients_per_image=3,
        draws=True,
        minimal=True,
    ),
    "FGSM": perturbing(lambda objective: jfool.FGSM(SHAPE, NUM_CLASSES, objective=objective)),
    "HotCold": perturbing(
        lambda _: jfool.HotCold(
            SHAPE,
            NUM_CLASSES,
            search=MinimalStep(HotColdDirection(), num_points=POPULATION, num_rounds=2),
        ),
        jobs=minimal,
        aims=(True,),
        per_step=1 + 2 * POPULATION,
        minimal=True,
    ),
    "InTurn": perturbing(
        lambda objective: jfool.InTurn(
            jfool.PGD(SHAPE, NUM_CLASSES, step_size=EPSILON / 2, objective=objective), 2, 7
        )
    ),
    "MIFGSM": perturbing(lambda objective: jfool.MIFGSM(SHAPE, NUM_CLASSES, objective=objective)),
    "PGD": perturbing(
        lambda objective: jfool.PGD(SHAPE, NUM_CLASSES, objective=objective), draws=True
    ),
    "Restarts": perturbing(
        lambda objective: jfool.Restarts(jfool.PGD(SHAPE, NUM_CLASSES, objective=objective), 3),
        per_step=3,
        draws=True,
    ),
    "Square": perturbing(
        lambda _: jfool.Square(SHAPE, NUM_CLASSES), aims=(False,), draws=True, minimal=True
    ),
    "EvolvedFooling": Row(
        lambda objective: jfool.EvolvedFooling(
            jfool.DirectPixels(SHAPE, "rgb", mutation=jfool.PolynomialMutation(0.3, 5.0)),
            NUM_CLASSES,
            jfool.MAPElites(4 * POPULATION),
            objective,
        ),
        colors(),
        archives,
        aims=(True,),
        per_step=4 * POPULATION,
        sparse=False,
    ),
    "FeatureInversion": Row(
        lambda objective: jfool.FeatureInversion(
            SHAPE, NUM_CLASSES, layer="logits", ascent=jfool.GradientAscent(0.03)
        ),
        colors(),
        inversion_jobs,
        aims=(True,),
        per_step=1,
        draws=False,
        sparse=False,
    ),
    "GradientFooling": Row(
        lambda objective: jfool.GradientFooling(
            SHAPE, NUM_CLASSES, start=jfool.NearBase(0.1), objective=objective
        ),
        photos(4, seed=8),
        lambda target, base, _: jfool.AscentJob(target, base),
        aims=(True,),
        per_step=1,
        sparse=False,
    ),
    "GreedyFooling": Row(
        lambda objective: jfool.GreedyFooling(
            SHAPE,
            NUM_CLASSES,
            max_k=MAX_K,
            search=jfool.GreedySearch(POPULATION, beam=2),
            objective=objective,
        ),
        colors(),
    ),
    "OnePixel": Row(
        lambda objective: jfool.OnePixel(
            SHAPE, NUM_CLASSES, max_k=MAX_K, search=SEARCH, objective=objective
        ),
        photos(4, seed=8),
    ),
    "SparseFooling": Row(
        lambda objective: jfool.SparseFooling(
            SHAPE, NUM_CLASSES, max_k=MAX_K, search=SEARCH, objective=objective
        ),
        colors(),
    ),
}


def test_every_public_attack_is_in_the_table():
    assert sorted(TABLE) == sorted(jfool.attacks.__all__)


def test_every_public_attack_is_a_frozen_pytree_class(case):
    attack = case.attack
    assert type(attack) is getattr(jfool, type(attack).__name__)
    assert isinstance(attack, Attack)
    assert dataclasses.is_dataclass(attack)
    assert repr(attack).startswith(f"{type(attack).__name__}(")
    leaves, structure = jax.tree.flatten(attack)
    assert all(isinstance(leaf, (int, float)) for leaf in leaves)
    assert jax.tree.unflatten(structure, leaves) == attack


@dataclasses.dataclass(frozen=True)
class Case:
    """An attack with a model that it has not fooled yet, and the means to run it."""

    row: Row
    attack: Attack
    jobs: Any
    until: Criterion
    tally: Tally

    def run(self, *, num_steps: int = NUM_STEPS, health: float = 1.0, key: int = 0) -> AttackResult:
        model = Watched(Poisonable(Linear(jnp.asarray(WEIGHTS)), jnp.float32(health)), self.tally)
        return jfool.run(
            jax.random.key(key),
            self.attack,
            model,
            self.jobs,
            num_steps=num_steps,
            until=self.until,
            chunk=self.attack.images_at_once,
        )

    def shown(self, result: AttackResult) -> int:
        """Images that the search showed to the model, over all jobs."""
        images = result.num_gradients // self.row.gradients_per_image
        return int((result.num_queries + images).sum())

    @property
    def classes(self) -> np.ndarray:
        return reference_class(self.jobs, self.attack.targeted)

    def by_hand(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the model says of images: prediction, confidence and success."""
        classes = self.classes
        probability = softmax(images.reshape(*classes.shape, -1) @ WEIGHTS)
        prediction = probability.argmax(-1)
        if not self.attack.targeted:
            return prediction, probability.max(-1), prediction != classes
        confidence = np.take_along_axis(probability, classes[..., None], -1)[..., 0]
        asked = 0 if self.row.minimal else 0.8
        return prediction, confidence, (prediction == classes) & (confidence >= asked)

    @property
    def has_radius(self) -> bool:
        return isinstance(getattr(self.attack, "constraint", None), Constraint)

    def rounded(self, images: np.ndarray) -> np.ndarray:
        """In 8 bits; where that would leave the radius, one gray level nearer to the start."""
        numbers = images.astype(float) * 255
        nearest = np.round(numbers)
        if self.has_radius:
            start = self.jobs.image.astype(float) * 255
            inward = np.where(numbers > start, np.floor(numbers + 1e-3), np.ceil(numbers - 1e-3))
            leaves = np.abs(nearest - start) > 255 * EPSILON + 1e-3
            nearest = np.where(leaves, inward, nearest)
        return nearest.astype(np.uint8) / np.float32(255)


@pytest.fixture(
    scope="module",
    params=[(name, targeted) for name, row in TABLE.items() for targeted in row.aims],
    ids=lambda param: f"{param[0]} {'targeted' if param[1] else 'untargeted'}",
)
def case(request: pytest.FixtureRequest) -> Case:
    name, targeted = request.param
    row = TABLE[name]
    attack = row.make(jfool.Confidence() if targeted else UNTARGETED)
    images = np.stack([np.broadcast_to(base, SHAPE) for base in row.base])
    predicted = (images.reshape(4, -1) @ WEIGHTS).argmax(1)
    classes = (predicted + 1) % NUM_CLASSES if targeted else predicted
    until = jfool.misclassified() if row.minimal else UNTIL[targeted]
    return Case(row, attack, row.jobs(classes, row.base, targeted), until, Tally())


@pytest.fixture(scope="module")
def result(case: Case) -> AttackResult:
    return case.run()


def counted(result: AttackResult) -> np.ndarray:
    """Images and gradients of each job."""
    return np.asarray(result.num_queries + result.num_gradients)


def test_images_are_in_0_1(case, result):
    images = np.asarray(result.images)
    assert images.shape == (*case.classes.shape, *SHAPE)
    assert ((images >= 0) & (images <= 1)).all()


def test_at_most_k_pixels_differ_from_the_base(case, result):
    if not case.row.sparse:
        return
    base = case.jobs.base.reshape(4, *(SHAPE if case.jobs.base.ndim == 4 else (1, 1, 3)))
    changed = (np.asarray(result.images) != base).any(-1).sum((1, 2))
    assert (changed <= K).all()
    assert (changed > 0).all()
    assert (K < MAX_K).any()


def test_images_are_inside_the_radius_and_as_far_as_the_result_says(case, result):
    if not case.has_radius:
        return
    far = np.abs(np.asarray(result.images, float) - case.jobs.image).reshape(4, -1).max(1)
    assert (far <= np.float32(EPSILON)).all()
    assert far.max() > 0.5 * EPSILON
    np.testing.assert_allclose(result.distances["linf"], far, rtol=1e-6)


def test_the_truths_are_those_of_the_model_on_the_images(case, result):
    prediction, confidence, success = case.by_hand(np.asarray(result.images))
    np.testing.assert_array_equal(result.prediction, prediction)
    np.testing.assert_array_equal(result.success, success)
    np.testing.assert_allclose(result.confidence, confidence, rtol=1e-3, atol=1e-6)
    assert success.any()


def test_the_truths_in_8_bits_are_those_of_the_rounded_images(case, result):
    rounded = case.rounded(np.asarray(result.images))
    _, confidence, success = case.by_hand(rounded)
    np.testing.assert_array_equal(result.success_uint8, success)
    np.testing.assert_allclose(result.confidence_uint8, confidence, rtol=1e-3, atol=1e-6)


def test_nan_logits_never_succeed(case):
    result = case.run(health=-1)
    for never in (result.success, result.success_uint8, result.stopped):
        assert not never.any()
    np.testing.assert_array_equal(result.prediction, -1)
    assert np.isfinite(result.images).all()


def test_queries_are_the_images_that_the_model_saw(case):
    seen, told = [], []
    for num_steps in (0, 1, NUM_STEPS):
        case.tally.forget()
        result = case.run(num_steps=num_steps)
        told.append(case.shown(result))
        seen.append(case.tally.num_images)
    rechecks = seen[0] - told[0] - 2  # two images were shown before, whether they get logits
    # The final images, their roundings, and what they were made of; the last call is padded.
    answers = 2 * case.classes.size + (0 if result.distances is None else 4)
    assert answers <= rechecks < answers + case.attack.images_at_once
    np.testing.assert_array_equal(np.subtract(seen, rechecks + 2), told)
    np.testing.assert_array_equal(counted(case.run(num_steps=0)), case.row.per_step)


def test_jobs_that_stop_no_longer_query(case, result):
    assert result.stopped.any()
    np.testing.assert_array_equal(counted(result), case.row.per_step * (result.num_steps + 1))
    assert (np.asarray(result.num_steps)[np.asarray(result.stopped)] < NUM_STEPS).any()


def test_the_same_key_gives_the_same_result(case, result):
    assert_same(case.run(), result)


def test_another_key_gives_other_draws(case, result):
    other, one = np.asarray(case.run(key=1).genotype), np.asarray(result.genotype)
    assert (other != one).reshape(4, -1).any(1).all() == case.row.draws


def test_zero_steps_judge_the_start(case):
    result = case.run(num_steps=0)
    np.testing.assert_array_equal(result.num_steps, 0)
    np.testing.assert_array_equal(counted(result), case.row.per_step)
    np.testing.assert_array_equal(result.prediction, case.by_hand(np.asarray(result.images))[0])


def test_the_program_is_one_call_without_callbacks(case):
    def images(key):
        linear = Linear(jnp.asarray(WEIGHTS))
        options = {"num_steps": 2, "until": case.until}
        return jfool.run(key, case.attack, linear, case.jobs, **options).images

    assert not callbacks(jax.make_jaxpr(images)(jax.random.key(0)).jaxpr)


def test_a_callback_deep_inside_a_program_would_be_seen():
    watched = Watched(Linear(jnp.asarray(WEIGHTS)), Tally())
    looped = jax.jit(lambda images: jax.lax.map(watched, images))
    assert callbacks(jax.make_jaxpr(looped)(np.zeros((2, 1, *SHAPE), np.float32)).jaxpr)
