"""JSON cards beside weights: what they are, how they were trained, how good they are."""

import json
from pathlib import Path
from typing import Any

from models.paths import given_path, shown

_LARGEST_CARD = 2**24


def card_text(card: dict[str, Any] | None) -> str:
    """A card as JSON.

    Raises:
      TypeError: not a dictionary.
      ValueError: its values are not of JSON types.
    """
    if card is not None and not isinstance(card, dict):
        raise TypeError(f"card: expected a dictionary of facts, got {type(card).__name__}")
    try:
        return json.dumps(card, indent=2) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"card: expected JSON types, got others: {error!s:.100}") from error


def card_path(path: str | Path) -> Path:
    """The path of the card of a weights file."""
    if not (path := given_path(path)).name:
        raise ValueError(f"path: expected a file of weights, got the folder {shown(path)}")
    return path.with_suffix(".json")


def is_card(path: Path) -> bool:
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
        if source.stat().st_size > _LARGEST_CARD:
            raise ValueError("it is too large")
        card = json.loads(source.read_text(encoding="utf-8"))
        if not isinstance(card, dict):
            raise ValueError("expected a JSON object")
    except FileNotFoundError:
        message = f"path: expected a card at {shown(source, 200)}, got no such file"
        raise FileNotFoundError(message) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = shown(str(error), 100)
        raise ValueError(
            f"path: expected a card of weights, got {shown(source)}, not readable: {reason}"
        ) from error
    return card
