"""What a paper prints, from the file `published.toml` in its folder."""

import tomllib
from pathlib import Path
from typing import Any


def published(module: str) -> dict[str, Any]:
    """The paper's numbers: tables by name, of rows by name, of cells by column.

    Args:
      module: `__file__` of an experiment.
    """
    path = Path(module).with_name("published.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
