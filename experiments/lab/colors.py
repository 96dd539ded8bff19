"""Base colours as they are typed: a name, a grey level, or r,g,b, all in [0, 1]."""

from collections.abc import Sequence
from dataclasses import dataclass

NAMED: dict[str, tuple[float, float, float]] = {
    "black": (0.0, 0.0, 0.0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}
MAX_COLORS = 32  # slots; see `Color.slot`


@dataclass(frozen=True)
class Color:
    """
    name: as in `NAMED`, or as typed.
    rgb: in [0, 1].
    slot: a number below `MAX_COLORS` that other named colours beside it do not change.
    """

    name: str
    rgb: tuple[float, float, float]
    slot: int

    def base(self, channels: int) -> tuple[float, ...]:
        """`[C]` for an image of 1 or 3 channels."""
        return self.rgb[:1] if channels == 1 else self.rgb


def parse_colors(
    texts: Sequence[str], channels: int, dataset: str, setting: str = "colors"
) -> list[Color]:
    """Colours that images of the data set can have.

    Raises:
      ValueError: none, too many, unknown, twice the same, or a hue where images are grey.
    """
    if not texts:
        raise ValueError(f"{setting}: expected at least one, got none")
    colors: list[Color] = []
    num_custom = 0
    for text in texts:
        name = "grey" if text == "gray" else text
        rgb = NAMED.get(name) or _numbers(text, setting)
        if channels == 1 and len(set(rgb)) > 1:
            raise ValueError(
                f"{setting}: expected black, grey, white or a grey level in [0, 1], as "
                f"{dataset} has grey images, got {text!r}"
            )
        known = next((i for i, named in enumerate(NAMED.values()) if named == rgb), None)
        slot = len(NAMED) + num_custom if known is None else known
        num_custom += known is None
        if same := [other for other, color in zip(texts, colors, strict=False) if color.rgb == rgb]:
            raise ValueError(
                f"{setting}: expected different ones, got {same[0]!r} and {text!r}, the same color"
            )
        colors.append(Color(name if known is None else list(NAMED)[known], rgb, slot))
    if len(NAMED) + num_custom > MAX_COLORS:
        raise ValueError(
            f"{setting}: expected at most {MAX_COLORS - len(NAMED)} that have no name, "
            f"got {num_custom}"
        )
    return colors


def _numbers(text: str, setting: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(0 <= number <= 1 for number in numbers):
        raise ValueError(
            f"{setting}: expected {', '.join(NAMED)}, a grey level in [0, 1] or r,g,b in [0, 1], "
            f"got {text!r:.60}"
        )
    r, g, b = numbers * 3 if len(numbers) == 1 else numbers
    return r, g, b
