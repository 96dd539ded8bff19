"""Galleries: labelled images side by side, every image pixel a block of one color.

Images are copied into the canvas block by block, not drawn to scale, so nothing blurs them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.records import Records
from experiments.lab.section import floored
from models.cache import replacing

if TYPE_CHECKING:  # what draws takes half a second to import
    from matplotlib.figure import Figure

DPI = 200
_TILE = 136  # an image's least side, in pixels of the canvas
_GAP = 18
_MARGIN = 16
_LINE = 31  # from one line of a caption to the next
_TITLE, _SUBTITLE, _FOOTNOTE = 12, 9, 8  # points
_LARGEST, _SMALLEST = 10.5, 6.5  # of captions and labels
_INK, _PALE, _FRAME, _FAILED = "#1a1a1a", "#767676", "#b4b4b4", "#c2410c"
_FONT = ["DejaVu Sans"]  # comes with matplotlib, so that pictures are alike everywhere


@dataclass(frozen=True, eq=False)
class Tile:
    """
    image: `[H, W, C]` in [0, 1], one or three channels.
    caption: below it, one or more lines.
    fooled: if not, caption and frame are set off.
    """

    image: np.ndarray
    caption: str
    fooled: bool = True


@dataclass(frozen=True)
class Layout:
    """Where tiles lie, in pixels of the canvas, from its upper left corner.

    Attributes:
      size: (width, height) of the canvas.
      left, top: corner of the first tile.
      pitch: (right, down) from a tile to the next.
      scale: canvas pixels along an image pixel.
      tile_width, tile_height: of an enlarged image.
    """

    size: tuple[int, int]
    left: int
    top: int
    pitch: tuple[int, int]
    scale: int
    tile_width: int
    tile_height: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """(x, y) of a tile's upper left pixel."""
        return self.left + column * self.pitch[0], self.top + row * self.pitch[1]


Row = tuple[str, Sequence["Tile | None"]]  # a head, and tiles


