"""Jobs that point into a data set of images, instead of holding a copy each."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

PIECE_BYTES = 2**26  # of a data set, read at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Images of a data set, by their numbers: the value of a job's field, such as `base`.

    It stands for the float32 array `data[index]`, with values in [0, 1]. Indexing selects images
    without reading them; `np.asarray` reads them. `jfool.run` reads all of them at once,
    `jfool.sweep` only those of the jobs that enter lanes, and its results hold the index.

    Attributes:
      data: `[M, H, W, C]`, an array such as `np.memmap`; uint8, of which 255 stands for 1, or
        float32 in [0, 1].
      index: `[N]` int, 0 to M - 1.
    Raises:
      TypeError, ValueError: there is no such data set or image.
    Example:
      >>> photos = np.full((100, 4, 4, 3), 51, np.uint8)
      >>> rows = Rows(photos, [7, 3, 7])
      >>> rows.shape, np.asarray(rows[2]).max()
      ((3, 4, 4, 3), np.float32(0.2))
    """

    data: Any
    index: Any

    def __post_init__(self) -> None:
        shape, dtype = getattr(self.data, "shape", ()), getattr(self.data, "dtype", None)
        if len(shape) != 4 or dtype not in (np.uint8, np.float32):
            got = f"{dtype} {list(shape)}" if shape else type(self.data).__name__
            raise TypeError(
                f"data: expected an array [M, H, W, C] of uint8, or of float32 in [0, 1], got {got}"
            )
        try:
            index = np.asarray(self.index)
        except ValueError:
            raise TypeError("index: expected whole numbers [N], got a ragged list") from None
        if not np.issubdtype(index.dtype, np.integer):
            raise TypeError(f"index: expected whole numbers [N], got {index.dtype}")
        if index.size and not (index.min() >= 0 and index.max() < shape[0]):
            raise ValueError(
                f"index: expected rows of the data, 0 to {shape[0] - 1}, "
                f"got {index.min()} to {index.max()}"
            )
        object.__setattr__(self, "index", index.astype(np.int64))

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.index.shape, *self.data.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, selected: Any) -> "Rows":
        return Rows(self.data, self.index[selected])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("copy: expected True or None, since rows are read, got False")
        distinct, back = np.unique(self.index, return_inverse=True)
        images = self._read(distinct).astype(np.float32)
        if self.data.dtype == np.uint8:
            images /= 255
        return images[back.reshape(self.index.shape)].astype(dtype or np.float32, copy=False)

    def __repr__(self) -> str:
        return f"Rows({list(self.shape)} of {len(self.data)} {self.data.dtype} images)"

    def pieces(self) -> Iterator[np.ndarray]:
        """The distinct images as they are stored, `PIECE_BYTES` at a time."""
        distinct = np.unique(self.index)
        image_bytes = math.prod(self.data.shape[1:]) * self.data.dtype.itemsize
        at_once = max(1, PIECE_BYTES // max(1, image_bytes))
        for start in range(0, len(distinct), at_once):
            yield self._read(distinct[start : start + at_once])

    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest value, NaN if there is one; 8 bits are not read for it."""
        if self.data.dtype == np.uint8:
            return 0.0, 1.0
        lows, highs = zip(*((piece.min(), piece.max()) for piece in self.pieces()), strict=True)
        return float(np.min(lows)), float(np.max(highs))

    def _read(self, distinct: np.ndarray) -> np.ndarray:
        """In ascending order and each once, as disks and some formats want it."""
        return np.asarray(self.data[distinct])


def as_numpy(leaf: Any) -> Any:
    """An array of jobs on the host; rows stay unread."""
    return leaf if isinstance(leaf, Rows) else np.asarray(leaf)
