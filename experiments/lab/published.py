"""What a paper prints, from the file `published.toml` in its folder."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jfool.texts import told, visible


def published(module: str) -> dict[str, Any]:
    """The paper's numbers: tables by name, of rows by name, of cells by column.

    Args:
      module: `__file__` of an experiment.
    Raises:
      ValueError: there is no such file, or it is no TOML.
    """
    path = Path(module).with_name("published.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{told(path)}: expected the paper's numbers in TOML, got another file "
            f"({visible(str(error)):.100}): restore it"
        ) from error


def numbers_of(
    paper: Mapping[str, Any], name: str, heads: Sequence[str], rows: Sequence[str]
) -> Float[np.ndarray, "R C"]:
    """Some rows of a table of numbers, in the order asked for; NaN for what the paper lacks.

    Args:
      paper: tables by name.
      name: of the table.
      heads: of its rows.
      rows: asked for.
    """
    columns = numbers(
        next(text for text in paper.values() if isinstance(text, str) and "\n" in text)
    )
    nothing = np.full(columns.shape[1], np.nan)
    known = dict(zip(heads, numbers(paper[name]), strict=True)) if name in paper else {}
    return np.array([known.get(row, nothing) for row in rows])


def numbers(text: str) -> Float[np.ndarray, "R C"]:
    """Rows of numbers out of a text, NaN where there is a question mark."""
    lines = text.strip().splitlines()
    return np.array([[np.nan if w == "?" else float(w) for w in line.split()] for line in lines])
