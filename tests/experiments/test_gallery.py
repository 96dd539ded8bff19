"""Galleries: the pixels on the canvas are the pixels of the images."""

import numpy as np
import pytest
from PIL import Image

from experiments.lab.gallery import DPI, Tile, draw_gallery, tiles
from experiments.lab.records import Records


def blocks(image: np.ndarray, scale: int) -> np.ndarray:
    levels = np.rint(np.broadcast_to(image, (*image.shape[:2], 3)) * 255)
    return np.kron(levels, np.ones((scale, scale, 1))).astype(np.uint8)


def canvas(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("shape", [(6, 6, 1), (28, 28, 1), (32, 32, 3), (7, 12, 3)])
def test_every_image_is_on_the_canvas_pixel_for_pixel(tmp_path, shape):
    rng = np.random.default_rng(0)
    tiles = [
        [Tile(rng.random(shape), f"{i}{j}: 99 %", fooled=j > 0) for j in range(3)] for i in range(2)
    ]
    labels = ["black", "a rather long label"]
    path = tmp_path / "g.png"
    rows = list(zip(labels, tiles, strict=True))
    layout = draw_gallery(path, rows, ["0", "1", "2"], title="T", footnote="F")
    drawn = canvas(path)
    assert drawn.shape[:2] == layout.size[::-1]
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            x, y = layout.corner(i, j)
            shown = drawn[y : y + layout.tile_height, x : x + layout.tile_width]
            np.testing.assert_array_equal(shown, blocks(tile.image, layout.scale))


def test_grey_levels_are_not_stretched_and_white_has_a_frame(tmp_path):
    tiles = [Tile(np.full((8, 8, 1), 0.5), "a"), Tile(np.ones((8, 8, 1)), "b"), None]
    layout = draw_gallery(tmp_path / "g.png", [("", tiles)], ["", "", ""])
    drawn = canvas(tmp_path / "g.png")
    x, y = layout.corner(0, 0)
    assert (drawn[y : y + 8, x : x + 8] == 128).all()
    x, y = layout.corner(0, 1)
    middle = y + layout.tile_height // 2
    assert (drawn[middle, x - 2 : x].min(axis=1) < 255).any()
    x, y = layout.corner(0, 2)
    assert (drawn[y : y + layout.tile_height, x : x + layout.tile_width] == 255).all()


def test_failures_look_different(tmp_path):
    pictures = []
    for fooled in (True, False):
        rows = [("black", [Tile(np.zeros((8, 8, 1)), "3: 12 %", fooled)])]
        draw_gallery(tmp_path / "g.png", rows, ["3"])
        pictures.append(canvas(tmp_path / "g.png"))
    colorful = [(np.ptp(picture.astype(int), axis=2) > 60).sum() for picture in pictures]
    assert colorful[0] == 0
    assert colorful[1] > 500


def test_orange_is_explained_only_where_it_is_seen(tmp_path):
    seen = []
    for fooled in (True, False):
        for footnote in ("", "F"):
            tiles = [Tile(np.zeros((8, 8, 1)), "3", fooled), Tile(np.ones((8, 8, 1)), "3")]
            texts = {"footnote": footnote, "orange": "failed"}
            layout = draw_gallery(tmp_path / "g.png", [("black", tiles)], ["3", "4"], **texts)
            below = canvas(tmp_path / "g.png")[layout.top + layout.pitch[1] :]
            seen.append((below < 200).sum())
    none, footnote, orange, both = seen
    assert none == 0
    assert 0 < footnote < orange < both


def test_nothing_is_cut_off_even_with_long_names(tmp_path):
    tiles = [Tile(np.zeros((8, 8, 1)), "an endless class name\n99 %")]
    title = "A title that is much longer than the only image below it is wide"
    rows = [("a long label", tiles)]
    draw_gallery(tmp_path / "g.png", rows, ["an endless class name"], title=title)
    drawn = canvas(tmp_path / "g.png")
    for border in (drawn[:4], drawn[-4:], drawn[:, :4], drawn[:, -4:]):
        assert (border == 255).all()


def test_the_picture_says_its_resolution_and_needs_an_image(tmp_path):
    draw_gallery(tmp_path / "g.png", [("r", [Tile(np.zeros((8, 8, 1)), "a")])], ["c"])
    assert round(Image.open(tmp_path / "g.png").info["dpi"][0]) == DPI
    with pytest.raises(ValueError, match="tiles: expected at least one image"):
        draw_gallery(tmp_path / "h.png", [("r", [None])], ["c"])


def test_tiles_are_rows_by_a_column_with_whole_percent_below():
    found = Records.of(
        color=["black", "white", "black"],
        confidence=[0.996, np.nan, 0.5],
        fooled=[True, False, True],
        image=np.arange(3.0).reshape(3, 1, 1, 1) / 2,
    )
    (black, first), (white, second) = tiles(found, "color")
    assert (black, white) == ("black", "white")
    assert [tile.caption for tile in first] == ["99 %", "50 %"]
    assert [tile.image.item() for tile in first] == [0, 1]
    assert [(tile.caption, tile.fooled) for tile in second] == [("-", False)]
    ((_, told), _) = tiles(found, "color", lambda confidence: f"{confidence:.1f}")
    assert told[1].caption == "0.5"


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    """Not the beginning of a formula, which would be an error here."""
    hostile = r"$\frac{$"
    rows = [(hostile, [Tile(np.zeros((8, 8, 1)), hostile)])]
    draw_gallery(tmp_path / "g.png", rows, [hostile], title=hostile, subtitle=hostile)
    assert (canvas(tmp_path / "g.png") < 128).any()
