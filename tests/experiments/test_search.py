"""Searches for sparse fooling images: what depends on what, and what does not."""

import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from experiments import lab
from experiments.lab.sparse import (
    MEASURED,
    beside_colors,
    cells,
    jobs_of,
    plain_confidences,
    search,
)

COLORS = ("black", "grey", "white")
SHAPE = (6, 6, 1)
ATTACK = jfool.SparseFooling(SHAPE, 4, max_k=2, search=jfool.DifferentialEvolution(8))
SETTINGS = lab.Evolution(population=8, generations=5, lanes=24)


def wanted(colors=COLORS, classes=range(4), repeats=2) -> lab.Records:
    return cells([2], colors, classes, repeats, num_classes=4, shape=SHAPE)


def find(model, folder, of, **changes) -> lab.Records:
    return search(lab.Run(folder), "s", ATTACK, model, of, lab.changed(SETTINGS, **changes))


def same(found: lab.Records, expected: lab.Records) -> None:
    """Record by record, by the job's id."""
    place = {job_id: i for i, job_id in enumerate(expected["job_id"].tolist())}
    mine = expected.rows(np.array([place[job_id] for job_id in found["job_id"].tolist()]))
    for name in (*MEASURED, "image", "fooled"):
        np.testing.assert_array_equal(found[name], mine[name])


@pytest.fixture(scope="module")
def reference(linear_model, tmp_path_factory) -> lab.Records:
    """All cells, side by side."""
    return find(linear_model, tmp_path_factory.mktemp("reference"), wanted())


def test_records_are_what_one_run_of_the_library_says(linear_model, reference, key):
    result = jfool.run(
        key,
        ATTACK,
        linear_model,
        jobs_of(reference),
        num_steps=5,
        chunk=8,
        job_ids=reference["job_id"],
    )
    np.testing.assert_array_equal(result.images, reference["image"])
    for name in ("confidence", "prediction", "success", "num_queries"):
        np.testing.assert_array_equal(np.asarray(getattr(result, name)), reference[name])
    np.testing.assert_array_equal(reference["fooled"], result.prediction == reference["target"])
    assert set(reference["num_queries"].tolist()) == {8 * 6}


def test_results_depend_neither_on_lanes_nor_on_other_cells_nor_on_more_repeats(
    linear_model, reference, tmp_path
):
    few = wanted(colors=["white", "black"], classes=[3, 0], repeats=1)
    found = find(linear_model, tmp_path, few, lanes=1)
    same(found, reference)
    assert len(found) == 4
    assert list(found.columns("color", "target")) == [
        *(("white", 3), ("white", 0), ("black", 3), ("black", 0))
    ]


def test_records_stand_in_the_order_in_which_they_are_asked_for(reference):
    expected = [(c, target, repeat) for c in COLORS for target in range(4) for repeat in (0, 1)]
    assert list(reference.columns("color", "target", "repeat")) == expected


def test_job_ids_differ_and_fit_and_the_first_k_has_those_of_one_k():
    several = cells([1, 5], COLORS, range(4), 50, num_classes=4, shape=SHAPE)
    assert len(set(several["job_id"].tolist())) == len(several) == 2 * 3 * 4 * 50
    one = cells([7], COLORS, range(4), 50, num_classes=4, shape=SHAPE)
    np.testing.assert_array_equal(one["job_id"], several.where(k=1)["job_id"])
    last = cells([5], ["blue"], [999], 50, num_classes=1000, shape=(6, 6, 3))
    assert last["job_id"].max() < 2**31


def test_records_have_the_base_color_of_the_images():
    found = cells([2], ["red", "0.25"], [1], 1, num_classes=4, shape=(6, 6, 3))
    np.testing.assert_array_equal(found["base"], [[1, 0, 0], [0.25, 0.25, 0.25]])
    assert found["color"].tolist() == ["red", "0.25"]


def test_plain_confidences_are_those_of_the_colors(linear_model):
    images = jnp.stack([jnp.full(SHAPE, level) for level in (0.0, 0.5, 1.0)])
    exponentials = np.exp(np.asarray(linear_model(images), np.float64))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    plain = plain_confidences(linear_model, COLORS, SHAPE)
    np.testing.assert_allclose([plain[color] for color in COLORS], expected, rtol=1e-5)
    beside = beside_colors(wanted(), linear_model, COLORS, SHAPE)
    for color, target, alone in beside.columns("color", "target", "plain"):
        assert alone == pytest.approx(expected[COLORS.index(color), target], rel=1e-5)
