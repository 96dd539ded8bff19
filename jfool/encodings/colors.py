"""Color spaces: from the bytes of a pixel to gray, or to red, green and blue.

Bytes are whole numbers 0 to 255, held as floats; images are in [0, 1], in steps of 1 / 255, as
8-bit code has them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
from jaxtyping import Array, Float

from jfool.numbers import check_choice

Bytes = Float[Array, "*axes C"]
Colors = Float[Array, "*axes C"]  # in [0, 1]


def plain(values: Bytes) -> Colors:
    """Gray levels, or red, green and blue."""
    return values / 255


def hls(values: Bytes) -> Colors:
    """Hue, lightness, saturation as in OpenCV's 8-bit images: a hue byte counts 2 degrees, so that
    bytes from 180 on repeat the first hues. (The code of Nguyen et al., 2015)"""
    hue, lightness, saturation = values[..., 0] / 180, values[..., 1] / 255, values[..., 2] / 255
    chroma = (1 - jnp.abs(2 * lightness - 1)) * saturation
    return _rgb(hue, chroma, lightness - chroma / 2)


def hsv(values: Bytes) -> Colors:
    """Hue, saturation, value, with 256 hues in the circle. (The text of Nguyen et al., 2015)"""
    hue, saturation, value = values[..., 0] / 256, values[..., 1] / 255, values[..., 2] / 255
    chroma = value * saturation
    return _rgb(hue, chroma, value - chroma)


def _rgb(
    hue: Float[Array, "*axes"], chroma: Float[Array, "*axes"], least: Float[Array, "*axes"]
) -> Colors:
    """From the hue in turns, the largest less the least channel, and the least."""
    offsets = jnp.array([0, 4, 2], jnp.float32)  # red, green, blue lie a third of a turn apart
    position = (6 * hue[..., None] + offsets.reshape((1,) * hue.ndim + (3,))) % 6
    share = jnp.clip(jnp.abs(position - 3) - 1, 0, 1)
    exact = least[..., None] + chroma[..., None] * share
    return jnp.round(255 * exact) / 255


COLORS: Mapping[str, Callable[[Bytes], Colors]] = MappingProxyType(
    {"grey": plain, "rgb": plain, "hls": hls, "hsv": hsv}
)


def check_colors(colors: str, channels: int) -> None:
    """Raises:
    ValueError: an unknown name, or one for another number of channels.
    """
    check_choice("colors", colors, COLORS)
    if channels not in (1, 3):
        raise ValueError(f"image_shape: expected 1 or 3 channels, got {channels}")
    fitting = [name for name in COLORS if (name == "grey") == (channels == 1)]
    if colors not in fitting:
        raise ValueError(
            f"colors: expected one of {fitting} for image_shape with {channels} "
            f"channel{'s' if channels > 1 else ''}, got {colors!r}"
        )
