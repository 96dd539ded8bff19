"""Weights as safetensors files with flat dotted names in Flax layout, beside a JSON card.

A file holds what training made: parameters and batch statistics (`conv1.kernel`, `mean`), never the
state of random streams. Everything is checked before the first tensor is copied, so a module is
either loaded whole or left as it was.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.cache import replacing


def save(model: nnx.Module, path: Path, card: dict[str, Any] | None = None) -> None:
    """Writes the weights, then the card: a card always tells of the weights beside it.

    Args:
      model: module whose `nnx.Param` and `nnx.BatchStat` are written.
      path: of the weights, ending in `.safetensors`.
      card: what is known about the weights (JSON types), or None for no card.
    Raises:
      ValueError: a weight is NaN or infinite.
    """
    tensors = {name: np.asarray(variable[...]) for name, variable in _variables(model).items()}
    _refuse_not_finite(tensors, path)
    card_path(path).unlink(missing_ok=True)
    with replacing(path) as temporary:
        save_file(tensors, temporary)
    if card is not None:
        with replacing(card_path(path)) as temporary:
            temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def load(model: nnx.Module, path: Path) -> None:
    """Copies the weights of a file into a module.

    Args:
      model: module of the same architecture; changed in place.
      path: of the weights.
    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is damaged, holds NaN or infinity, or does not fit the module; the
        message lists every missing, extra and unfitting tensor.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected weights at {path}, got no such file")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error

    variables = _variables(model)
    misfits = [f"missing {name}" for name in variables if name not in tensors]
    misfits += [f"extra {name}" for name in tensors if name not in variables]
    for name in variables.keys() & tensors.keys():
        expected, got = _layout(variables[name]), _layout(tensors[name])
        if expected != got:
            misfits.append(f"{name} expected {expected}, got {got}")
    if misfits:
        module = type(model).__name__
        raise ValueError(f"{path} does not fit {module}: {'; '.join(sorted(misfits))}")
    _refuse_not_finite(tensors, path)

    for name, variable in variables.items():
        variable[...] = tensors[name]


def card_path(path: Path) -> Path:
    """Where the card of a weights file lies."""
    return path.with_suffix(".json")


def read_card(path: Path) -> dict[str, Any]:
    """Reads the card of a weights file.

    Args:
      path: of the weights.
    Raises:
      FileNotFoundError: there is no card.
      ValueError: the card is not a JSON object.
    """
    source = card_path(path)
    try:
        card = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a card at {source}, got no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{source} is not a readable card: {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"{source} is not a readable card: expected a JSON object")
    return card


def _variables(model: nnx.Module) -> dict[str, nnx.Variable]:
    """What is saved of a module, by dotted name."""
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    return {".".join(map(str, path)): variable for path, variable in nnx.to_flat_state(state)}


def _layout(tensor: Any) -> str:
    return f"{tensor.dtype}{list(tensor.shape)}"


def _refuse_not_finite(tensors: dict[str, np.ndarray], path: Path) -> None:
    broken = sorted(name for name, tensor in tensors.items() if not np.isfinite(tensor).all())
    if broken:
        raise ValueError(f"{path}: expected finite weights, got NaN or infinity in {broken}")
