"""Pictures of the user's own, out of a folder, in the shape that a network takes."""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageOps

from experiments import lab
from experiments.lab.predict import as_floats
from experiments.lab.progress import say
from models.paths import shown

_SUFFIXES = (".png", ".jpg", ".jpeg")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # 8 bits a channel, or fewer
_MOST_PIXELS = 50_000_000
_STRAY = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # of systems; and hidden ones


def read_pictures(folder: Path, image_shape: tuple[int, int, int]) -> lab.Records:
    """Every picture of a folder, its middle scaled to a shape; transparent parts are white.

    Files that a system leaves (hidden ones, Thumbs.db, @eaDir) are skipped.

    Returns:
      For each file, sorted: `file`, its name, and `image`, floats in [0, 1].
    Raises:
      ValueError, FileNotFoundError: there is no such folder, or something else in it is no picture.
    """
    height, width, channels = image_shape
    files = _files(folder, "pictures")
    if skipped := len(os.listdir(folder)) - len(files):
        say(f"pictures: {len(files)} read, {skipped} hidden or of the system skipped")
    mode = "L" if channels == 1 else "RGB"
    images = [
        ImageOps.fit(_opened(file, "pictures").convert(mode), (width, height), _RESAMPLING)
        for file in files
    ]
    stacked = np.stack([np.asarray(image) for image in images]).reshape(-1, *image_shape)
    return lab.Records.of(file=[file.name for file in files], image=as_floats(stacked))


_RESAMPLING = Image.Resampling.BICUBIC


def _check(name: str, folder: Path, _: Any) -> None:
    for file in _files(folder, name):
        _opened(file, name)


PictureFolder = Annotated[Path, lab.Check(_check, last=True), lab.Technical]


def _files(folder: Path, name: str) -> list[Path]:
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{name}: expected a folder, got none at {shown(folder)}")
    files = sorted(path for path in folder.iterdir() if not _is_stray(path))
    if not files:
        raise ValueError(f"{name}: expected PNG or JPEG files in {shown(folder)}, got none")
    for file in files:
        if file.resolve().parent != folder.resolve():
            raise ValueError(
                f"{name}: expected files in the folder, got the link {shown(file)} out of it "
                "(copy the picture instead)"
            )
        if not file.is_file() or file.suffix.lower() not in _SUFFIXES:
            raise ValueError(
                f"{name}: expected PNG or JPEG files alone, got {shown(file)} (move it elsewhere)"
            )
    return files


def _is_stray(path: Path) -> bool:
    return path.name.startswith((".", "@")) or path.name.lower() in _STRAY


def _opened(file: Path, name: str) -> Image.Image:
    """A picture in red, green and blue, as it should be looked at; the first of an animation."""
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as picture:
            mode, (width, height) = picture.mode, picture.size
            fits = mode in _MODES and width * height <= _MOST_PIXELS
            upright = ImageOps.exif_transpose(picture).convert("RGBA") if fits else picture
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{name}: expected a whole PNG or JPEG file, got {shown(file)} (save it again, or move "
            "it elsewhere)"
        ) from error
    if not fits:
        raise ValueError(
            f"{name}: expected at most 8 bits a channel and {_MOST_PIXELS} pixels, got mode {mode} "
            f"and {width} x {height} in {shown(file)} (convert it)"
        )
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")
