"""Files of `torch.save`, read without PyTorch: the zip of version 1.6, and the older format.

    zip        NAME/data.pkl, the pickle; NAME/data/KEY, a storage each; NAME/byteorder
    older      pickles of a magic number, a version, facts on the writer, the content, the keys of
               storages; then for each key the number of elements and the elements

See `models.pytorch_pickle` for what the pickles may contain. Memory is bounded by the size of the
file: entries of an archive that are compressed, or overlap, are refused.
"""

import functools
import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from models.file_errors import FileError
from models.pytorch_pickle import read_pickle

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_LARGEST_PICKLE = 2**28
_AGAIN = "get it again"
_SAVE = "save its state_dict() with torch.save"


def read_zip(file: BinaryIO) -> Any:
    """The content of a zip archive: dictionaries, lists, arrays, `Unknown`.

    Raises:
      FileError: another kind of archive, or a damaged one.
      Exception: anything, for a damaged one.
    """
    length = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        _refuse_other_archives(entries.keys(), pickles)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise FileError("an archive that was packed again, compressed", "save it again")
        total = sum(entry.file_size for entry in archive.infolist())
        if total > length or len(entries) != len(archive.infolist()):
            raise FileError("an archive whose entries overlap", _AGAIN)
        if not any(entry.CRC for entry in entries.values()):
            advice = "save it with torch.serialization.set_crc32_options(True)"
            raise FileError("an archive without checksums", advice)
        folder = pickles[0].removesuffix("data.pkl")

        order = b"little"
        if f"{folder}byteorder" in entries:
            order = archive.read(f"{folder}byteorder")
        if order not in (b"little", b"big"):
            raise FileError("an archive of an unknown byte order", _AGAIN)
        if entries[pickles[0]].file_size > _LARGEST_PICKLE:
            raise FileError("with too large a pickle", _SAVE)

        @functools.cache
        def values(key: str, dtype: np.dtype) -> np.ndarray:
            stored = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
            return stored if order == b"little" else stored.byteswap()

        def storage(dtype: np.dtype, key: str, size: int, view: Any) -> np.ndarray:
            if view is not None or values(key, dtype).size != size:
                raise FileError("with a storage of another size than its tensors'", _AGAIN)
            return values(key, dtype)

        return read_pickle(io.BytesIO(archive.read(pickles[0])), storage)


def _refuse_other_archives(names: Any, pickles: list[str]) -> None:
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise FileError("a TorchScript archive", f"{_SAVE}, not the script")
    if len(pickles) == 1:
        return
    if names and all(name.endswith(".npy") for name in names):
        raise FileError("a NumPy .npz", "save its arrays with safetensors.numpy.save_file")
    raise FileError("a zip archive that torch.save did not write", "give the file of weights in it")


def read_older(file: BinaryIO) -> Any:
    """The content of a file in the older format.

    Raises: see `read_zip`.
    """
    content = file.read()
    stream = io.BytesIO(content)
    if read_pickle(stream) != _MAGIC:
        raise FileError("a pickle that torch.save did not write", _SAVE)
    version, _ = read_pickle(stream), read_pickle(stream)
    if version != _VERSION:
        raise FileError("of an unknown version of torch.save", "save it again")
    storages: dict[str, np.ndarray] = {}
    found = read_pickle(stream, _reserving(storages, len(content)))

    keys = read_pickle(stream)
    if not isinstance(keys, list) or set(keys) != storages.keys() or len(keys) != len(storages):
        raise FileError("with other storages than its tensors'", _AGAIN)
    place = stream.tell()
    for key in keys:
        (size,) = struct.unpack_from("<q", content, place)
        values = storages[key]
        if size != values.size:
            raise FileError("with a storage of another size than its tensors'", _AGAIN)
        values[:] = np.frombuffer(content, values.dtype, size, place + 8)
        place += 8 + values.nbytes
    return found


def _reserving(storages: dict[str, np.ndarray], most: int) -> Callable[..., np.ndarray]:
    """Storages to be filled later, of `most` bytes altogether."""
    left = most

    def storage(dtype: np.dtype, key: str, size: int, view: Any) -> np.ndarray:
        nonlocal left
        if key not in storages:
            left -= size * dtype.itemsize
            if left < 0:
                raise FileError("with fewer values than its tensors have", _AGAIN)
            storages[key] = np.zeros(size, dtype)
        values = storages[key]
        if values.size != size or values.dtype != dtype:
            raise FileError("with a storage of two sizes", _AGAIN)
        if view is None:
            return values
        _, start, length = view
        if not 0 <= start <= start + length <= size:
            raise FileError("with a view outside its storage", _AGAIN)
        return values[start : start + length]

    return storage