def draw_gallery(
    path: Path,
    rows: Sequence[Row],
    columns: Sequence[str] = (),
    *,
    title: str = "",
    subtitle: str = "",
    footnote: str = "",
    orange: str = "another class is predicted",
) -> Layout:
    """Writes a PNG of tiles in rows and columns, at 200 dots per inch.

    Args:
      path: of the picture; replaced whole.
      rows: the head of each row, and its tiles; None leaves a place empty, and so does the end of a
        row that is shorter than others. All images have the same shape.
      columns: heads of the columns; none by default.
      title, subtitle, footnote: one line each; none where empty.
      orange: what sets off the tiles that are not fooled; added to the footnote where one is.
    Returns:
      Where the tiles lie.
    """
    row_labels, tiles = [head for head, _ in rows], [row for _, row in rows]
    column_labels = columns or [""] * max((len(row) for row in tiles), default=0)
    shown = [tile for row in tiles for tile in row if tile is not None]
    if not shown:
        raise ValueError("tiles: expected at least one image, got none")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=DPI)
    FigureCanvasAgg(figure)
    lines = [line for tile in shown for line in tile.caption.split("\n")]
    height, width = shown[0].image.shape[:2]
    scale = -(-_TILE // max(height, width))
    needed = _width(figure, [*lines, *column_labels], _SMALLEST)
    pitch = max(width * scale + _GAP, needed + _GAP)
    down = height * scale + _LINE * (1 + max(t.caption.count("\n") for t in shown)) + 8 + _GAP
    left = _MARGIN + _width(figure, row_labels, _LARGEST) + 14
    top = _MARGIN + 37 * bool(title) + 34 * bool(subtitle) + 56
    right = left + len(column_labels) * pitch - _GAP
    if not all(tile.fooled for tile in shown):
        footnote = f"{footnote} Orange: {orange}.".lstrip()
    heads = (title, subtitle, footnote)
    right = max(right, _MARGIN + _width(figure, heads, _SMALLEST))
    bottom = top + len(row_labels) * down - _GAP + 36 * bool(footnote)
    size = right + _MARGIN, bottom + _MARGIN
    layout = Layout(size, left, top, (pitch, down), scale, width * scale, height * scale)
    figure.set_size_inches(size[0] / DPI, size[1] / DPI)

    def write(x: float, y: float, text: str, points: float, **style: Any) -> None:
        style = {"color": _INK, "va": "center", "parse_math": False, **style}  # "$" is a dollar
        figure.text(x / size[0], 1 - y / size[1], text, fontsize=points, family=_FONT, **style)

    room = pitch - 6
    caption_size, heading_size = (
        _fitting(figure, texts, _LARGEST, room) for texts in (lines, column_labels)
    )
    title_size, subtitle_size, footnote_size = (
        _fitting(figure, [text], most, right - _MARGIN)
        for text, most in zip(heads, (_TITLE, _SUBTITLE, _FOOTNOTE), strict=True)
    )
    write(_MARGIN, _MARGIN + 17, title, title_size, weight="bold")
    write(_MARGIN, _MARGIN + (54 if title else 17), subtitle, subtitle_size, color=_PALE)
    write(_MARGIN, bottom - 12, footnote, footnote_size, color=_PALE)
    for column, label in enumerate(column_labels):
        x = layout.corner(0, column)[0] + layout.tile_width / 2
        write(x, top - 22, label, heading_size, ha="center", weight="bold")
    for i, (label, row) in enumerate(zip(row_labels, tiles, strict=True)):
        middle = layout.corner(i, 0)[1] + layout.tile_height / 2
        write(left - 14, middle, label, _LARGEST, ha="right", weight="bold")
        for j, tile in enumerate(row):
            if tile is None:
                continue
            x, y = layout.corner(i, j)
            _place(figure, tile, x, y, layout)
            color = _INK if tile.fooled else _FAILED
            for k, line in enumerate(tile.caption.split("\n"), start=1):
                at = x + layout.tile_width / 2, y + layout.tile_height + _LINE * k
                write(*at, line, caption_size, ha="center", va="baseline", color=color)

    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")
    return layout


def _place(figure: "Figure", tile: Tile, x: int, y: int, layout: Layout) -> None:
    """Copies an image to canvas pixel (x, y), and draws a frame outside it."""
    levels = np.rint(np.asarray(tile.image, np.float64) * 255).astype(np.uint8)
    levels = np.broadcast_to(levels, (*levels.shape[:2], 3))
    blocks = levels.repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
    width, height = layout.size
    below = height - y - layout.tile_height  # rows go down in images and up on the canvas
    figure.figimage(blocks, x, below, origin="upper")
    line = 2 if tile.fooled else 4
    from matplotlib.patches import Rectangle

    frame = Rectangle(
        ((x - line / 2) / width, (below - line / 2) / height),
        (layout.tile_width + line) / width,
        (layout.tile_height + line) / height,
        transform=figure.transFigure,
        fill=False,
        edgecolor=_FRAME if tile.fooled else _FAILED,
        linewidth=line * 72 / DPI,
        snap=False,
    )
    figure.add_artist(frame)


def _fitting(figure: "Figure", texts: Sequence[str], most: float, room: float) -> float:
    """The font size, at most `most`, at which no text is wider than `room`."""
    return min(most, most * room / max(_width(figure, texts, most), 1))


def _width(figure: "Figure", texts: Sequence[str], size: float) -> int:
    """Width of the widest text, in bold, in pixels of the canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    style: dict[str, Any] = {"fontsize": size, "family": _FONT, "weight": "bold", "figure": figure}
    style["parse_math"] = False
    drawn = [Text(0, 0, text, **style) for text in texts]
    extents = [text.get_window_extent(canvas.get_renderer()).width for text in drawn]
    return math.ceil(max(extents, default=0))


def tiles(found: Records, by: str, caption: Callable[[float], str] | None = None) -> list[Row]:
    """A row of tiles for each value of a column, in the order of the records.

    Args:
      found: with `image`, `confidence` and `fooled`.
      by: the column.
      caption: of a confidence; by default whole percent.
    """
    caption = caption or (lambda p: "-" if math.isnan(p) else f"{floored(p)} %")
    return [
        (
            str(value),
            [
                Tile(image, caption(p), ok)
                for image, p, ok in of.columns("image", "confidence", "fooled")
            ],
        )
        for value, of in found.groups(by)
    ]
