"""Where each tensor of a weights file goes in a module, and how its layout changes.

Files have our layout, which is that of Flax, or PyTorch's:

    convolution             kernel [h, w, C, D]   weight [D, C, h, w]
    fully connected         kernel [N, M]         weight [M, N]
    on a whole activation   kernel [H, W, C, M]   weight [M, C * H * W]
    batch normalisation     scale, mean, var      weight, running_mean, running_var
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flax import nnx

Turn = Callable[[np.ndarray], np.ndarray]

_STATISTICS = {"scale": "weight", "mean": "running_mean", "var": "running_var"}


@dataclass(frozen=True)
class Slot:
    """The place of one tensor.

    Attributes:
      name: dotted, in our layout.
      shape: of the tensor in the file.
      turn: converts the file's layout to ours.
    """

    name: str
    shape: tuple[int, ...]
    turn: Turn = staticmethod(lambda tensor: tensor)


def own_slots(model: nnx.Module) -> dict[str, Slot]:
    """The slots of our layout, by the names that `save` writes."""
    return {name: Slot(name, variable.shape) for name, variable in saved_variables(model).items()}


def pytorch_slots(model: nnx.Module) -> dict[str, Slot]:
    """The slots of PyTorch's layout, by PyTorch's names (see `Network.published_name`)."""
    published_name = getattr(model, "published_name", str)
    modules = {".".join(map(str, path)): module for path, module in nnx.iter_modules(model)}
    slots = {}
    for name, variable in saved_variables(model).items():
        owner, _, leaf = name.rpartition(".")
        shape, turn = variable.shape, Slot.turn
        if leaf == "kernel":
            leaf = "weight"
            if isinstance(modules[owner], nnx.Conv):
                shape, turn = tuple(shape[axis] for axis in (3, 2, 0, 1)), _from_oihw
            elif isinstance(modules[owner], nnx.LinearGeneral):
                height, width, channels, size_out = shape
                shape = (size_out, channels * height * width)
                turn = _from_flattened(channels, height, width)
            else:
                shape, turn = shape[::-1], np.transpose
        slots[f"{published_name(owner)}.{_STATISTICS.get(leaf, leaf)}"] = Slot(name, shape, turn)
    return slots


def saved_variables(model: nnx.Module) -> dict[str, nnx.Variable]:
    """The variables of a module that files contain, by dotted name."""
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    return {".".join(map(str, path)): variable for path, variable in nnx.to_flat_state(state)}


def _from_oihw(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0)


def _from_flattened(channels: int, height: int, width: int) -> Turn:
    """PyTorch flattens with channels first."""
    return lambda tensor: tensor.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
