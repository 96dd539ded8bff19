"""JSON records with a digest of themselves, so that no number in them can change unseen."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST = "digest"  # of all else in a record
_DEEPEST = 64


def sealed_text(record: Mapping[str, Any]) -> str:
    """A record as text, with its digest."""
    record = json.loads(json.dumps(record))
    return json.dumps({**record, DIGEST: digest_of_record(record)}, indent=1) + "\n"


def digest_of_record(record: Mapping[str, Any]) -> str:
    """The digest of all else in a record."""
    rest = {name: value for name, value in record.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def is_sound(record: Mapping[str, Any]) -> bool:
    """Whether a record is what was written. One without a digest, as it was, is believed."""
    return DIGEST not in record or record[DIGEST] == digest_of_record(record)


def parse_record(content: bytes) -> dict[str, Any]:
    """A record from text; its digest is not looked at.

    Raises:
      ValueError: it is no JSON, nested too deep, no record, or has a name twice.
    """
    try:
        record = json.loads(content, object_pairs_hook=_named_once)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    _check_depth(record, _DEEPEST)
    return record


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name is there twice")
    return record


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("it is nested too deep")
    inside = value.values() if isinstance(value, dict) else value
    for item in inside if isinstance(value, (dict, list)) else ():
        _check_depth(item, left - 1)
