"""What every database can hold: text, ids and JSON made safe on the way in.

SQLite refuses lone surrogates, PostgreSQL refuses NUL and NaN in JSON, and either may come from a
broken client. Nothing here raises, and what is clean stays as it is: prompts clean text further.
This module knows no tables.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

MAX_ID_CHARS = 200
_HASHED = re.compile(r"sha256:[0-9a-f]{64}")


def storable(value: str) -> str:
    """Text without NUL, its lone surrogates replaced by U+FFFD; anything else is kept as it is."""
    return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def storable_id(value: str) -> str:
    """An id unchanged, or its hash when it is too long or broken: different ids stay different."""
    if len(value) <= MAX_ID_CHARS and storable(value) == value:
        return value
    if _HASHED.fullmatch(value):
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def storable_json(value: Any) -> Any:
    """Plain JSON of strings, numbers, lists and objects: storable text, finite numbers."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {storable(str(k)): storable_json(v) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [storable_json(v) for v in value]
    return value


def split_key(key: str) -> tuple[str, str]:
    """Platform and conversation of `Incoming.key`, as they are stored."""
    platform, _, conversation = key.partition(":")
    return storable_id(platform), storable_id(conversation)
