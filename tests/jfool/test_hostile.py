"""Every public function and class, with hostile values in the place of each of its arguments.

A value works, or it is refused in one sentence that begins with the name of an argument, before
anything is compiled. A public name without a row in `TABLE` fails.
"""

import dataclasses
import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jfool
from jfool import metrics, search, theory
from jfool.attacks.hot_cold import HotColdDirection
from jfool.constraints import distances
from jfool.encodings import cppn
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, photos, unchecked, weights

LONGEST = 300
SENTENCE = re.compile(r"(?P<name>\w+)(?P<path>[.\w\[\]]*): expected .*, got .*", re.DOTALL)

# Fed to every argument.
VALUES: tuple[Any, ...] = (
    *(None, True, "", "x", b"x", [], {}, {"a": 1}, set(), object(), int, print, range(3), ...),
    *(0, 1, -1, 2**31, 2**70, 10**5000, 1.5, -0.5, 1e39, -1e39, 1e-45, 1e-50, 1j),
    *(float("nan"), float("inf"), -float("inf"), np.float64(1e300), np.int64(2**40), np.uint8(200)),
    *([1, [2, 3]], ["a", "b"], [None, 1], (1, 2), [32, 32, 3], (0, 0, 0), (-1, 2, 3), (2.5, 2, 3)),
    *(
        jnp.bfloat16(0.5),
        np.float16(0.5),
        jnp.float32(0.5),
        np.array(0.5),
        np.array("x"),
        np.datetime64(0, "s"),
    ),
    *(np.zeros(0), np.zeros((2, 2)), np.array(["a"]), np.ones(3, bool), np.array([object()])),
    *(jfool.Confidence, jfool.Confidence(), jfool.L2, jfool.Pixels(), jax.random.key(0)),
)


def spoilt(good: Any) -> Iterator[Any]:
    """What else an array that works may come as."""
    if not isinstance(good, (np.ndarray, jax.Array)) or not np.ndim(good):
        return
    array = np.asarray(good)
    yield from (array.tolist(), tuple(array.tolist()), list(array), jnp.asarray(array))
    for dtype in (
        np.float64,
        np.float16,
        jnp.bfloat16,
        np.int64,
        np.uint8,
        bool,
        complex,
        str,
        object,
    ):
        yield array.astype(dtype)
    with np.errstate(all="ignore"):
        odd = (array * np.nan, array * np.inf, array * 255, -array, array * 1e39, array + 1e-7)
    yield from odd
    yield from (
        array[:0],
        array[:1],
        array[0],
        array[..., 0],
        array[..., None],
        array[None],
        array.T,
    )
    yield from (["x"] * len(array), [*array.tolist(), []], [None, *array[1:].tolist()])


class ReachedError(Exception):
    """All checks have passed; what follows would be compiled."""


def reach(*_: Any, **__: Any) -> Any:
    raise ReachedError


@pytest.fixture(autouse=True)
def stop_before_the_compile(monkeypatch):
    for module in ("run", "perturb"):
        monkeypatch.setattr(importlib.import_module(f"jfool.{module}"), "on_any_mesh", reach)
    monkeypatch.setattr(importlib.import_module("jfool.sweeps.sweep"), "choose_sizes", reach)
    monkeypatch.setattr(importlib.import_module("jfool.attacks.perturbing"), "_logits", reach)
    monkeypatch.setattr(importlib.import_module("jfool.features"), "_features", reach)
    monkeypatch.setattr(importlib.import_module("jfool.robustness"), "_classified", reach)


COMPILED: list[str] = []


def note_compilation(event: str, _: float, fun_name: str = "", **__: Any) -> None:
    """Other programs than those that make an array of an argument."""
    conversion = fun_name in ("jit(stage)", "jit(convert_element_type)")
    if "backend_compile" in event and not conversion:
        COMPILED.append(fun_name)


jax.monitoring.register_event_duration_secs_listener(note_compilation)

