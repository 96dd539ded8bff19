"""Pickles of PyTorch read as data: a stack machine that imports nothing and calls nothing.

`pickle` builds objects by calling whatever a file names. Here `pickletools` only splits the file
into opcodes, and this module gives a meaning to those that checkpoints have. Tensors become NumPy
arrays, every kind of dictionary a `dict`, and objects of other classes an inert `Unknown`.
"""

import pickletools
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

from models.file_errors import FileError
from models.pytorch_tensors import Unknown, dictionary, made, stored

_MOST_OPCODES = 3_000_000

_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


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
                stack.append(dictionary(_pairs(since_mark())))
            case "APPEND" | "APPENDS" | "ADDITEMS":
                items = [stack.pop()] if name == "APPEND" else since_mark()
                if isinstance(stack[-1], list):
                    stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else since_mark()
                if isinstance(stack[-1], dict):
                    stack[-1].update(dictionary(_pairs(items)))
            case "GLOBAL":
                stack.append(Unknown(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(Unknown(f"{module:s}.{attribute:s}"))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(made(stack.pop(), arguments))
            case "NEWOBJ_EX":
                stack.pop()
                arguments = stack.pop()
                stack.append(made(stack.pop(), arguments))
            case "INST":
                stack.append(made(Unknown(argument.replace(" ", ".")), since_mark()))
            case "OBJ":
                kind, *arguments = since_mark()
                stack.append(made(kind, arguments))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Unknown):
                    stack[-1].state = state
            case "BINPERSID":
                stack.append(stored(stack.pop(), storage))
            case _:
                raise FileError(f"a pickle with {name}, which no checkpoint has", "save it again")
    return stack.pop()


def _pairs(items: Sequence[Any]) -> Any:
    return zip(items[::2], items[1::2], strict=True)
