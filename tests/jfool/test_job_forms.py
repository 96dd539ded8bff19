"""Jobs and images in the forms in which users of other tools have them: taken, or refused."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import jfool
from jfool.jobs import as_arrays
from jfool.metrics import total_variation
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, grey_jobs, photos, unchecked, weights
from tests.jfool.test_hostile import LONGEST, SENTENCE

IMAGES, EPSILON, LABELS = photos(4), np.full(4, 0.1, np.float32), np.array([3, 1, 2, 0])
BIM = jfool.BIM(SHAPE, NUM_CLASSES)


@dataclasses.dataclass(frozen=True)
class ArrayLike:
    """As columns of data frames and tensors of other libraries are."""

    values: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype)


FORMS = {
    "lists": lambda array: array.tolist(),
    "tuples": lambda array: tuple(array.tolist()),
    "lists of arrays": list,
    "lists of JAX arrays": lambda array: [jnp.asarray(one) for one in array],
    "tuples of arrays": tuple,
    "JAX arrays": jnp.asarray,
    "array-likes": ArrayLike,
    "another byte order": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "a view with strides": lambda array: np.repeat(array, 2, axis=0)[::2],
}


def jobs(**changed: Any) -> jfool.PerturbationJob:
    return jfool.PerturbationJob(**{"image": IMAGES, "epsilon": EPSILON, "label": LABELS} | changed)


def answers(given: Any) -> np.ndarray:
    model = Linear(weights())
    return np.asarray(jfool.run(jax.random.key(0), BIM, model, given, num_steps=2).images)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return answers(jobs())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_fields_may_be_what_numpy_can_read(form, expected):
    with unchecked():
        given = jobs(image=form(IMAGES), epsilon=form(EPSILON), label=form(LABELS))
        np.testing.assert_array_equal(answers(given), expected)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float64])
def test_floats_of_any_size_are_taken_as_float32(dtype):
    image, epsilon = IMAGES.astype(dtype), EPSILON.astype(dtype)
    wide = jobs(image=image.astype(np.float32), epsilon=epsilon.astype(np.float32))
    with unchecked():
        found = answers(jobs(image=image, epsilon=epsilon))
    np.testing.assert_array_equal(found, answers(wide))


def test_numbers_of_a_range_are_classes(expected):
    order = np.argsort(LABELS)
    with unchecked():
        found = answers(jobs(image=IMAGES[order], label=range(4)))
    np.testing.assert_array_equal(found, expected[order])


def test_a_sweep_and_perturb_take_lists_too(expected):
    with unchecked():
        listed = jobs(image=IMAGES.tolist(), epsilon=EPSILON.tolist(), label=LABELS.tolist())
        lead = jax.random.key(0), BIM, Linear(weights()), listed
        swept = jfool.sweep(*lead, num_steps=2, lanes=4)
        np.testing.assert_array_equal(swept.images(BIM, jfool.PerturbationJob), expected)
        last = jfool.perturb(*lead, num_steps=1)
    assert last.shape == IMAGES.shape


def test_lists_of_traced_arrays_are_taken():
    def images(scale: Any) -> Any:
        given = jobs(image=[scale * image for image in IMAGES])
        return jfool.run(jax.random.key(0), BIM, Linear(weights()), given, num_steps=1).images

    with unchecked():
        assert jax.eval_shape(images, jnp.float32(0.5)).shape == IMAGES.shape


CLIP = r"\(jax.numpy.clip\(images, 0, 1\) mends rounding\)"
BAD = {
    "images of several sizes": ({"image": [*IMAGES[:3], IMAGES[3, 1:]]}, "image: .* of one shape"),
    "a label missing": ({"label": [0, 1, None, 2]}, "label: expected numbers of one shape"),
    "words": ({"label": ["cat", "dog", "cat", "dog"]}, r"label: expected numbers, got \['cat"),
    "one-hot labels": ({"label": np.eye(4, dtype=int).tolist()}, r"label: expected integers \[N\]"),
    "floats as labels": ({"label": [0.0, 1.0, 2.0, 3.0]}, r"label: expected integers .* float64"),
    "truths as labels": ({"label": [True, False, True, False]}, "label: expected integers .* bool"),
    "one radius": ({"epsilon": 0.1}, r"got \.image .* and \.epsilon \[\] \(jfool.grid repeats"),
    "a radius beyond float32": ({"epsilon": [0.1] * 3 + [1e39]}, "epsilon: .*infinite in 32 bits"),
    "bytes": ({"image": (255 * IMAGES).astype(np.uint8)}, r"image: .* uint8 \(divide 8-bit by 255"),
    "whole numbers": ({"image": IMAGES.astype(int)}, r"image: .* int64 \(divide 8-bit by 255"),
    "truths": ({"image": IMAGES > 0.5}, r"image: .* got bool \(images.astype\('float32'\)\)"),
    "complex numbers": ({"image": IMAGES.astype(complex)}, "image: expected floats .* complex128"),
    "up to 255": ({"image": 255 * IMAGES}, r"image: .* got .* to 25\d\.\d+ \(divide 8-bit"),
    "normalized": ({"image": (IMAGES - 0.5) / 0.2}, r"image: .* to 2\.\d+ \(give images before"),
    "a little above 1": ({"image": IMAGES * 0 + np.float32(1.0000001)}, rf"1\.0000001 {CLIP}"),
    "a little below 0": ({"image": IMAGES * 0 - np.float32(2e-7)}, rf"got -2e-07 to -2e-07 {CLIP}"),
    "NaN": ({"image": IMAGES * np.nan}, r"image: .* got nan to nan \(leave out what is NaN\)"),
    "a list of jobs": ([grey_jobs()], "jobs: expected one object whose fields have a leading axis"),
    "a dict": ({"jobs": {"image": IMAGES}}, "jobs: expected jfool.PerturbationJob, got"),
}


def given_jobs(bad: Any) -> Any:
    if isinstance(bad, list):
        return bad
    return bad["jobs"] if "jobs" in bad else jobs(**bad)


@pytest.mark.parametrize(("bad", "message"), BAD.values(), ids=BAD)
def test_what_no_job_can_be_is_refused_by_name(bad, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message) as caught:
        answers(given_jobs(bad))
    assert len(str(caught.value)) <= LONGEST
    assert SENTENCE.fullmatch(str(caught.value))


def test_values_that_float32_rounds_into_the_box_are_taken(expected):
    inside = np.clip(IMAGES.astype(float), 0, 1) + 1e-12
    assert answers(jobs(image=inside)).shape == expected.shape
    edge = np.full_like(IMAGES, 1.0, np.float64) + 1e-9
    assert answers(jobs(image=edge)).shape == expected.shape


def test_a_targeted_attack_does_not_aim_at_the_true_class():
    attack = jfool.HotCold(SHAPE, NUM_CLASSES)
    same = jobs(epsilon=None, target=np.array([0, 1, 3, 1]))
    with unchecked(), pytest.raises(ValueError, match=r"another class .* got 1 as both in job 1"):
        jfool.run(jax.random.key(0), attack, Linear(weights()), same, num_steps=0)


def test_the_least_likely_class_is_asked_of_models_without_draws():
    model = Linear(weights())
    drawing = jfool.Averaged(model, lambda key, image: image, 2)
    expected = (IMAGES.reshape(4, -1) @ weights()).argmin(1)
    with unchecked():
        np.testing.assert_array_equal(jfool.least_likely(model, IMAGES.tolist()), expected)
        np.testing.assert_array_equal(jfool.least_likely(model, jnp.asarray(IMAGES)), expected)
        for bad, message in (
            (drawing, "model: expected one without draws"),
            (lambda images: images, "model: .* jfool.wrap"),
        ):
            with pytest.raises((TypeError, ValueError), match=message):
                jfool.least_likely(bad, IMAGES)
        with pytest.raises(TypeError, match=r"images: .*uint8 \(divide 8-bit by 255\)"):
            jfool.least_likely(model, (255 * IMAGES).astype(np.uint8))


def test_half_precision_images_have_their_variation():
    half = IMAGES.astype(jnp.bfloat16)
    with unchecked():
        np.testing.assert_array_equal(
            total_variation(half), total_variation(half.astype(np.float32))
        )


@contextlib.contextmanager
def works_or_is_refused(*names: str) -> Iterator[None]:
    """Nothing but a sentence about one of these arguments may be raised."""
    try:
        with unchecked():
            yield
    except (TypeError, ValueError) as error:
        match = SENTENCE.fullmatch(str(error))
        if match is None or match["name"] not in names or len(str(error)) > LONGEST:
            raise


DTYPES = st.sampled_from(
    [
        "float16",
        "float32",
        "float64",
        "bfloat16",
        ">f4",
        "int8",
        "int64",
        "uint64",
        ">i8",
        "bool",
        "complex64",
        "U2",
    ]
)
ANY_ARRAY = st.builds(
    lambda shape, dtype, fill: np.full(shape, fill).astype(dtype),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    DTYPES.map(lambda name: jnp.bfloat16 if name == "bfloat16" else name),
    st.sampled_from([0, 1, 3, 0.5, -1]),
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(image=st.just(IMAGES) | ANY_ARRAY, epsilon=st.just(EPSILON) | ANY_ARRAY, label=ANY_ARRAY)
def test_jobs_of_any_shapes_and_dtypes_are_checked(image, epsilon, label):
    for attack in (BIM, jfool.DeepFool(SHAPE, NUM_CLASSES)):
        with works_or_is_refused("jobs"):
            attack.check(as_arrays(jobs(image=image, epsilon=epsilon, label=label)))


@QUICK
@given(target=ANY_ARRAY, base=ANY_ARRAY, k=ANY_ARRAY)
def test_sparse_jobs_of_any_shapes_and_dtypes_are_checked(target, base, k):
    attack = jfool.SparseFooling(SHAPE, NUM_CLASSES, max_k=3)
    with works_or_is_refused("jobs"):
        attack.check(as_arrays(jfool.SparseJob(target=target, base=base, k=k)))


@QUICK
@given(mean=ANY_ARRAY, std=ANY_ARRAY, size=st.none() | ANY_ARRAY | st.lists(st.integers(-1, 9)))
def test_constants_of_any_shapes_and_dtypes_are_wrapped_or_refused(mean, std, size):
    with works_or_is_refused("mean", "std", "size"):
        model = jfool.wrap(lambda w, x: x.mean((1, 2)), {}, mean=mean, std=std, size=size)
        logits = jax.eval_shape(model, jax.ShapeDtypeStruct((2, *SHAPE), jnp.float32))
        assert logits.shape == (2, SHAPE[2])
        assert logits.dtype == jnp.float32


@jfool.base.pytree
class OwnJob:
    image: Any
    parts: Any


def test_arrays_listed_in_jobs_of_a_users_own_type_stay_a_list():
    one, other = np.ones(4, np.float32), np.ones((4, 3), np.float32)
    found = as_arrays(OwnJob(IMAGES.tolist(), (one, other)))
    assert found.image.shape == IMAGES.shape
    assert found.parts[0] is one
    assert found.parts[1] is other
