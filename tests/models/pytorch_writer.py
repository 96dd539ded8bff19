"""Writes what `torch.save` writes, without PyTorch: arrays as tensors, in both formats."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

STORAGES = {
    np.dtype(dtype): f"{name}Storage"
    for dtype, name in {
        np.float64: "Double",
        np.float32: "Float",
        np.float16: "Half",
        ml_dtypes.bfloat16: "BFloat16",
        np.int64: "Long",
        np.int32: "Int",
        np.int16: "Short",
        np.int8: "Char",
        np.uint8: "Byte",
        np.bool_: "Bool",
        np.complex64: "ComplexFloat",
        np.complex128: "ComplexDouble",
    }.items()
}
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class Global:
    """A class or function of PyTorch, which need not be there."""

    module: str
    name: str

    def __call__(self) -> None:
        raise AssertionError("never called")


@dataclass
class Object:
    """What `made(*arguments)` would give, with a state."""

    made: Global
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(eq=False)
class Storage:
    """Values in memory.

    Attributes:
      kind: the class of the storage; by default that of the dtype.
      size: the number of elements that the pickle tells; by default the right one.
    """

    values: np.ndarray
    kind: Global | None = None
    size: int | None = None
    view: tuple[Any, ...] | None = None


@dataclass(eq=False)
class Tensor:
    """A view of a storage; strides in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    function: str = "_rebuild_tensor_v2"
    more: tuple[Any, ...] = field(default_factory=lambda: (False, OrderedDict()))


class Pickler(pickle._Pickler):
    """Knows the storages that it refers to, in order."""

    def __init__(self, file: io.BytesIO, protocol: int, view: bool) -> None:
        super().__init__(file, protocol)
        self.stream, self.view, self.storages = file, view, []

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.framer.commit_frame(force=True)
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        if obj not in self.storages:
            self.storages.append(obj)
        kind = obj.kind or Global("torch", STORAGES[obj.values.dtype])
        size = obj.values.size if obj.size is None else obj.size
        key = str(self.storages.index(obj))
        return ("storage", kind, key, "cpu", size, *((obj.view,) if self.view else ()))

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            strides = np.cumprod((1, *obj.shape[:0:-1]))[::-1].tolist() if obj.ndim else ()
            obj = Tensor(Storage(obj.reshape(-1)), 0, obj.shape, tuple(strides))
        if isinstance(obj, Tensor):
            where = (obj.storage, obj.offset, obj.size, obj.stride)
            return Global("torch._utils", obj.function), (*where, *obj.more)
        if isinstance(obj, Object):
            return obj.made, obj.arguments, *(() if obj.state is None else (obj.state,))
        return NotImplemented


def _pickled(content: Any, protocol: int, view: bool) -> tuple[bytes, list[Storage]]:
    stream = io.BytesIO()
    pickler = Pickler(stream, protocol, view)
    pickler.dump(content)
    return stream.getvalue(), pickler.storages


def zipped(content: Any, protocol: int = 2, order: str | None = "little", **more: bytes) -> bytes:
    """The format since version 1.6.

    Args:
      order: of bytes; None: no record of it, as before version 2.1.
      more: entries beside, by name.
    """
    text, storages = _pickled(content, protocol, view=False)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", text)
        if order is not None:
            archive.writestr("archive/byteorder", order)
        for key, storage in enumerate(storages):
            values = storage.values.byteswap() if order == "big" else storage.values
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", "3\n")
        for name, entry in more.items():
            archive.writestr(name, entry)
    return stream.getvalue()


def older(content: Any, protocol: int = 2) -> bytes:
    """The format before version 1.6."""
    text, storages = _pickled(content, protocol, view=True)
    facts = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(part, protocol) for part in (MAGIC, VERSION, facts)]
    parts += [text, pickle.dumps([str(key) for key in range(len(storages))], protocol)]
    parts += [struct.pack("<q", s.values.size) + s.values.tobytes() for s in storages]
    return b"".join(parts)
