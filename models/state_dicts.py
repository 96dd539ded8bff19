"""The tensors of one network in what a checkpoint contains.

A checkpoint has them directly, or under `state_dict`, `model`, `net`, ..., beside numbers and the
states of optimizers, or in a pickled module. Their names may share prefixes (`module.`,
`_orig_mod.`, `model.`), which wrappers add.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from models.paths import shown
from models.pytorch_tensors import Unknown

Tensors = Mapping[str, np.ndarray]

# Counters that PyTorch saves beside the weights; they are not needed.
_COUNTERS = ("num_batches_tracked", "n_averaged")
# Of DataParallel, AveragedModel, torch.compile, FSDP and activation checkpoints.
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_DEEPEST = 4
_MOST_PREFIXES = 8
_LONGEST_PREFIX = 1000


def state_dicts(content: Any) -> dict[str, Tensors]:
    """All dictionaries of tensors, by the dotted keys that lead to them, the outer ones first.

    Args:
      content: of a file, see `models.weight_files`.
    """
    found: dict[str, Tensors] = {}
    seen: set[int] = set()  # what contains itself, or one thing many times, is visited once
    waiting = deque([("", content, 0)])
    while waiting:
        place, inner, depth = waiting.popleft()
        if id(inner) in seen:
            continue
        if isinstance(inner, Unknown):
            tensors, inner = _of_module(inner, seen), {}
        else:
            tensors = {k: v for k, v in _entries(inner) if _is_named_tensor(k, v)}
        seen.add(id(inner))
        if tensors:
            found[place] = tensors
        if depth < _DEEPEST:
            deeper = ((k, v) for k, v in _entries(inner) if isinstance(v, (dict, Unknown)))
            waiting.extend((f"{place}.{shown(k)}".lstrip("."), v, depth + 1) for k, v in deeper)
    return found


def without_wrappers(tensors: Tensors) -> Iterator[Tensors]:
    """The tensors without counters: as they are, then with fewer wrappers in their names.

    Parts of names that wrappers add, wherever they stand, go first, then each that all names begin
    with.
    """
    tensors = {k: v for k, v in tensors.items() if k.rpartition(".")[2] not in _COUNTERS}
    yield tensors
    parts = {name: [part for part in name.split(".") if part not in _WRAPPERS] for name in tensors}
    unwrapped = {".".join(parts[name]): tensor for name, tensor in tensors.items()}
    if len(unwrapped) == len(tensors):
        tensors = unwrapped
        yield tensors
    for _ in range(_MOST_PREFIXES):
        prefixes = {name.partition(".")[0] for name in tensors if "." in name}
        if len(prefixes) != 1 or not all("." in name for name in tensors):
            return
        tensors = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
        yield tensors


def is_average(place: str) -> bool:
    """Whether a dictionary is called a moving average of the weights."""
    return any(word in place.lower() for word in ("ema", "swa", "averag"))


def _is_named_tensor(name: Any, tensor: Any) -> bool:
    return isinstance(name, str) and isinstance(tensor, np.ndarray)


def _of_module(module: Unknown, seen: set[int]) -> Tensors:
    """What the `state_dict()` of a pickled module would have."""
    tensors, waiting = {}, [("", module)]
    while waiting:
        prefix, module = waiting.pop()
        state = module.state if isinstance(module, Unknown) else None
        if not isinstance(state, dict) or id(module) in seen or len(prefix) > _LONGEST_PREFIX:
            continue
        seen.add(id(module))
        for kind in ("_parameters", "_buffers"):
            entries = _entries(state.get(kind))
            tensors |= {f"{prefix}{k}": v for k, v in entries if _is_named_tensor(k, v)}
        waiting += [(f"{prefix}{k}.", child) for k, child in _entries(state.get("_modules"))]
    return tensors


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()