KEY = jax.random.key(0)
MODEL = Linear(weights())
IMAGES = photos(4)
CLASSES = np.arange(4)
EPSILON = np.full(4, 0.1, np.float32)
COLORS = IMAGES[:, 0, 0]
SPARSE = {"target": CLASSES, "base": COLORS, "k": np.ones(4, np.int32)}
NEAR = {"image": IMAGES, "epsilon": EPSILON, "label": CLASSES}
FEATURES = IMAGES.reshape(4, -1) @ weights()
INVERSION = {"target": CLASSES, "base": COLORS, "features": FEATURES, "l1_weight": EPSILON}
ASCENT = {"target": CLASSES, "base": COLORS}
EVOLUTION = {"target": np.arange(4).reshape(2, 2)}
JOBS = {
    **dict.fromkeys(
        ("OnePixel", "SparseFooling", "GreedyFooling", "Composition"), (jfool.SparseJob, SPARSE)
    ),
    **dict.fromkeys(
        (
            *("FGSM", "BIM", "PGD", "MIFGSM", "DeepFool", "Restarts"),
            *("APGD", "FAB", "Square", "InTurn"),
        ),
        (jfool.PerturbationJob, NEAR),
    ),
    "HotCold": (jfool.PerturbationJob, {**NEAR, "target": (CLASSES + 1) % 4}),
    "FeatureInversion": (jfool.InversionJob, INVERSION),
    "GradientFooling": (jfool.AscentJob, ASCENT),
    "EvolvedFooling": (jfool.EvolutionJob, EVOLUTION),
}


def run(attack: Any, jobs: Any = None) -> Any:
    if jobs is None:
        kind, fields = JOBS[type(attack).__name__]
        jobs = kind(**fields)
    return jfool.run(KEY, attack, MODEL, jobs, num_steps=1)


@dataclasses.dataclass(frozen=True)
class Row:
    """
    call: with all arguments by name.
    good: a value of each argument, which works.
    """

    call: Callable[..., Any]
    good: dict[str, Any]


def row(call: Callable[..., Any], **good: Any) -> Row:
    return Row(call, good)


def attack(kind: Any, **settings: Any) -> Row:
    shape = {} if kind in WITHOUT_SHAPE else {"image_shape": SHAPE, "num_classes": NUM_CLASSES}
    return Row(lambda **given: run(kind(**given)), shape | settings)


WITHOUT_SHAPE = (jfool.Composition, jfool.EvolvedFooling, jfool.Restarts, jfool.InTurn)


def jobs(attack: Any, kind: Any, **fields: Any) -> Row:
    return Row(lambda **given: run(attack, kind(**given)), fields)


def part(where: Callable[[Any], Any], kind: Any, **settings: Any) -> Row:
    """A part of an attack, which is checked with it."""
    return Row(lambda **given: run(where(kind(**given))), settings)


DE = jfool.DifferentialEvolution(8)
sparse = functools.partial(jfool.SparseFooling, SHAPE, NUM_CLASSES, max_k=2)
PGD = jfool.PGD(SHAPE, NUM_CLASSES)
DIRECT = jfool.DirectPixels(SHAPE, "rgb")


def checked(made: Any) -> Any:
    return made.check()


def steps(kind: Any, **settings: Any) -> Row:
    return Row(lambda **given: checked(kind(**given)), settings)


def ascending(part: Any) -> Any:
    return jfool.GradientFooling(SHAPE, NUM_CLASSES, part)


def evolving(**parts: Any) -> Any:
    return jfool.EvolvedFooling(jfool.DirectPixels(SHAPE, "rgb", **parts), NUM_CLASSES)


def fooling(**parts: Any) -> Any:
    return jfool.GradientFooling(SHAPE, NUM_CLASSES, jfool.GradientAscent(0.1), **parts)


RATES = {"rate": 0.1, "eta": 15.0, "halve_every": 10}
CPPN = jfool.CPPN(SHAPE, "rgb")
GENOME = jax.tree.map(lambda leaf: leaf[0], CPPN.start(KEY, 1))
SPARSE_JOBS = jfool.SparseJob(**SPARSE)
NEAR_JOBS = jfool.PerturbationJob(**NEAR)
LINE = {"r": 0.0, "R": 1.0}
W = np.float32([[1, 2, 3], [3, 1, 2]])
Q = np.eye(3, dtype=np.float32)
RESULT = type(
    "Result",
    (),
    {"clean_prediction": CLASSES, "success": CLASSES > 1, "success_uint8": CLASSES > 1},
)()
SWEEP = {
    "num_steps": 1,
    "lanes": 2,
    "segment": 2,
    "split": 1,
    "checkpoint_seconds": 60.0,
    "note": "a",
}

