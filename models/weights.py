"""Weights as safetensors files with flat dotted names, beside a JSON card.

A file contains parameters and batch statistics (`conv1.kernel`, `mean`) in Flax layout, but not the
state of random streams. PyTorch's layout can be read too. All tensors are checked before the first
is copied, so a module is either loaded completely or not changed. No code in a file is ever run.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.cache import replacing
from models.slots import own_slots, pytorch_slots, saved_variables, without_bookkeeping

_MOST_LISTED = 8
_PYTORCH_FILES = (".pth", ".pt", ".th")


def save(model: nnx.Module, path: str | Path, card: dict[str, Any] | None = None) -> None:
    """Writes the weights, then the card, so that a card always describes the weights beside it.

    Args:
      model: module whose `nnx.Param` and `nnx.BatchStat` are saved.
      path: of the weights, ending in `.safetensors`.
      card: facts about the weights in JSON types, or None for no card.
    Raises:
      ValueError: a weight is NaN or infinite, the path has another ending, the card would replace
        another file, or it is not JSON.
    """
    path, variables = Path(path), saved_variables(model)
    check_savable(path)
    if any(isinstance(v.get_value(), jax.ShapeDtypeStruct) for v in variables.values()):
        raise ValueError("model: expected a network with weights, got an outline of one")
    try:
        text = json.dumps(card, indent=2) + "\n"
    except TypeError as error:
        raise ValueError(f"card: expected JSON types: {error}") from error
    tensors = {name: np.asarray(variable[...]) for name, variable in variables.items()}
    _refuse_not_finite(tensors, path)
    card_path(path).unlink(missing_ok=True)
    with replacing(path) as temporary:
        save_file(tensors, temporary)
    if card is not None:
        with replacing(card_path(path)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def check_savable(path: Path, name: str = "path") -> None:
    """Refuses paths that `save` cannot use.

    Args:
      name: of the path in errors.
    Raises:
      ValueError: another ending, or a file that is not a card has the card's name.
    """
    if path.suffix != ".safetensors" or path.is_dir():
        raise ValueError(f"{name}: expected a file ending in .safetensors, got {path}")
    if card_path(path).exists() and not path.exists() and not _is_card(path):
        raise ValueError(
            f"{name}: expected no file but a card at {card_path(path)}, where that of the weights "
            "belongs"
        )


def restore(model: nnx.Module, path: str | Path, called: str | None = None) -> None:
    """Copies the weights of a file into a module.

    Args:
      model: module of the same architecture; changed in place. It may be abstract, made under
        `nnx.eval_shape`.
      path: of the weights, in our layout or PyTorch's; float16 and bfloat16 become float32.
        PyTorch's own files (`.pth`, `.pt`) need PyTorch; only tensors are read from them.
      called: name of the network in errors; by default its class.
    Raises:
      FileNotFoundError: there is no such file.
      ImportError: the file has PyTorch's own format, and PyTorch is not installed.
      ValueError: the file is damaged, contains NaN or infinity, or does not fit the module; the
        message lists missing tensors, extra ones and wrong shapes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected weights at {path}, got no such file")
    # DataParallel puts "module." before every name.
    tensors = {name.removeprefix("module."): tensor for name, tensor in _read(path).items()}
    fill(model, tensors, path, called)


def fill(
    model: nnx.Module, tensors: Mapping[str, np.ndarray], source: Path, called: str | None = None
) -> None:
    """`restore` from tensors in memory; errors name `source`."""
    slots, theirs = own_slots(model), pytorch_slots(model)
    if len(theirs.keys() & tensors.keys()) > len(slots.keys() & tensors.keys()):
        slots, tensors = theirs, without_bookkeeping(tensors)

    misfits = [f"missing {name}" for name in slots if name not in tensors]
    misfits += [f"extra {name}" for name in tensors if name not in slots]
    for name in slots.keys() & tensors.keys():
        expected, tensor = slots[name].shape, tensors[name]
        if tensor.shape != expected or not jnp.issubdtype(tensor.dtype, jnp.floating):
            got = f"{tensor.dtype}{list(tensor.shape)}"
            misfits.append(f"{name} expected float{list(expected)}, got {got}")
    if misfits:
        called = type(model).__name__ if called is None else called
        raise ValueError(f"{source} does not fit {called}: {_listed(sorted(misfits))}")
    tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
    _refuse_not_finite(tensors, source)

    variances = [name for name, slot in slots.items() if slot.name.endswith("var")]
    if negative := sorted(name for name in variances if tensors[name].min() < 0):
        raise ValueError(f"{source}: expected variances of at least 0, got less in {negative}")

    arranged = {slot.name: slot.turn(tensors[name]) for name, slot in slots.items()}
    for name, variable in saved_variables(model).items():
        variable.set_value(jnp.asarray(arranged[name]))


def _listed(misfits: list[str]) -> str:
    """The first few, and the number of the others: there may be hundreds."""
    more = f"; and {len(misfits) - _MOST_LISTED} more" if len(misfits) > _MOST_LISTED else ""
    return "; ".join(misfits[:_MOST_LISTED]) + more


def card_path(path: str | Path) -> Path:
    """The path of the card of a weights file."""
    return Path(path).with_suffix(".json")


def _is_card(path: Path) -> bool:
    """Whether the file at the card's path is a card."""
    try:
        return isinstance(read_card(path).get("model"), str)
    except ValueError:
        return False


def read_card(path: str | Path) -> dict[str, Any]:
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


def _read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file."""
    if path.suffix in _PYTORCH_FILES:
        return _read_pytorch(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error


def _read_pytorch(path: Path) -> dict[str, np.ndarray]:
    """The state dict of a PyTorch file, possibly nested under `state_dict`; no code is run."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(f"{path} is PyTorch's own format: expected torch, got none") from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        content = content.get("state_dict", content)
        return {name: tensor.float().numpy() for name, tensor in content.items()}
    except Exception as error:  # unpickling a broken file can raise anything
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is not a whole state dict of tensors: {reason}") from error


def _refuse_not_finite(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    broken = sorted(name for name, tensor in tensors.items() if not np.isfinite(tensor).all())
    if broken:
        raise ValueError(f"{path}: expected finite weights, got NaN or infinity in {broken}")
