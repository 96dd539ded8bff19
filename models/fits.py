"""How well tensors fit the slots of a module, and what those that do not fit have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import jax.numpy as jnp
import numpy as np

from models.paths import shown
from models.slots import Slot
from models.state_dicts import without_wrappers

_LONGEST = 170  # so that a sentence with path and network has at most 300 characters
_FLOATS = (np.dtype(jnp.bfloat16), *map(np.dtype, (np.float16, np.float32, np.float64)))


@dataclass(frozen=True)
class Fit:
    """Tensors beside the slots that they might fill.

    Attributes:
      slots: by the names of one layout.
      tensors: by the names of the file, without prefixes.
    """

    slots: Mapping[str, Slot]
    tensors: Mapping[str, np.ndarray]

    @property
    def num_common(self) -> int:
        return len(self.slots.keys() & self.tensors.keys())

    def misfits(self, num_classes: int | None = None) -> str | None:
        """What does not fit, and what to do; None if everything fits.

        Args:
          num_classes: of the network, to tell weights for other classes.
        """
        if inside := self.inside():
            return inside
        missing = [name for name in self.slots if name not in self.tensors]
        extra = [name for name in self.tensors if name not in self.slots]
        if missing and extra and not self.num_common:
            return _clipped(
                f"no name of {len(extra)} is expected, {_alike(extra)}, where "
                f"{shown(missing[0], 40)} is one of {len(missing)}",
                "is it another architecture?",
            )
        shared = [name for name in self.slots if name in self.tensors]
        kinds = [n for n in shared if self.tensors[n].dtype not in _FLOATS]
        shapes = [n for n in shared if self.tensors[n].shape != self.slots[n].shape]
        only_shapes = shapes and not (missing or extra or kinds)
        if only_shapes and (other := self._other_classes(shapes, num_classes)):
            return other
        parts = [
            f"{len(names)} {what}, {_alike(names)}"
            for what, names in (("missing", missing), ("extra", extra))
            if names
        ]
        for names, wrong, right in (
            (shapes, lambda n: list(self.tensors[n].shape), lambda n: list(self.slots[n].shape)),
            (kinds, lambda n: self.tensors[n].dtype, lambda n: "a float"),
        ):
            if names:
                more = f" and {len(names) - 1} more alike" if len(names) > 1 else ""
                first = names[0]
                parts.append(f"{shown(first, 40)} is {wrong(first)}, not {right(first)}{more}")
        advice = "save them as float32" if kinds else "check network, image_shape, num_classes"
        return _clipped("; ".join(parts), advice) if parts else None

    def inside(self) -> str | None:
        """If all names of the network are there under a prefix, which other tensors do not have."""
        first = next(iter(self.slots), "")
        for name in self.tensors:
            prefix = name.removesuffix(first)
            if not first or prefix == name or not prefix.endswith("."):
                continue
            others = [other for other in self.tensors if not other.startswith(prefix)]
            if others and all(f"{prefix}{slot}" in self.tensors for slot in self.slots):
                more = f" and {len(others) - 1} more" if len(others) > 1 else ""
                start = shown(prefix, 30)
                return _clipped(
                    f"all {len(self.slots)} are there under {start}, beside "
                    f"{shown(others[0], 30)}{more}",
                    f"save those of {start} alone",
                )
        return None

    def _other_classes(self, names: Sequence[str], num_classes: int | None) -> str | None:
        """If all these tensors have another number of classes and differ in nothing else."""
        shapes = [(self.tensors[name].shape, self.slots[name].shape) for name in names]
        sizes = {pair for got, right in shapes for pair in zip(got, right, strict=False)}
        other = {pair for pair in sizes if pair[0] != pair[1]}
        owners = {name.rpartition(".")[0] for name in names}
        same_rank = all(len(got) == len(right) for got, right in shapes)
        if not (same_rank and len(owners) == len(other) == 1):
            return None
        ((got, right),), (owner,) = other, owners
        whole = {name for name in self.slots if name.rpartition(".")[0] == owner} == set(names)
        if right != num_classes or got == 0 or not whole:
            return None
        what = f"{shown(owner, 40)} has num_classes {got}, not {right}"
        return _clipped(what, f"give num_classes={got}")


def best_fit(tensors: Mapping[str, np.ndarray], layouts: Sequence[Mapping[str, Slot]]) -> Fit:
    """The layout, and the tensors without the prefixes, with the most names in common."""
    fits = [Fit(slots, bare) for bare in without_wrappers(tensors) for slots in layouts]
    return max(fits, key=lambda fit: (fit.num_common, fit.inside() is not None))


def _alike(names: Sequence[str]) -> str:
    """What names have in common, or one of them."""
    owners = [name.split(".")[:-1] for name in names]
    # Whatever the first and the last in order share, all between them share.
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(min(owners), max(owners), strict=False))
    start = ".".join(part for part, _ in pairs)
    if len(names) > 1 and start:
        return f"all of {shown(start, 40)}"
    return f"such as {shown(names[0], 40)}" if len(names) > 1 else shown(names[0], 40)


def _clipped(what: str, advice: str) -> str:
    most = _LONGEST - len(advice)
    return f"{what if len(what) <= most else what[: most - 3] + '...'} ({advice})"
