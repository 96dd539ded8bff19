"""Pickles of PyTorch read as data: a stack machine that imports nothing and calls nothing.

`pickle` builds objects by calling whatever a file names. Here `pickletools` only splits the file
into opcodes, and this module gives a meaning to those that checkpoints have. Tensors become NumPy
arrays, every kind of dictionary a `dict`, sets lists, and everything else an inert `Unknown`.
"""

import math
import pickletools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from models.file_errors import FileError
from models.paths import shown

_MOST_OPCODES = 3_000_000
_MOST_ELEMENTS = 2**40  # of an expanded tensor, which is only a view

_DTYPES: Mapping[str, Any] = {
    **{f"torch.{name}": np.dtype(name) for name in ("float64", "float32", "float16", "bool")},
    **{f"torch.{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (16, 32, 64)},
    **{f"torch.{name}": name for name in ("int8", "uint8", "complex64", "complex128")},
    "torch.bfloat16": ml_dtypes.bfloat16,
    "torch.float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "torch.float8_e5m2": ml_dtypes.float8_e5m2,
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
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(eq=False)
class Unknown:
    """A class, a function, or an object that one of them would have made.

    Attributes:
      name: dotted, of the class or function.
      state: what the object would have been given.
    """

    name: str
    state: Any = None


def read_pickle(stream: BinaryIO, storage: Callable[..., np.ndarray] | None = None) -> Any:
    """The object of one pickle; the stream then stands after it.

    Args:
      stream: of bytes in memory, so that lengths in a damaged file allocate nothing.
      storage: `(dtype, key, num_elements, view) -> [num_elements]`, the values of a storage;
        without it the pickle may refer to none.
    Raises:
      FileError: opcodes that checkpoints do not have, more of them than any checkpoint has, or a
        tensor outside its storage.
      Exception: anything, for a damaged pickle.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= _MOST_OPCODES:
            raise FileError("too large a pickle", "save only the state_dict()")
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
            continue
        match name:
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[argument])
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                break
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[name])
            case "DUP":
                stack.append(stack[-1])
            case "POP" if marks and marks[-1] == len(stack):
                marks.pop()
            case "POP":
                stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "POP_MARK":
                since_mark()
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "LIST" | "FROZENSET":
                stack.append(since_mark())
            case "DICT":
                stack.append(_dictionary(_pairs(since_mark())))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                items = [stack.pop()] if name == "APPEND" else since_mark()
                if isinstance(stack[-1], list):
                    stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else since_mark()
                if isinstance(stack[-1], dict):
                    stack[-1].update(_dictionary(_pairs(items)))
            case "GLOBAL":
                stack.append(Unknown(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(Unknown(f"{module:s}.{attribute:s}"))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(_made(stack.pop(), arguments))
            case "NEWOBJ_EX":
                stack.pop()
                arguments = stack.pop()
                stack.append(_made(stack.pop(), arguments))
            case "INST":
                stack.append(_made(Unknown(argument.replace(" ", ".")), since_mark()))
            case "OBJ":
                made, *arguments = since_mark()
                stack.append(_made(made, arguments))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Unknown):
                    stack[-1].state = state
            case "BINPERSID":
                stack.append(_stored(stack.pop(), storage))
            case _:
                raise FileError(f"a pickle with {name}, which no checkpoint has", "save it again")
    return stack.pop()


def _pairs(items: Sequence[Any]) -> Any:
    return zip(items[::2], items[1::2], strict=True)


def _dictionary(pairs: Any) -> dict[str | int, Any]:
    """Without the entries whose keys are neither names nor numbers."""
    return {key: value for key, value in pairs if isinstance(key, (str, int))}


def _made(made: Any, arguments: Sequence[Any]) -> Any:
    """What `made(*arguments)` stands for."""
    name = made.name if isinstance(made, Unknown) else ""
    match name:
        case "collections.OrderedDict" | "builtins.dict" | "collections.Counter":
            first = arguments[0] if arguments else {}
            if not isinstance(first, list):
                return first
            made = _dictionary(first)
            first.clear()  # moved: a short file cannot ask for many copies
            return made
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
            return _made(arguments[0], arguments[2])
    if name.startswith("torch._utils._rebuild_"):
        raise FileError(f"with a tensor of {shown(name, 40)}", "save plain dense tensors")
    return Unknown(name)


def _stored(reference: Any, storage: Callable[..., np.ndarray] | None) -> Any:
    """What a persistent id refers to: the values of a storage, or a class, beside its source."""
    kind, made, key, _, *sizes = reference
    if kind == "module":
        return made
    size, *view = sizes
    if storage is None or kind != "storage" or not isinstance(key, str) or not _is_size(size):
        raise FileError("with a damaged reference to a storage", "get it again")
    if made.name not in _STORAGES:
        raise FileError(f"with tensors of {shown(made.name, 40)}", "save float32 tensors")
    return storage(np.dtype(_DTYPES[_STORAGES[made.name]]), key, size, view[0] if view else None)


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
