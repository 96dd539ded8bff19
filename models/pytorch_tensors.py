"""What the objects in pickles of PyTorch stand for: tensors are arrays, most others `Unknown`."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from models.file_errors import FileError
from models.paths import shown

_MOST_ELEMENTS = 2**40  # of an expanded tensor, which is only a view

_DTYPES: Mapping[str, Any] = {
    **{f"torch.{name}": np.dtype(name) for name in ("float64", "float32", "float16", "bool")},
    **{f"torch.{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (16, 32, 64)},
    **{f"torch.{name}": name for name in ("int8", "uint8", "complex64", "complex128")},
    "torch.bfloat16": jnp.bfloat16,
    "torch.float8_e4m3fn": jnp.float8_e4m3fn,
    "torch.float8_e5m2": jnp.float8_e5m2,
}
_STORAGES: Mapping[str, str] = {
    "torch.DoubleStorage": "torch.float64",
    "torch.FloatStorage": "torch.float32",
    "torch.HalfStorage": "torch.float16",
    "torch.BFloat16Storage": "torch.bfloat16",
    "torch.LongStorage": "torch.int64",
    "torch.IntStorage": "torch.int32",
    "torch.ShortStorage": "torch.int16",
    "torch.CharStorage": "torch.int8",
    "torch.ByteStorage": "torch.uint8",
    "torch.BoolStorage": "torch.bool",
    "torch.ComplexFloatStorage": "torch.complex64",
    "torch.ComplexDoubleStorage": "torch.complex128",
    "torch.storage.UntypedStorage": "torch.uint8",
}


@dataclass(eq=False)
class Unknown:
    """A class, a function, or an object that one of them would have made.

    Attributes:
      name: dotted, of the class or function.
      state: what the object would have been given.
    """

    name: str
    state: Any = None


def dictionary(pairs: Iterable[Any]) -> dict[str | int, Any]:
    """Without the entries whose keys are neither names nor numbers."""
    return {key: value for key, value in pairs if isinstance(key, (str, int))}


def made(kind: Any, arguments: Sequence[Any]) -> Any:
    """What `kind(*arguments)` stands for."""
    name = kind.name if isinstance(kind, Unknown) else ""
    match name:
        case "collections.OrderedDict" | "builtins.dict" | "collections.Counter":
            first = arguments[0] if arguments else {}
            if not isinstance(first, list):
                return first
            entries = dictionary(first)
            first.clear()  # moved: a short file cannot ask for many copies
            return entries
        case "collections.defaultdict":
            return {}
        case "torch.Size":
            return arguments[0]
        case "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2":
            return _strided(*arguments[:4])
        case "torch._utils._rebuild_tensor_v3":
            storage, *where, _, _, dtype = arguments[:7]
            return _strided(storage.view(np.uint8).view(_DTYPES[dtype.name]), *where)
        case "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state":
            return arguments[0]
        case "torch._tensor._rebuild_from_type_v2":
            return made(arguments[0], arguments[2])
    if name.startswith("torch._utils._rebuild_"):
        return Unknown(name)  # sparse or quantized; weights lack it, an optimizer may have it
    return Unknown(name)


def stored(reference: Any, storage: Callable[..., np.ndarray] | None) -> Any:
    """What a persistent id refers to: the values of a storage, or a class, beside its source."""
    kind, origin, key, _, *sizes = reference
    if kind == "module":
        return origin
    size, *view = sizes
    if storage is None or kind != "storage" or not isinstance(key, str) or not _is_size(size):
        raise FileError("with a damaged reference to a storage", "get it again")
    if origin.name not in _STORAGES:
        raise FileError(f"with tensors of {shown(origin.name, 40)}", "save float32 tensors")
    return storage(np.dtype(_DTYPES[_STORAGES[origin.name]]), key, size, view[0] if view else None)


def _strided(
    storage: np.ndarray, offset: int, size: Sequence[int], stride: Sequence[int]
) -> np.ndarray:
    """A read-only view, after checks that it lies inside the storage."""
    fits = (
        isinstance(storage, np.ndarray)
        and storage.ndim == 1
        and len(size) == len(stride) <= 32
        and all(map(_is_size, (offset, *size, *stride)))
        and math.prod(size) <= _MOST_ELEMENTS
    )
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if fits else 0
    if not fits or (offset + last >= storage.size and 0 not in size):
        raise FileError("with a tensor that reaches outside its storage", "get it again")
    if 0 in size:
        return np.empty(size, storage.dtype)
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**60