TABLE: dict[str, Row] = {
    "SparseFooling": attack(
        jfool.SparseFooling, max_k=2, search=DE, objective=jfool.Margin(), boundary="clip"
    ),
    "OnePixel": attack(
        jfool.OnePixel, max_k=2, search=DE, objective=jfool.Margin(), boundary="clip"
    ),
    "GreedyFooling": attack(
        jfool.GreedyFooling, max_k=2, search=jfool.GreedySearch(), objective=jfool.Margin()
    ),
    "Composition": attack(
        jfool.Composition,
        search=DE,
        encoding=jfool.SparsePixels(SHAPE, 2),
        objective=jfool.Confidence(),
        num_classes=NUM_CLASSES,
    ),
    "FGSM": attack(jfool.FGSM, constraint=jfool.Linf(), objective=jfool.Untargeted()),
    "BIM": attack(jfool.BIM, step_size=0.1, constraint=jfool.L2(), objective=jfool.Untargeted()),
    "PGD": attack(
        jfool.PGD,
        step_size=0.1,
        random_start=True,
        constraint=jfool.L2(),
        objective=jfool.Untargeted(),
    ),
    "MIFGSM": attack(jfool.MIFGSM, momentum=1.0, relative_step_size=0.1, constraint=jfool.L2()),
    "DeepFool": attack(jfool.DeepFool, norm=jfool.L2(), overshoot=0.02, num_candidates=3),
    "HotCold": attack(jfool.HotCold, search=search.MinimalStep(HotColdDirection())),
    "APGD": attack(jfool.APGD, constraint=jfool.L1(), objective=jfool.LogitRatio(), num_steps=10),
    "FAB": attack(
        jfool.FAB,
        constraint=jfool.L2(),
        boundaries=search.ToAll(),
        overshoot=1.05,
        backward=0.9,
        most_pull=0.1,
        random_start=True,
    ),
    "Square": attack(jfool.Square, constraint=jfool.L2(), objective=jfool.Untargeted(), share=0.5),
    "InTurn": attack(jfool.InTurn, attack=PGD, num_turns=2, num_steps=5),
    "auto_attack": row(
        jfool.auto_attack,
        image_shape=SHAPE,
        num_classes=NUM_CLASSES,
        constraint=jfool.L2(),
        version="plus",
    ),
    "Stage": row(jfool.Stage, name="pgd", attack=PGD, num_steps=5, num_targets=0),
    "robust_accuracy": row(
        jfool.robust_accuracy,
        key=KEY,
        model=MODEL,
        images=IMAGES,
        labels=CLASSES,
        constraint=jfool.Linf(),
        epsilon=0.1,
        attack=jfool.Stage("pgd", PGD, 5),
        chunk=8,
        on_progress=print,
    ),
    "Restarts": attack(jfool.Restarts, attack=PGD, num_restarts=2),
    "FeatureInversion": attack(
        jfool.FeatureInversion,
        layer="logits",
        ascent=jfool.GradientAscent(0.1),
        penalty=jfool.penalties.L1(),
        encoding=jfool.Pixels(),
    ),
    "GradientFooling": attack(
        jfool.GradientFooling,
        ascent=jfool.GradientAscent(0.1),
        regularizers=jfool.Regularizers(),
        objective=jfool.Confidence(),
        start=jfool.NearBase(),
        encoding=jfool.Pixels(),
    ),
    "EvolvedFooling": attack(
        jfool.EvolvedFooling,
        encoding=DIRECT,
        num_classes=NUM_CLASSES,
        search=jfool.MAPElites(8),
        objective=jfool.Confidence(),
    ),
    "SparseJob": jobs(sparse(search=DE), jfool.SparseJob, **SPARSE, label=None),
    "PerturbationJob": jobs(PGD, jfool.PerturbationJob, **NEAR, target=None),
    "InversionJob": jobs(
        jfool.FeatureInversion(SHAPE, NUM_CLASSES, "logits"), jfool.InversionJob, **INVERSION
    ),
    "AscentJob": jobs(fooling(), jfool.AscentJob, **ASCENT),
    "EvolutionJob": jobs(evolving(), jfool.EvolutionJob, **EVOLUTION),
    "Confidence": part(lambda objective: sparse(objective=objective), jfool.Confidence),
    "LogConfidence": part(lambda objective: sparse(objective=objective), jfool.LogConfidence),
    "Logit": part(lambda objective: sparse(objective=objective), jfool.Logit),
    "Margin": part(lambda objective: sparse(objective=objective), jfool.Margin),
    "LogitRatio": part(
        lambda objective: jfool.APGD(SHAPE, NUM_CLASSES, objective=objective), jfool.LogitRatio
    ),
    "TargetLogitRatio": row(
        lambda target: run(
            jfool.APGD(SHAPE, NUM_CLASSES, objective=jfool.TargetLogitRatio()),
            jfool.PerturbationJob(**NEAR, target=target),
        ),
        target=(CLASSES + 1) % NUM_CLASSES,
    ),
    "Untargeted": row(
        lambda objective: run(
            sparse(objective=jfool.Untargeted(objective)),
            jfool.SparseJob(label=CLASSES, base=COLORS, k=SPARSE["k"]),
        ),
        objective=jfool.Confidence(),
    ),
    "AtMost": part(
        lambda objective: sparse(objective=objective),
        jfool.AtMost,
        objective=jfool.Margin(),
        bound=1.0,
    ),
    "DifferentialEvolution": part(
        lambda de: sparse(search=de),
        jfool.DifferentialEvolution,
        population_size=8,
        scaling_factor=(0.5, 0.9),
        crossover_rate=0.5,
        mutant="rand",
        start="uniform",
    ),
    "GreedySearch": part(
        lambda greedy: jfool.GreedyFooling(SHAPE, NUM_CLASSES, search=greedy),
        jfool.GreedySearch,
        num_proposals=8,
        beam=2,
        shares=(1, 1, 1, 1, 1),
        patience=3,
        least_gain=0.1,
        kept=0.5,
    ),
    "MAPElites": part(
        lambda elites: jfool.EvolvedFooling(DIRECT, NUM_CLASSES, elites),
        jfool.MAPElites,
        population_size=8,
        record=2,
    ),
    "GradientAscent": part(ascending, jfool.GradientAscent, step_size=0.1, optimizer=optax.adam),
    "search.ProjectedSteps": steps(
        search.ProjectedSteps, step_size=0.1, momentum=0.5, relative=True, random_start=True
    ),
    "search.AdaptiveSteps": steps(search.AdaptiveSteps, num_steps=10),
    "search.SparseSteps": steps(search.SparseSteps, num_steps=10),
    "search.SquareFlips": steps(search.SquareFlips, share=0.5),
    "search.SquareWindows": steps(search.SquareWindows, share=0.5, power=1.0),
    "search.AdaptiveBoundary": steps(
        search.AdaptiveBoundary,
        boundaries=search.ToTarget(),
        overshoot=1.05,
        backward=0.9,
        most_pull=0.1,
        random_start=True,
    ),
    "search.ToAll": part(
        lambda boundaries: jfool.FAB(SHAPE, NUM_CLASSES, boundaries=boundaries), search.ToAll
    ),
    "search.ToTarget": row(
        lambda target: run(
            jfool.FAB(SHAPE, NUM_CLASSES, boundaries=search.ToTarget()),
            jfool.PerturbationJob(**NEAR, target=target),
        ),
        target=(CLASSES + 1) % NUM_CLASSES,
    ),
    "search.NearestBoundary": steps(
        search.NearestBoundary, norm=jfool.L2(), overshoot=0.1, num_candidates=2
    ),
    "search.MinimalStep": steps(
        search.MinimalStep, direction=HotColdDirection(), num_points=4, num_rounds=2, longest=9.0
    ),
    "confidence_steps": row(jfool.confidence_steps, early=0.1, late=0.1, max_rate=3.0),
    "SparsePixels": part(
        lambda pixels: jfool.Composition(DE, pixels, jfool.Confidence(), NUM_CLASSES),
        jfool.SparsePixels,
        image_shape=SHAPE,
        max_k=2,
        boundary="clip",
    ),
    "DirectPixels": part(
        lambda pixels: jfool.EvolvedFooling(pixels, NUM_CLASSES),
        jfool.DirectPixels,
        image_shape=SHAPE,
        colors="rgb",
        dtype="uint8",
        mutation=jfool.PolynomialMutation(),
        crossover=jfool.NoCrossover(),
    ),
    "CPPN": part(
        lambda pixels: jfool.EvolvedFooling(pixels, NUM_CLASSES),
        jfool.CPPN,
        image_shape=SHAPE,
        colors="hsv",
        max_nodes=20,
        max_connections=30,
        growth=cppn.Growth(),
    ),
    "Pixels": part(lambda pixels: fooling(encoding=pixels), jfool.Pixels),
    "PolynomialMutation": part(
        lambda mutation: evolving(mutation=mutation), jfool.PolynomialMutation, **RATES
    ),
    "BoundedMutation": part(
        lambda mutation: evolving(mutation=mutation), jfool.BoundedMutation, **RATES
    ),
    "NoCrossover": part(lambda crossover: evolving(crossover=crossover), jfool.NoCrossover),
    "SimulatedBinaryCrossover": part(
        lambda crossover: evolving(crossover=crossover),
        jfool.SimulatedBinaryCrossover,
        rate=0.5,
        eta=10.0,
        equal_genes=0.5,
    ),
    "encodings.cppn.Growth": part(
        lambda growth: jfool.EvolvedFooling(jfool.CPPN(SHAPE, "rgb", growth=growth), NUM_CLASSES),
        cppn.Growth,
        weights=jfool.PolynomialMutation(),
        function=0.1,
        add_connection=0.1,
        delete_connection=0.1,
        add_neuron=0.1,
        delete_neuron=0.1,
    ),
    "encodings.cppn.describe": row(cppn.describe, genome=GENOME, num_outputs=3),
    "encodings.cppn.is_full": row(cppn.is_full, genome=GENOME),
    "Regularizers": part(
        lambda regularizers: fooling(regularizers=regularizers),
        jfool.Regularizers,
        decay=0.1,
        blur_radius=1.0,
        blur_every=2,
        small_norm=10.0,
        small_benefit=10.0,
        reach=2,
    ),
    "NearBase": part(lambda start: fooling(start=start), jfool.NearBase, noise=0.1),
    "Uniform": part(lambda start: fooling(start=start), jfool.Uniform),
    **{
        name: part(
            lambda ball: jfool.BIM(SHAPE, NUM_CLASSES, constraint=ball), getattr(jfool, name)
        )
        for name in ("L1", "L2", "Linf")
    },
    "L0": row(
        lambda **epsilon: run(
            jfool.BIM(SHAPE, NUM_CLASSES, constraint=jfool.L0()),
            jfool.PerturbationJob(IMAGES, label=CLASSES, **epsilon),
        ),
        epsilon=np.full(4, 2.0),
    ),
    "constraints.distances": row(distances, images=IMAGES, originals=IMAGES[::-1]),
    "confident": row(jfool.confident, threshold=0.5),
    "suppressed": row(jfool.suppressed, threshold=0.5),
    "misclassified": row(jfool.misclassified),
    "straight_through": row(jfool.straight_through, forward=jnp.round, backward=jnp.tanh),
    "Averaged": row(jfool.Averaged, model=MODEL, transform=HotColdDirection(), num_samples=3),
    "least_likely": row(jfool.least_likely, model=MODEL, images=IMAGES),
    "grid": row(functools.partial(jfool.grid, jfool.SparseJob), repeats=2, **SPARSE),
    "Rows": row(jfool.Rows, data=IMAGES, index=CLASSES),
    "wrap": row(
        jfool.wrap,
        apply=lambda w, x: x,
        variables=weights(),
        mean=np.float32([0.1, 0.2, 0.3]),
        std=0.5,
        layout="NHWC",
        size=(8, 8),
    ),
    "run": row(
        jfool.run,
        key=KEY,
        attack=sparse(search=DE),
        model=MODEL,
        jobs=SPARSE_JOBS,
        num_steps=1,
        until=jfool.confident(0.5),
        max_queries=9,
        chunk=8,
        job_ids=CLASSES,
        keep="fittest",
        num_draws=2,
        history=False,
    ),
    "perturb": row(
        jfool.perturb,
        key=KEY,
        attack=PGD,
        model=MODEL,
        jobs=NEAR_JOBS,
        num_steps=1,
        job_ids=CLASSES,
    ),
    "sweep": row(
        lambda **given: jfool.sweep(KEY, sparse(search=DE), MODEL, SPARSE_JOBS, **given),
        **SWEEP,
        chunk=8,
        max_queries=9,
        job_ids=CLASSES,
        on_progress=print,
        devices=jax.local_devices()[:1],
    ),
    "examples.lenet": row(jfool.examples.lenet),
    "examples.digits": row(jfool.examples.digits),
    "metrics.wilson": row(metrics.wilson, rate=0.5, trials=3),
    "metrics.auroc": row(metrics.auroc, positive=EPSILON, negative=EPSILON),
    "metrics.total_variation": row(metrics.total_variation, images=IMAGES),
    "metrics.attack_rates": row(metrics.attack_rates, result=RESULT, labels=CLASSES),
    "theory.linear": row(theory.linear, delta_w=W[0], max_k=2, **LINE),
    "theory.linear_among": row(theory.linear_among, W=W, target=1, max_k=2, **LINE),
    "theory.linear_bounds_on_k": row(
        theory.linear_bounds_on_k, W=W, target=1, confidence=0.9, max_k=2, **LINE
    ),
    "theory.hidden_layer": row(theory.hidden_layer, U=W, delta_v=W[0, :2], max_k=2, R=1.0),
    "theory.hidden_layer_among": row(
        theory.hidden_layer_among, U=W, V=W[:, :2], target=0, max_k=2, R=1.0
    ),
    "theory.polynomial": row(theory.polynomial, Q=Q, max_k=2, R=1.0),
    "theory.polynomial_among": row(
        theory.polynomial_among, Q=np.stack([Q, 2 * Q]), target=0, max_k=2, R=1.0
    ),
    "theory.quadratic_form": row(theory.quadratic_form, s=W[0, :2], x=W),
    "theory.form_of_features": row(theory.form_of_features, t=np.arange(6.0), num_pixels=3),
    "theory.pair_index": row(theory.pair_index, i=0, j=1, num_pixels=3),
    "theory.log_odds": row(theory.log_odds, logits=W, target=1),
    "theory.log_odds_of": row(theory.log_odds_of, confidence=0.9),
    "theory.smallest_k": row(theory.smallest_k, bound=W[0], gap=1.5),
    "theory.necessary_gap": row(theory.necessary_gap, confidence=0.9),
    "theory.sufficient_gap": row(theory.sufficient_gap, confidence=0.9, num_classes=3),
}

