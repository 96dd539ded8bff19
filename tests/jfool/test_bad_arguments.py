"""What is refused where it is given, before any run."""

import jax
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.encodings import cppn
from tests.jfool.helpers import Linear, unchecked, weights


@pytest.mark.parametrize("value", [np.nan, 0.0, 1.5, -np.inf])
@pytest.mark.parametrize("criterion", [jfool.confident, jfool.suppressed])
def test_a_threshold_is_one_probability(criterion, value):
    with pytest.raises(ValueError, match=r"threshold: expected a probability in \(0, 1\], got"):
        criterion(value)


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize(
    "value", [np.inf, np.array([1.0, np.nan]), np.array(["a"]), np.array(True)]
)
def test_normalization_is_made_of_finite_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected finite numbers, got"):
        jfool.wrap(lambda w, x: x, {}, **{name: value})


def grid(**axes):
    return jfool.grid(jfool.SparseJob, **{"base": [[0.5]], "target": [1], "k": 1} | axes)


def test_a_grid_of_unknown_fields_is_refused():
    with pytest.raises(TypeError, match=r"color: expected a field of SparseJob \(.*base.*\), got"):
        grid(color=[[0.5]])


def test_a_grid_without_a_field_is_refused():
    with pytest.raises(TypeError, match="k: expected values for this field of the jobs, got none"):
        jfool.grid(jfool.SparseJob, base=[[0.5]], target=[1])


def test_ragged_values_are_refused():
    with pytest.raises(ValueError, match="base: expected numbers of one shape, got"):
        grid(base=[[0.5], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("search", None, r"search: expected one such as .*, got None"),
        ("search", jfool.GreedySearch, r"search: expected one such as .*, got <class"),
        ("objective", jfool.Confidence, r"objective: expected one such as .*, got <class"),
    ],
)
def test_an_attack_without_a_part_is_refused(part, value, message):
    jobs = jfool.grid(jfool.SparseJob, base=[[0.5] * 3], target=[1], k=1)
    with unchecked():
        attack = jfool.SparseFooling((4, 5, 3), 7, max_k=3, **{part: value})
    with unchecked(), pytest.raises(TypeError, match=message):
        jfool.run(jax.random.key(0), attack, Linear(weights()), jobs, num_steps=1)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_weights_are_refused(value):
    spoilt = weights()
    spoilt[0, 0] = value
    attack = jfool.SparseFooling((4, 5, 3), 7, max_k=3)
    jobs = jfool.grid(jfool.SparseJob, base=[[0.5] * 3], target=[1], k=1)
    with pytest.raises(ValueError, match="model: expected weights without NaN or infinity"):
        jfool.run(jax.random.key(0), attack, Linear(spoilt), jobs, num_steps=1)


@pytree
class Plain:
    """An objective that answers for each class, instead of for each image."""

    targeted = True

    def __call__(self, logits, target):
        return logits


class NoPytree:
    targeted = True

    def __call__(self, logits, target):
        return logits[..., target]


@pytree
class Worded(jfool.Confidence):
    """With a word among its numbers."""

    kind: str = "hard"


@pytree
class Noise:
    def __call__(self, key, base):
        return jax.random.normal(key, (3,))


SETTINGS = {"image_shape": (4, 5, 3), "num_classes": 7}
INSTANCE = "expected one such as jfool.Confidence"
ROUND = "objective.objective: expected a targeted one, which Untargeted turns round, got "
JOBS = jfool.SparseJob(
    target=np.arange(2), label=np.arange(2)[::-1], base=np.zeros((2, 3)), k=np.ones(2, int)
)
NEAR = jfool.PerturbationJob(np.zeros((2, 4, 5, 3)), np.full(2, 0.1), np.arange(2))


def sparse(**parts):
    return jfool.SparseFooling(**SETTINGS, **parts)


def near(**parts):
    return jfool.PGD(**SETTINGS, **parts)


def fooling(**parts):
    return jfool.GradientFooling(**SETTINGS, **parts)


def composed(search, encoding):
    return jfool.Composition(search, encoding, jfool.Confidence(), 7)


