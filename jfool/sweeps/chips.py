"""The TPUs that a sweep can be planned for: memory, peak and layout."""

import dataclasses
import importlib.util
from typing import Any

from jax.experimental import topologies


@dataclasses.dataclass(frozen=True)
class Chip:
    """
    Attributes:
      memory: bytes.
      peak: published operations per second in bfloat16.
    Reference: https://cloud.google.com/tpu/docs/v5e, /v5p, /v6e
    """

    memory: int
    peak: float


CHIPS = {
    "v5e": Chip(16 * 2**30, 197e12),
    "v5p": Chip(95 * 2**30, 459e12),
    "v6e": Chip(32 * 2**30, 918e12),
}
_KINDS = {  # by `device_kind`
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
}


def chip_of(device: Any) -> Chip | None:
    """Published figures of a device; None if it is not in `CHIPS`."""
    name = _KINDS.get(device.device_kind)
    return None if name is None else CHIPS[name]


def topology_devices(name: str) -> list[Any]:
    """Devices to compile for; they need not be present.

    Args:
      name: a chip and its layout, e.g. "v5e:4x4" or "v5p:2x2x1".
    Raises:
      ValueError: the chip is unknown, or does not come in this layout.
      ImportError: `libtpu`, which holds the compiler, is not installed.
      OSError: another process is using it.
    """
    if name.partition(":")[0] not in CHIPS:
        known = ", ".join(CHIPS)
        raise ValueError(
            f"topology: expected one of {known} and its layout, such as v5e:4x4, got {name!r}"
        )
    if importlib.util.find_spec("libtpu") is None:
        raise ImportError(f'topology: expected libtpu for {name}, pip install -e ".[plan]"')
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        if "lockfile" in reason:
            raise OSError(
                "topology: expected libtpu to be free, got another process that uses it "
                "(ALLOW_MULTIPLE_LIBTPU_LOAD=1 permits both)"
            ) from None
        raise ValueError(
            f"topology: expected a layout such as v5e:4x4 or v5p:2x2x1, got {name!r} ({reason})"
        ) from None