# What jfool makes, or asks of others; constants, and modules.
MADE = {
    *("Attack", "AttackResult", "Candidate", "Info", "examples", "__version__"),
    *("constraints.Constraint", "constraints.SLACK", "encodings.cppn.FUNCTIONS"),
    *("encodings.cppn.Genome", "encodings.cppn.INPUTS", "examples.Digits", "examples.LeNet"),
    *("metrics.Robustness", "metrics.StageOutcome"),
    *("metrics.Rate", "sweeps.Progress", "sweeps.Results", "sweeps.SweepStopped"),
    "theory.Certificates",
}
# Used inside programs, on what was checked before.
INSIDE = {"Evaluate", "counted", "constraints.inside", "constraints.round_inside"}
# Readers and writers of files, which tests of files feed.
FILES = {
    *("read_sweep", "sweeps.without_provenance"),
    *("encodings.cppn.load_genome", "encodings.cppn.save_genome"),
}


def subpackages(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if info.ispkg:
            yield importlib.import_module(info.name)


def public() -> set[str]:
    """All exported names; what a subpackage shares with `jfool`, without the subpackage's name."""
    names = {}
    for module in subpackages(jfool):
        for name in getattr(module, "__all__", ()):
            path = f"{module.__name__}.{name}".removeprefix("jfool.")
            names.setdefault(id(getattr(module, name)), path)
    return set(names.values())


def test_every_public_name_has_a_row():
    assert public() == {*TABLE, *MADE, *INSIDE, *FILES}


def outcome(call: Callable[..., Any], given: dict[str, Any]) -> Exception | None:
    try:
        call(**given)
    except ReachedError:
        return None
    except Exception as error:
        return error
    return None


def what_is_wrong(of: Row, argument: str, value: Any) -> str | None:
    """Whether a value neither works nor is refused by jfool's own sentence; in words."""
    before = len(COMPILED)
    error = outcome(of.call, of.good | {argument: value})
    if error is None:
        return None
    text = str(error)
    told = f"{argument} = {text_of(value)}: {type(error).__name__}: {text:.400}"
    if type(error) not in (TypeError, ValueError):
        return told
    match = SENTENCE.fullmatch(text)
    if match is None or len(text) > LONGEST or "\n" in text:
        return told
    names = {match["name"], *match["path"].strip(".").split(".")}
    if not names & {*of.good, "jobs", "model"}:
        return f"{told} (names another)"
    compiled = len(COMPILED) > before and argument != "model"  # of which weights are looked at
    return f"{told} (after a compilation)" if compiled else None


def text_of(value: Any) -> str:
    try:
        return f"{' '.join(repr(value).split()):.60}"
    except ValueError:  # more digits than Python writes
        return type(value).__name__


@pytest.mark.parametrize("name", TABLE)
def test_a_hostile_value_works_or_is_refused_in_a_sentence(name):
    of = TABLE[name]
    with unchecked():
        assert outcome(of.call, of.good) is None
        wrong = [
            what_is_wrong(of, argument, value)
            for argument, good in of.good.items()
            for value in (*VALUES, *spoilt(good))
        ]
    found = [told for told in wrong if told]
    assert not found, "\n".join(found)
