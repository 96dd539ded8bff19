"""Files of weights, told apart by their content: safetensors, PyTorch's own, or an index of parts.

Names do not matter (`.bin`, `.pth.tar`, `.t7`, none). What holds no weights is refused with what it
is and what to do instead.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import safe_open

from models.file_errors import FileError
from models.paths import shown
from models.pytorch_files import read_older, read_zip

_DTYPES = {
    *("F64", "F32", "F16", "BF16", "BOOL", "C64"),
    *("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"),
}
_HEADER = b"\0{"  # of safetensors: the end of its length, then JSON
_LARGEST_INDEX = 2**26
_CONVERT = "save the tensors with safetensors"
_UNPACK = "unpack it first"
_AGAIN = "get it again"

# The first bytes of files that people take for weights.
_OTHERS: Mapping[bytes, tuple[str, str]] = {
    b"version https://git-lfs": ("a Git LFS pointer, not the weights", "run git lfs pull"),
    b"\x1f\x8b": ("packed with gzip", _UNPACK),
    b"BZh": ("packed with bzip2", _UNPACK),
    b"\xfd7zXZ": ("packed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", _UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"\x93NUMPY": ("a NumPy array", _CONVERT),
    b"\x89HDF": ("an HDF5 file, as Keras writes", _CONVERT),
    b"GGUF": ("a GGUF file", _CONVERT),
    b"{": ("a JSON", "give the file of weights"),
    b"<": ("a web page or XML", "get the file itself, not the page about it"),
}


def read_weights(path: Path) -> Any:
    """What a file contains: for safetensors, arrays by name; for PyTorch's, whatever was saved.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it has no weights, or is damaged.
    """
    if path.is_dir():
        raise ValueError(_sentence(path, FileError("a folder", "give the file of weights in it")))
    if not path.is_file():
        raise FileNotFoundError(f"path: expected weights at {shown(path, 200)}, got no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # of a damaged pickle's texts
            return _read(path)
    except FileError as fault:
        raise ValueError(_sentence(path, fault)) from None
    except PermissionError:
        raise ValueError(
            _sentence(path, FileError("not readable", "allow it with chmod"))
        ) from None
    except Exception as error:  # a damaged file can raise anything
        damaged = FileError(f"damaged: {shown(str(error) or type(error).__name__, 90)}", _AGAIN)
        raise ValueError(_sentence(path, damaged)) from error


def _sentence(path: Path, fault: FileError) -> str:
    return (
        f"path: expected weights as safetensors or of torch.save, got {shown(path)}: "
        f"{fault.what} ({fault.advice})"
    )


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        start, text = _beginning(file)
    is_json = text.startswith((b"{", b"[")) and start[7:9] != _HEADER
    return _read_index(path) if is_json else _read_tensors(path)


def _read_tensors(path: Path) -> Any:
    with path.open("rb") as file:
        start, text = _beginning(file)
        if start[7:9] == _HEADER:
            return _read_safetensors(path)
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return read_zip(file)
        if start[:1] == b"\x80" and start[1:2] <= b"\x05":
            return read_older(file)
    if not start:
        raise FileError("an empty file", _AGAIN)
    for magic, (what, advice) in _OTHERS.items():
        if text.startswith(magic):
            raise FileError(what, advice)
    if start[257:262] == b"ustar":
        raise FileError("a tar archive", _UNPACK)
    raise FileError("of an unknown format", "convert it, or get it again if it is damaged")


def _beginning(file: BinaryIO) -> tuple[bytes, bytes]:
    """The first bytes, also without the white space of a text."""
    start = file.read(512)
    file.seek(0)
    return start, start.lstrip(b"\xef\xbb\xbf \t\r\n")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, "numpy") as file:
        names = file.keys()
        for name in names:
            dtype = file.get_slice(name).get_dtype()
            if dtype not in _DTYPES:
                what = f"tensors of {shown(dtype, 20)}, as {shown(name)}"
                raise FileError(what, "save them as float32")
        return {name: file.get_tensor(name) for name in names}


def _read_index(path: Path) -> dict[str, np.ndarray]:
    """The tensors of all files that an index (`model.safetensors.index.json`) names beside it."""
    if path.stat().st_size > _LARGEST_INDEX:
        raise FileError("a large JSON", _CONVERT)
    index = json.loads(path.read_text(encoding="utf-8"))
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(part, str) for part in places.values()):
        raise FileError("a JSON without a weight_map of tensors to files", "give the weights")
    tensors: dict[str, np.ndarray] = {}
    for part in sorted(set(places.values())):
        file = path.with_name(part) if part == Path(part).name else None
        if file is None or not file.is_file():
            raise FileError(f"an index of {shown(part, 40)!r}, not a file beside it", _AGAIN)
        content = _read_tensors(file)
        names = [name for name, place in places.items() if place == part]
        if not isinstance(content, dict) or not content.keys() >= set(names):
            raise FileError(f"an index of tensors that {shown(part, 40)} does not have", _AGAIN)
        tensors |= {name: content[name] for name in names}
    return tensors
