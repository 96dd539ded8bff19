"""JSON that any reader takes, and what a run was made with."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jfool
from models.cache import check_writable, replacing
from models.paths import given_path, shown

_PACKAGES = ("jax", "jaxlib", "flax", "numpy")
_ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, Any]:
    """Versions of packages, the git commit (None outside a clone), and the device."""
    packages = {"python": platform.python_version(), "jfool": jfool.__version__}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "unknown"
    devices = jax.devices()
    return {
        "versions": packages,
        "git_commit": git_commit(),
        "device": f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})",
    }


def git_commit(folder: Path = _ROOT) -> str | None:
    """The commit of the clone, with `-dirty` after it where tracked files differ from it."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty"]
    command += ["--exclude=*"]  # never a tag's name
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def json_safe(value: Any) -> Any:
    """`value` in JSON types: arrays as lists, paths as text, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return json_safe(np.asarray(value).tolist())
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def print_json(record: Mapping[str, Any]) -> None:
    """Prints one line, by convention the last one on standard output."""
    print(json.dumps(json_safe(record), allow_nan=False), flush=True)


def claim_file(path: Path, name: str) -> None:
    """Checks before the work begins that a file can be written.

    Args:
      name: of the setting in errors.
    Raises:
      ValueError: the path is a folder, or its folder cannot be made or written to.
    """
    if os.path.isdir(given_path(path, name)):
        raise ValueError(
            f"{name}: expected a file, got the folder {shown(path)} (name a file inside it)"
        )
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a name that is too long, a null
        raise ValueError(f"{name}: expected a file to write, got {shown(path)}") from error
    check_writable(path.parent, name)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes the whole file or nothing; a link at `path` is replaced, not followed."""
    text = json.dumps(json_safe(record), indent=1, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
