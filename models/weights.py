"""Weights as safetensors files with flat dotted names, beside a JSON card.

A file contains parameters and batch statistics (`conv1.kernel`, `mean`) in Flax layout, but not the
state of random streams. PyTorch's layout can be read too. All tensors are checked before the first
is copied, so a module is either loaded completely or not changed. No code in a file is ever run.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors.numpy import save_file

from models.cache import check_writable, replacing
from models.cards import card_path, card_text, is_card
from models.fits import Fit, best_fit
from models.paths import given_path, shown
from models.slots import own_slots, pytorch_slots, saved_variables
from models.state_dicts import is_average, state_dicts
from models.weight_files import read_weights

_OTHER = " (get other weights)"
_PART = re.compile(r"-\d+-of-\d+\.\w+$")  # of weights in several files


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
    _check_module(model)
    path, variables = given_path(path), saved_variables(model)
    check_savable(path)
    if any(isinstance(v.get_value(), jax.ShapeDtypeStruct) for v in variables.values()):
        raise ValueError("model: expected a network with weights, got an outline of one")
    text = card_text(card)
    tensors = {name: np.asarray(variable[...]) for name, variable in variables.items()}
    if broken := _not_finite(tensors):
        raise ValueError(f"model: expected finite weights, got NaN or infinity in {broken}")
    check_writable(path.parent, "path")
    card_path(path).unlink(missing_ok=True)
    with replacing(path) as temporary:
        save_file(tensors, temporary)
    if card is not None:
        with replacing(card_path(path)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def check_savable(path: str | Path, name: str = "path") -> None:
    """Refuses paths that `save` cannot use.

    Args:
      name: of the path in errors.
    Raises:
      TypeError: not a path.
      ValueError: another ending, or a file that is not a card has the card's name.
    """
    path = given_path(path, name)
    if path.suffix != ".safetensors" or path.is_dir():
        raise ValueError(f"{name}: expected a file ending in .safetensors, got {shown(path)}")
    if card_path(path).exists() and not path.exists() and not is_card(path):
        raise ValueError(
            f"{name}: expected no file but a card at {shown(card_path(path))}, where that of the "
            "weights belongs (give another path)"
        )


def restore(model: nnx.Module, path: str | Path, called: str | None = None) -> None:
    """Copies the weights of a file into a module.

    Args:
      model: module of the same architecture; changed in place. It may be abstract, made under
        `nnx.eval_shape`.
      path: of the weights, in our layout or PyTorch's: safetensors, the index of several, or a file
        of `torch.save`, for which PyTorch is not needed; see `models.weight_files`. The weights may
        lie in a dictionary of a checkpoint, and their names share prefixes; see
        `models.state_dicts`. A moving average (`ema`) is taken only if nothing else fits. Half
        precision becomes float32.
      called: name of the network in errors; by default its class.
    Raises:
      FileNotFoundError: there is no such file.
      TypeError: not a module, or not a path.
      ValueError: the file is damaged or not one of weights, contains NaN or infinity, does not fit
        the module, or has several sets of weights that do.
    """
    _check_module(model)
    path, layouts = given_path(path), (own_slots(model), pytorch_slots(model))
    sets = state_dicts(read_weights(path))
    fits = {place: best_fit(tensors, layouts) for place, tensors in sets.items()}
    whole = [place for place, fit in fits.items() if fit.misfits() is None]
    whole = [place for place in whole if not is_average(place)] or whole
    if len(whole) > 1:
        places = shown(", ".join(place or "the outermost" for place in whole[:4]), 80)
        raise ValueError(
            f"path: expected one set of weights, got {shown(path)} with {len(whole)} that fit: "
            f"{places} (save the one that you want on its own)"
        )
    if not whole and _PART.search(path.name):
        raise ValueError(
            f"path: expected all parts of the weights, got {shown(path)}, one of them (give the "
            "index beside it, which ends in .index.json)"
        )
    if not fits:
        raise ValueError(
            f"path: expected a dictionary of names and tensors, got {shown(path)} without one "
            "(save the state_dict() of the network)"
        )
    chosen = whole[0] if whole else max(fits, key=lambda place: fits[place].num_common)
    _fill(model, fits[chosen], path, called)


def fill(model: nnx.Module, tensors: Mapping[str, np.ndarray], source: str) -> None:
    """`restore` from tensors in memory; errors name `source`."""
    _fill(model, best_fit(tensors, (own_slots(model), pytorch_slots(model))), source, None)


def _fill(model: nnx.Module, fit: Fit, source: object, called: str | None) -> None:
    if misfits := fit.misfits(getattr(model, "num_classes", None)):
        called = type(model).__name__ if called is None else called
        raise ValueError(
            f"path: expected weights that fit {shown(called, 30)}, got {shown(source)}: {misfits}"
        )
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinity, which is refused
        tensors = {name: np.asarray(fit.tensors[name], np.float32) for name in fit.slots}
    if broken := _not_finite(tensors):
        raise ValueError(f"path: expected finite weights, got NaN or infinity in {broken}{_OTHER}")
    variances = [name for name, slot in fit.slots.items() if slot.name.endswith("var")]
    if negative := _first([name for name in variances if tensors[name].min() < 0]):
        raise ValueError(f"path: expected variances of at least 0, got less in {negative}{_OTHER}")

    arranged = {slot.name: slot.turn(tensors[name]) for name, slot in fit.slots.items()}
    for name, variable in saved_variables(model).items():
        variable.set_value(jnp.asarray(arranged[name]))


def _check_module(model: nnx.Module) -> None:
    if not isinstance(model, nnx.Module):
        raise TypeError(f"model: expected a module of Flax NNX, got {type(model).__name__}")


def _not_finite(tensors: Mapping[str, np.ndarray]) -> str:
    return _first([name for name, tensor in tensors.items() if not np.isfinite(tensor).all()])


def _first(names: list[str]) -> str:
    """The first name, and how many others there are; empty without any."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{shown(min(names))}{more}" if names else ""
