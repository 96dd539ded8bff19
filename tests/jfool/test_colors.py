"""Color spaces against the standard library."""

import colorsys

import jax.numpy as jnp
import numpy as np
import pytest

from jfool.encodings.colors import COLORS, check_colors

BYTES = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hls", lambda h, li, s: colorsys.hls_to_rgb(2 * h % 360 / 360, li / 255, s / 255)),
        ("hsv", lambda h, s, v: colorsys.hsv_to_rgb(h / 256, s / 255, v / 255)),
        ("rgb", lambda r, g, b: (r / 255, g / 255, b / 255)),
    ],
)
def test_colors_are_those_of_the_standard_library_to_half_a_grey_level(name, expected):
    colors = COLORS[name](jnp.asarray(BYTES))
    np.testing.assert_allclose(colors, [expected(*row) for row in BYTES], atol=0.5 / 255 + 1e-5)
    np.testing.assert_allclose(np.round(colors * 255), colors * 255, atol=1e-4)


def test_the_original_codes_hues_go_round_twice():
    once, again = np.array([[20, 99, 200], [200, 99, 200]], np.float32)
    np.testing.assert_array_equal(
        COLORS["hls"](jnp.asarray(once)), COLORS["hls"](jnp.asarray(again))
    )


@pytest.mark.parametrize(("colors", "channels"), [("hsl", 3), ("grey", 3), ("hls", 1)])
def test_colors_that_do_not_fit_are_refused(colors, channels):
    with pytest.raises(ValueError, match="colors: expected"):
        check_colors(colors, channels)
