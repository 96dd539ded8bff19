"""Pictures of the user's own, out of a folder, in the shape that a network takes."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageOps

from experiments import lab
from experiments.lab.predict import as_floats

_SUFFIXES = (".png", ".jpg", ".jpeg")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")  # 8 bits a channel, or fewer
_MOST_PIXELS = 50_000_000


def read_pictures(folder: Path, image_shape: tuple[int, int, int]) -> lab.Records:
    """Every file of a folder, its middle scaled to a shape; transparent parts are white.

    Returns:
      For each file, sorted: `file`, its name, and `image`, floats in [0, 1].
    Raises:
      ValueError, FileNotFoundError: there is no such folder, or something in it is no picture.
    """
    height, width, channels = image_shape
    files = _files(folder)
    mode = "L" if channels == 1 else "RGB"
    images = [
        ImageOps.fit(_opened(file).convert(mode), (width, height), Image.Resampling.BICUBIC)
        for file in files
    ]
    stacked = np.stack([np.asarray(image) for image in images]).reshape(-1, *image_shape)
    return lab.Records.of(file=[file.name for file in files], image=as_floats(stacked))


@lab.Check
def _pictures(name: str, folder: Path, _: Any) -> None:
    for file in _files(folder):
        _opened(file)


PictureFolder = Annotated[Path, _pictures, lab.Technical]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"pictures: expected a folder, got none at {folder}")
    files = sorted(folder.iterdir())
    if not files:
        raise ValueError(f"pictures: expected PNG or JPEG files in {folder}, got none")
    for file in files:
        if file.resolve().parent != folder.resolve():
            raise ValueError(f"pictures: expected files in {folder}, got a link out of it, {file}")
        if not file.is_file() or file.suffix.lower() not in _SUFFIXES:
            raise ValueError(f"pictures: expected PNG or JPEG files, got {file}")
    return files


def _opened(file: Path) -> Image.Image:
    """A picture in red, green and blue, as it should be looked at."""
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as picture:
            mode, (width, height) = picture.mode, picture.size
            fits = mode in _MODES and width * height <= _MOST_PIXELS
            upright = ImageOps.exif_transpose(picture).convert("RGBA") if fits else picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"pictures: expected a whole PNG or JPEG file, got {file}") from error
    if not fits:
        raise ValueError(
            f"pictures: expected at most 8 bits a channel and {_MOST_PIXELS} pixels, "
            f"got mode {mode} and {width} x {height} in {file}"
        )
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")
