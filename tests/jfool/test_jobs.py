"""Sweeps as arrays of jobs."""

import numpy as np
import pytest

import jfool
from jfool.jobs import num_jobs
from tests.jfool.helpers import grey_jobs, photos, unchecked


def test_a_grid_holds_every_combination_the_first_field_varying_slowest():
    jobs = jfool.grid(jfool.SparseJob, base=[[0.0], [1.0]], target=[3, 1], k=[1, 2, 5])
    np.testing.assert_array_equal(jobs.base[:, 0], [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(jobs.target, [3, 3, 3, 1, 1, 1] * 2)
    np.testing.assert_array_equal(jobs.k, [1, 2, 5] * 4)


def test_repeats_vary_fastest_and_scalars_are_the_same_for_all():
    jobs = jfool.grid(jfool.SparseJob, repeats=3, target=[0, 1], base=photos(1), k=5)
    np.testing.assert_array_equal(jobs.target, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(jobs.k, [5] * 6)
    assert jobs.base.shape == (6, *photos(1).shape[1:])
    assert num_jobs(jobs) == 6


@pytest.mark.parametrize("repeats", [0, -1, 1.5])
def test_repeats_are_a_positive_whole_number(repeats):
    with unchecked(), pytest.raises(ValueError, match=r"repeats: .*at least 1, got"):
        jfool.grid(jfool.SparseJob, repeats=repeats, target=[0], base=[[0.0]], k=1)


def test_more_jobs_than_fit_are_refused_at_once():
    with (
        unchecked(),
        pytest.raises(ValueError, match=r"repeats: expected at most .* got 1000000000"),
    ):
        jfool.grid(jfool.SparseJob, repeats=10**9, target=[0], base=[[0.0]], k=1)


@pytest.mark.parametrize("job_type", [int, 3, jfool.SparseJob(target=0, base=0.0, k=1)])
def test_what_is_no_type_of_jobs_is_refused(job_type):
    with unchecked(), pytest.raises(TypeError, match="job_type: expected jobs such as"):
        jfool.grid(job_type, target=[0])


def test_jobs_are_counted_by_their_leading_axis():
    assert num_jobs(grey_jobs()) == 4


def test_rows_of_jobs_stay_together_and_meet_every_value():
    images = np.arange(12, dtype=np.float32).reshape(3, 2, 2, 1) / 12
    jobs = jfool.PerturbationJob(images, None, np.array([5, 6, 7]))
    found = jfool.grid(jobs, 2, epsilon=[0.1, 0.3])
    np.testing.assert_array_equal(found.label, np.repeat([5, 6, 7], 4))
    np.testing.assert_array_equal(found.image, images[np.asarray(found.label) - 5])
    np.testing.assert_array_equal(found.epsilon, np.tile([0.1, 0.1, 0.3, 0.3], 3))
    assert found.target is None
