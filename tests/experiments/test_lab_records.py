"""Records against plain NumPy."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.lab.records import Records

NAN = math.nan
ROWS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 2),
        st.one_of(st.just(NAN), st.floats(-1, 1, width=32)),
    ),
    min_size=1,
    max_size=12,
)


def records(rows) -> Records:
    color, target, confidence = zip(*rows, strict=True)
    return Records.of(color=list(color), target=list(target), confidence=list(confidence))


@settings(deadline=None)
@given(ROWS)
def test_groups_hold_all_rows_in_the_order_of_their_first_appearance(rows):
    expected: dict = {}
    for color, target, confidence in rows:
        expected.setdefault((color, target), []).append(confidence)
    groups = list(records(rows).groups("color", "target"))
    assert [cell for cell, _ in groups] == list(expected)
    for cell, of in groups:
        np.testing.assert_array_equal(of["confidence"], expected[cell])
    assert [c for c, _ in records(rows).groups("color")] == list(dict.fromkeys(r[0] for r in rows))


@settings(deadline=None)
@given(ROWS)
def test_the_best_of_a_group_is_the_first_of_the_highest_and_nan_comes_last(rows):
    found = records(rows).plus(place=np.arange(len(rows)))
    best = {(c, t): i for c, t, i in found.best("color", "target").columns(
        "color", "target", "place")}  # fmt: skip
    cells = {row[:2] for row in rows}
    assert set(best) == cells
    for cell in cells:
        places = [i for i, row in enumerate(rows) if row[:2] == cell]
        known = [i for i in places if not math.isnan(rows[i][2])]
        highest = max((rows[i][2] for i in known), default=NAN)
        first = [i for i in known if rows[i][2] == highest] or places
        assert best[cell] == first[0]


@settings(deadline=None)
@given(ROWS)
def test_a_pivot_holds_the_means_of_its_cells(rows):
    found = records(rows).plus(other=np.arange(len(rows)) / 2)
    cells = found.pivot("color", "target", ("confidence", "other"), columns=range(4))
    colors = list(dict.fromkeys(row[0] for row in rows))
    assert cells.shape == (len(colors), 4, 2)
    for i, color in enumerate(colors):
        for j in range(4):
            places = [k for k, row in enumerate(rows) if row[:2] == (color, j)]
            if not places:
                assert np.isnan(cells[i, j]).all()
                continue
            confidence = np.mean([rows[k][2] for k in places])
            np.testing.assert_allclose(cells[i, j, 0], confidence, rtol=1e-6, atol=1e-7)
            assert cells[i, j, 1] == np.mean(places) / 2


@settings(deadline=None)
@given(ROWS)
def test_where_and_rows_are_masks_of_numpy(rows):
    found = records(rows)
    mask = (found["color"] == "a") & (found["target"] == 1)
    for some in (
        found.where(color="a", target=1),
        found.rows(mask),
        found.rows(np.flatnonzero(mask)),
    ):
        np.testing.assert_array_equal(some["confidence"], found["confidence"][mask])
    np.testing.assert_array_equal(found.rows(slice(1, None, 2))["target"], found["target"][1::2])
    order = -found["target"]
    expected = found["confidence"][np.argsort(order, kind="stable")]
    np.testing.assert_array_equal(found.ordered(order)["confidence"], expected)


def test_columns_may_be_scalars_and_arrays_and_come_back_as_they_were():
    images = np.random.default_rng(0).random((2, 3, 4, 1), np.float32)
    found = Records.of(name="a", flag=[True, False], image=images, vector=np.eye(2))
    assert len(found) == 2
    assert ("flag" in found, "other" in found) == (True, False)
    assert found["name"].tolist() == ["a", "a"]
    assert found["flag"].dtype == bool
    np.testing.assert_array_equal(found["image"], images)
    (first, second) = found.columns("flag", "image")
    assert (first[0], second[0]) == (True, False)
    np.testing.assert_array_equal(second[1], images[1])


def test_more_columns_replace_those_of_the_same_name_and_some_are_dropped():
    found = Records.of(a=[1, 2], b=[3, 4]).plus(b=[5, 6], c="x", d=np.zeros((2, 3)))
    assert {name: found[name].tolist() for name in ("a", "b", "c")} == {
        "a": [1, 2],
        "b": [5, 6],
        "c": ["x", "x"],
    }
    assert found["d"].shape == (2, 3)
    assert "a" not in found.without("a", "d")
    for length in (0, 1, 3):
        with pytest.raises(ValueError, match=f"expected 2 rows in each, got e with {length}$"):
            found.plus(e=np.zeros(length), f="x", g=[1, 2])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"expected 3 rows in each, got a with 1, c with 2$"):
        Records.of(a=[1], b=[1, 2, 3], c=np.zeros((2, 4)), d="x")


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ([True], r"expected a mask \[3\], got one \[1\]"),
        ([True] * 4, r"expected a mask \[3\], got one \[4\]"),
        ([[True] * 3], r"expected a mask \[3\], got one \[1, 3\]"),
        ([0, -1], "expected rows from 0 to 2, got -1"),
        ([0, 3], "expected rows from 0 to 2, got 3"),
    ],
)
def test_rows_that_are_not_there_are_refused(which, sentence):
    found = Records.of(a=[1, 2, 3])
    with pytest.raises(ValueError, match=f"^which: {sentence}$"):
        found.rows(which)
    assert found.rows([2, 0])["a"].tolist() == [3, 1]
    assert found.rows([])["a"].tolist() == []
    assert found.rows([True, False, True])["a"].tolist() == [1, 3]
    assert found.rows(slice(-1, None))["a"].tolist() == [3]


def test_a_pivot_has_room_for_all_columns():
    found = Records.of(color="a", target=[0, 2], confidence=[0.5, 1.0])
    assert found.pivot("color", "target", ["confidence"], [2, 1, 0])[0, :, 0].tolist()[::2] == [
        *(1.0, 0.5)
    ]
    with pytest.raises(ValueError, match=r"^columns: expected all of target, got none for 2$"):
        found.pivot("color", "target", ["confidence"], columns=[0, 1])


def test_parts_are_joined_one_after_another():
    parts = [Records.of(a=[1], image=np.zeros((1, 2, 2, 1))), Records.of(a=[2, 3], image=np.ones(
        (2, 2, 2, 1)))]  # fmt: skip
    found = Records.joined(parts)
    assert found["a"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found["image"][:, 0, 0, 0], [0, 1, 1])


def test_no_rows_keep_their_columns():
    found = Records.of(a=[1, 2], image=np.zeros((2, 2, 2, 1))).where(a=3)
    assert (len(found), found["a"].tolist(), found["image"].shape) == (0, [], (0, 2, 2, 1))
    assert list(found.groups("a")) == []
    assert len(found.best("a", by="a")) == 0


def test_parquet_holds_all_but_images(tmp_path):
    found = Records.of(a=[1, 2], confidence=[0.5, NAN], image=np.zeros((2, 2, 2, 1)))
    found.write(tmp_path / "r.parquet")
    table = pq.read_table(tmp_path / "r.parquet")
    assert table.column_names == ["a", "confidence"]
    assert table.column("a").to_pylist() == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_records_without_rows_keep_their_shapes_and_join_others():
    none = Records.of(name=np.zeros(0, str), image=np.zeros((0, 2, 3, 1), np.float32))
    assert none["image"].shape == (0, 2, 3, 1)
    one = Records.of(name=["a"], image=np.ones((1, 2, 3, 1), np.float32))
    joined = Records.joined([none, one])
    assert joined["name"].tolist() == ["a"]
    assert joined["image"].shape == (1, 2, 3, 1)
    assert none.plus(more=np.zeros((0, 4)))["more"].shape == (0, 4)


def test_a_number_however_low_is_better_than_none():
    found = Records.of(group=["a", "a"], confidence=[np.nan, -np.inf], place=[0, 1])
    assert found.best("group")["place"].tolist() == [1]


def test_arrays_of_truths_are_refused():
    with pytest.raises(TypeError, match=r"columns: expected numbers .*, got bool \(2, 2\)"):
        Records.of(mask=np.ones((2, 2), bool))