PARTS = {
    "twice untargeted": (lambda: sparse(objective=jfool.Untargeted(jfool.Untargeted())), ROUND),
    "untargeted inside": (
        lambda: sparse(objective=jfool.Untargeted(jfool.AtMost(jfool.Untargeted(), 1.0))),
        ROUND,
    ),
    "a bound of the wrong end": (
        lambda: sparse(objective=jfool.Untargeted(jfool.AtMost(jfool.Margin(), 0.0))),
        "objective.objective: expected one without a bound",
    ),
    "a class inside": (
        lambda: sparse(objective=jfool.Untargeted(jfool.Confidence)),
        f"objective.objective: {INSTANCE}",
    ),
    "a class inside twice": (
        lambda: near(objective=jfool.AtMost(jfool.Untargeted(jfool.Margin), 1.0)),
        f"objective.objective: {INSTANCE}",
    ),
    "a number inside": (
        lambda: near(objective=jfool.AtMost(0.5, 1.0)),
        "objective.objective: expected one",
    ),
    "a word as bound": (
        lambda: near(objective=jfool.AtMost(jfool.Untargeted(), "x")),
        "objective.bound: expected a number, got 'x'",
    ),
    "no pytree": (
        lambda: sparse(objective=NoPytree()),
        "objective: expected a pytree .decorate its class",
    ),
    "a word among numbers": (
        lambda: sparse(objective=Worded()),
        "objective.kind: expected a number or an",
    ),
    "an objective of classes": (
        lambda: sparse(objective=Plain()),
        r"objective: expected .* floats \[P\], here \[2\], got float32 \[2, 7\]",
    ),
    "an objective of one argument": (
        lambda: sparse(objective=jfool.Uniform()),
        "objective: expected one such as",
    ),
    "no constraint": (
        lambda: near(constraint=None),
        r"constraint: expected one such as jfool.Linf\(\)",
    ),
    "a class as constraint": (
        lambda: near(constraint=jfool.L2),
        "constraint: expected one such as",
    ),
    "a class as start": (lambda: fooling(start=jfool.Uniform), "start: expected one such as"),
    "a start of another shape": (
        lambda: fooling(start=Noise()),
        r"start: .* here \[4, 5, 3\], got float32 \[3\]",
    ),
    "an attack not made": (lambda: jfool.Restarts(jfool.PGD, 2), "attack: expected one such as"),
    "weights not made": (
        lambda: jfool.EvolvedFooling(
            jfool.CPPN((4, 5, 3), "rgb", growth=cppn.Growth(jfool.PolynomialMutation)), 7
        ),
        "growth.weights: expected one such as",
    ),
    "an encoding of images": (
        lambda: composed(jfool.DifferentialEvolution(8), jfool.Pixels()),
        "encoding: expected one such as jfool.SparsePixels",
    ),
    "an encoding of genes": (
        lambda: composed(jfool.GreedySearch(), jfool.DirectPixels((4, 5, 3), "rgb")),
        "encoding: expected a PixelEncoding, as GreedySearch needs it, got DirectPixels",
    ),
}


@pytest.mark.parametrize(("make", "message"), PARTS.values(), ids=PARTS)
def test_parts_inside_parts_are_checked(make, message):
    with unchecked():
        attack = make()
        jobs = {
            jfool.GradientFooling: jfool.AscentJob(np.arange(2), np.zeros((2, 3))),
            jfool.EvolvedFooling: jfool.EvolutionJob(np.arange(2)[None]),
            jfool.SparseFooling: JOBS,
            jfool.Composition: JOBS,
        }.get(type(attack), NEAR)
        with pytest.raises((TypeError, ValueError), match=message) as caught:
            jfool.run(jax.random.key(0), attack, Linear(weights()), jobs, num_steps=1)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jfool.straight_through(3), "forward: expected a function of arrays, got 3"),
        (lambda: jfool.straight_through(abs, "x"), "backward: expected a function of arrays, got"),
        (lambda: jfool.Averaged(3, abs, 2), r"model: expected a function images -> logits, got 3"),
        (lambda: jfool.Averaged(abs, 4, 2), r"transform: expected a function \(key, image\)"),
        (lambda: jfool.Averaged(abs, abs, 2.0), "num_samples: expected a whole number"),
        (
            lambda: jfool.DirectPixels((8, 8, 3)),
            r"colors: expected one of \['rgb', 'hls', 'hsv'\] ",
        ),
        (lambda: jfool.CPPN((8, 8, 1), "hsv"), r"colors: .*\['grey'\] .* 1 channel, got 'hsv'"),
        (lambda: jfool.CPPN((8, 8, 2), "hsv"), "image_shape: expected 1 or 3 channels, got 2"),
        (lambda: jfool.PGD({}, 10), "image_shape: expected a choice that can be hashed"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(make, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        make()


LISTS = {
    "a shape": (lambda: jfool.PGD([4, 5, 3], 7), jfool.PGD((4, 5, 3), 7)),
    "a shape of NumPy": (
        lambda: jfool.PGD(np.array([4, 5, 3], np.uint8), 7),
        jfool.PGD((4, 5, 3), 7),
    ),
    "a pair": (
        lambda: jfool.DifferentialEvolution(8, [0.5, 0.9]),
        jfool.DifferentialEvolution(8, (0.5, 0.9)),
    ),
    "shares": (
        lambda: jfool.GreedySearch(shares=[1, 1, 1, 1, 2]),
        jfool.GreedySearch(shares=(1, 1, 1, 1, 2)),
    ),
    "a size of NumPy": (
        lambda: jfool.DifferentialEvolution(np.uint8(200)),
        jfool.DifferentialEvolution(200),
    ),
}


@pytest.mark.parametrize(("make", "meant"), LISTS.values(), ids=LISTS)
def test_lists_where_tuples_are_meant_are_taken(make, meant):
    with unchecked():
        made = make()
    assert made == meant
    assert hash(jax.tree.structure(made)) == hash(jax.tree.structure(meant))
    statics = [v for v in vars(made).values() if isinstance(v, tuple)]
    assert all(type(n) in (int, float) for static in statics for n in static)


def test_a_size_may_be_a_list():
    model = jfool.wrap(lambda w, x: x.reshape(len(x), -1) @ w, np.ones((12, 3)), size=[2, 2])
    assert jax.jit(lambda model, images: model(images))(model, np.ones((1, 4, 5, 3))).shape == (
        1,
        3,
    )
