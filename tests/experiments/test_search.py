"""Searches of cells: what depends on what, and what does not."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from experiments.lab.colors import parse_colors
from experiments.lab.found import Found
from experiments.lab.search import Cell, Search, job_id, plain_confidences, search_cells

COLORS = parse_colors(["black", "grey", "white"], 1, "mnist")
CELLS = [Cell(color, label) for color in COLORS for label in range(4)]
SEARCH = Search(k=2, population=8, generations=5, repeats=2, lanes=24)


def find(model, search=SEARCH, cells=CELLS, **options) -> Found:
    return search_cells(search, model, (6, 6, 1), 4, cells, **options)


def same(a: Found, b: Found) -> None:
    assert a.rows == b.rows
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.genotypes, b.genotypes)


@pytest.fixture(scope="module")
def reference(linear_model) -> Found:
    """All cells, in one call."""
    return find(linear_model)


@pytest.mark.parametrize("lanes", [1, 9])
def test_results_do_not_depend_on_the_lanes(linear_model, reference, lanes):
    same(find(linear_model, dataclasses.replace(SEARCH, lanes=lanes)), reference)


def test_a_cell_does_not_depend_on_other_cells_nor_on_more_repeats(linear_model, reference):
    cells = [CELLS[9], CELLS[2]]
    few = find(linear_model, dataclasses.replace(SEARCH, repeats=1, lanes=1), cells)
    all_rows = {row.job_id: row for row in reference.rows}
    assert [all_rows[row.job_id] for row in few.rows] == few.rows


def test_job_ids_differ_and_fit():
    ids = [job_id(cell, repeat, 4) for cell in CELLS for repeat in range(50)]
    assert len(set(ids)) == len(ids)
    assert job_id(Cell(COLORS[2], 999), 49, 1000) < 2**31


def test_rows_stand_in_the_order_of_cells_then_repeats(reference):
    expected = [(cell.color.name, cell.label, repeat) for cell in CELLS for repeat in (0, 1)]
    assert [(row.base, row.label, row.repeat) for row in reference.rows] == expected


def test_rows_are_what_one_run_of_the_library_says(linear_model, reference, key):
    search = jfool.DifferentialEvolution(population_size=8)
    jobs = jfool.grid(jfool.SparseJob, 2, base=[[0.0], [0.5], [1.0]], label=range(4), k=2)
    result = jfool.run(
        key,
        jfool.SparseFooling((6, 6, 1), 4, max_k=2, search=search),
        linear_model,
        jobs,
        num_steps=5,
        chunk=8,
        job_ids=np.array([row.job_id for row in reference.rows]),
    )
    np.testing.assert_array_equal(result.images, reference.images)
    assert [row.confidence for row in reference.rows] == np.asarray(result.confidence).tolist()
    assert [row.num_queries for row in reference.rows] == [8 * 6] * 24


def test_no_repeat_after_success_and_the_progress_adds_up(linear_model):
    search = dataclasses.replace(SEARCH, repeats=3, stop_at_success=True, until=0.9, lanes=12)
    steps = []
    found = find(linear_model, search, on_progress=steps.append)
    assert sum(steps) == 36
    assert 12 < len(found.rows) < 36
    for cell in CELLS:
        rows = [r for r in found.rows if (r.base, r.label) == (cell.color.name, cell.label)]
        assert [row.repeat for row in rows] == list(range(len(rows)))
        assert not any(row.stopped for row in rows[:-1])
        assert rows[-1].stopped or len(rows) == 3


def test_when_all_cells_are_done_nothing_more_is_searched(linear_model):
    search = dataclasses.replace(SEARCH, repeats=3, stop_at_success=True, until=1e-6, lanes=1)
    easy = [cell for cell in CELLS if cell.label == 0 and cell.color.name == "black"]
    found = find(linear_model, dataclasses.replace(search, generations=200), easy)
    assert [row.stopped for row in found.rows] == [True]


def test_plain_confidences_are_those_of_the_colours(linear_model):
    plain = plain_confidences(linear_model, COLORS, (6, 6, 1))
    images = jnp.stack([jnp.full((6, 6, 1), level) for level in (0.0, 0.5, 1.0)])
    exponentials = np.exp(np.asarray(linear_model(images), np.float64))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(plain, expected, rtol=1e-5)
