"""Writing plain values as TOML: tables, arrays of tables, lists and scalars, nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_text(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A mapping as TOML that `tomllib` reads back equal.

    Args:
        data: strings, numbers, booleans, lists of these, mappings, and lists of mappings.
        path: the table that `data` belongs to.
    """
    plain = {k: v for k, v in data.items() if not _is_table(v) and v is not None}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for key, value in data.items():
        name = (*path, key)
        title = ".".join(map(_key, name))
        if isinstance(value, Mapping):
            lines += ["", f"[{title}]", toml_text(value, name).rstrip("\n")]
        elif _is_table(value):
            for item in value:
                lines += ["", f"[[{title}]]", toml_text(item, name).rstrip("\n")]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_table(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key) else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
