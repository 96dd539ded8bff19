"""Tables and figures of ascents, of made-up records."""

import numpy as np
import pytest

from experiments import lab
from experiments.nguyen2015.ascent_figures import draw_starts, enlarged, few_classes
from experiments.nguyen2015.ascent_tables import equally_sure, variation_when
from experiments.nguyen2015.ascents import MEAN


def made_up(name, course, variations, confidence, stopped):
    course, count = np.array(course), len(course)
    steps = (~np.isnan(course)).sum(1) - 1
    return lab.Records.of(
        ascent=name,
        target=np.arange(count),
        confidence=np.array(confidence),
        stopped=np.array(stopped),
        num_steps=steps,
        variation=np.array(variations)[np.arange(count), steps],
        **{"notes.confidence": course, "notes.variation": np.array(variations)},
    )


def test_total_variations_are_compared_at_equal_confidence():
    nan = np.nan
    plain = made_up(
        "fig13",
        [[0.1, 0.4, 0.9], [0.2, 0.3, nan], [0.1, nan, nan], [0.1, 0.5, 0.9]],
        [[2.0, 3.0, 4.0], [2.0, 5.0, nan], [2.0, nan, nan], [2.0, 3.0, 4.0]],
        [0.9, 0.3, 0.1, 0.9],
        [True, False, False, True],
    )
    asked = np.array([0.4, 0.31, 0.1, 0.91])
    np.testing.assert_array_equal(variation_when(plain, asked), [3.0, nan, 2.0, 4.0])
    np.testing.assert_array_equal(variation_when(plain, np.full(4, nan)), [nan] * 4)

    course = np.stack([asked, *np.full((2, 4), nan)], axis=1)
    last = np.array([1.0, 1.0, 2.5, 1.0])[:, None].repeat(3, axis=1)
    regularized = made_up("s3", course, last, [0.4, 0.31, 0.1, 0.95], [False] * 4)
    table = equally_sure(lab.Records.joined([plain, regularized]), 0.9)
    assert table.rows == ["S3: decay"]
    assert table.measured == [["35.50", 1.0, 3.0, "2 of 3"]]


@pytest.mark.parametrize(
    ("strong", "factor"), [(0.45, 1), (0.2, 2), (0.001, 200), (0.9, 0.5), (0.0, 1)]
)
def test_distances_are_enlarged_as_far_as_can_be_shown(strong, factor):
    found, images = enlarged(np.full((2, 3, 3, 3), strong) + MEAN)
    assert found == pytest.approx(factor)
    np.testing.assert_allclose(images, 0.5 + factor * strong, atol=1e-4)


def test_enlarged_images_are_grey_where_they_are_the_mean():
    image = np.broadcast_to(MEAN, (6, 6, 3)) + np.array([0.08, 0, -0.2])
    np.testing.assert_allclose(enlarged(image[None])[1][0, 0, 0], [0.66, 0.5, 0.1], atol=1e-6)


@pytest.mark.parametrize(
    ("classes", "rows"), [(20, [0, 4, 8, 12, 16]), (3, [0, 1, 2]), (6, [0, 2, 4])]
)
def test_the_classes_shown_are_spread_over_all(classes, rows):
    assert few_classes(np.tile(np.arange(classes), 2)) == rows


def test_starts_are_shown_across_and_classes_down(monkeypatch):
    drawn = []
    monkeypatch.setattr(lab, "draw_gallery", lambda path, rows, heads, **texts: drawn.extend(rows))
    of = lab.Records.of(
        target=[3, 8, 3, 8],
        confidence=[0.1, 0.2, 0.3, 0.4],
        fooled=[True, False, True, True],
        image=np.zeros((4, 2, 2, 3)),
    )
    draw_starts("starts.png", of, [f"class {number}" for number in range(9)])
    shown = {head: [(tile.caption, tile.fooled) for tile in row] for head, row in drawn}
    assert shown == {
        "class 3": [("10.00 %", True), ("30.00 %", True)],
        "class 8": [("20.00 %", False), ("40.00 %", True)],
    }
