"""Genomes in files, and as text."""

import io
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from jfool.encodings.cppn.encoding import CPPN
from jfool.encodings.cppn.genome import (
    FUNCTIONS,
    INPUTS,
    MAX_WEIGHT,
    Genome,
    check_single,
)
from jfool.texts import told

FORMAT = 1  # a file of another is refused
_MEND = "; save it again"
_MOST_BYTES = 2**28  # of a genome, unpacked
_KINDS = {
    "active": "b",
    "function": "i",
    "source": "i",
    "target": "i",
    "gene": "f",
    "connected": "b",
}


def save_genome(path: str | os.PathLike[str], encoding: CPPN, genome: Genome) -> None:
    """Writes one genome, and what is needed to paint it, as NumPy arrays (.npz).

    Raises:
      TypeError, ValueError: the encoding is no CPPN, or cannot paint the genome.
      OSError: the file cannot be written; an older one of that name is unchanged.
    """
    if not isinstance(encoding, CPPN):
        raise TypeError(f"encoding: expected a jfool.CPPN(...), got {encoding!r:.60}")
    check_single(genome)
    arrays: dict[str, Any] = {name: np.asarray(getattr(genome, name)) for name in _KINDS}
    if (wrong := _wrong(Genome(**arrays), encoding.image_shape[2])) is not None:
        raise ValueError(f"genome: expected one that the encoding can paint, got {wrong}")
    shape = np.array(encoding.image_shape)
    content = io.BytesIO()
    np.savez(content, format=FORMAT, image_shape=shape, colors=encoding.colors, **arrays)
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(content.getvalue())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load_genome(path: str | os.PathLike[str]) -> tuple[CPPN, Genome]:
    """A genome, and the encoding that paints it, with the default growth.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it holds no genome, another format, or a genome that cannot be painted.
    """
    try:
        arrays = _arrays(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{told(path)}: expected a genome, got no file") from None
    except Exception as error:  # a damaged file is refused by any of several libraries
        kind = type(error).__name__
        raise ValueError(
            f"{told(path)}: expected a genome, got another file ({kind}){_MEND}"
        ) from error
    if missing := {"format", "image_shape", "colors", *_KINDS} - set(arrays):
        raise ValueError(
            f"{told(path)}: expected a genome, got a file without {sorted(missing)}{_MEND}"
        )
    if not np.array_equal(arrays["format"], FORMAT):
        got = arrays["format"].tolist()
        raise ValueError(f"{told(path)}: expected format {FORMAT}, got {got!r:.60}{_MEND}")
    genome = Genome(**{name: arrays[name] for name in _KINDS})
    shape, colors = tuple(arrays["image_shape"].ravel().tolist()), str(arrays["colors"])
    try:
        encoding = CPPN(shape, colors, genome.active.size, genome.gene.size)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{told(path)}: {error!s:.130}{_MEND}") from error
    if (wrong := _wrong(genome, shape[2])) is not None:
        raise ValueError(f"{told(path)}: expected a genome that can be painted, got {wrong}{_MEND}")
    return encoding, genome


def describe(genome: Genome, num_outputs: int) -> str:
    """One line for each neuron: its activation and its weighted inputs."""
    check_single(genome)
    first_hidden = len(INPUTS) + num_outputs
    names = [*INPUTS, *(f"out{i}" for i in range(num_outputs))]
    names += [f"n{i}" for i in range(first_hidden, len(genome.active))]
    lines = []
    for node in np.flatnonzero(genome.active)[len(INPUTS) :]:
        leading = np.flatnonzero(np.asarray(genome.connected) & (np.asarray(genome.target) == node))
        terms = [
            f"{MAX_WEIGHT * (2 * float(genome.gene[e]) - 1):+.2f} {names[int(genome.source[e])]}"
            for e in leading
        ]
        function = FUNCTIONS[int(genome.function[node])]
        lines.append(f"{names[node]} = {function}({' '.join(terms) or '0'})")
    return "\n".join(lines)


def _arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Those of a file, unless it is a pipe, or a few bytes that stand for billions."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("no file")
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
            raise ValueError("too large")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _wrong(genome: Any, num_outputs: int) -> str | None:
    """What is wrong with the arrays of a file, in a few words."""
    nodes, edges = genome.active.shape, genome.gene.shape
    for name, kind in _KINDS.items():
        array = getattr(genome, name)
        shape = nodes if name in ("active", "function") else edges
        if array.dtype.kind != kind or array.shape != shape or array.ndim != 1:
            return f"{name} {array.dtype} {list(array.shape)}"
    there = genome.connected
    source, target = genome.source[there], genome.target[there]
    for name, ends in (("source", genome.source), ("target", genome.target)):
        if ends.size and not (ends.min() >= 0 and ends.max() < len(genome.active)):
            return f"a {name} that is no node"
    if not (genome.active[source] & genome.active[target]).all():
        return "a connection with a node that is not there"
    if not genome.active[: len(INPUTS) + num_outputs].all():
        return "an input or output that is not there"
    if (target < len(INPUTS)).any():
        return "a connection to an input"
    if not ((genome.gene >= 0) & (genome.gene <= 1)).all():
        return "genes outside [0, 1]"
    if not ((genome.function >= 0) & (genome.function < len(FUNCTIONS))).all():
        return "an unknown activation"
    return "a cycle" if _has_cycle(source, target) else None


def _has_cycle(source: np.ndarray, target: np.ndarray) -> bool:
    """Whether connections remain when those from nodes without inputs are removed repeatedly."""
    while source.size:
        ends = ~np.isin(source, target)
        if not ends.any():
            return True
        source, target = source[~ends], target[~ends]
    return False
