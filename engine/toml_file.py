"""Reading a TOML file into a checked model, with errors that name file, key, value and what is allowed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


def read_toml(path: Path, advice: str) -> dict[str, Any]:
    """The file's tables.

    Args:
        advice: what to do when the file is missing.

    Raises:
        ConfigError: it is missing, unreadable or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} does not exist; {advice}.") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}.") from exc


def checked(model: type[M], data: dict[str, Any], path: Path) -> M:
    """`data` as a model. Raises ConfigError, a line for each key that is wrong."""
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        raise ConfigError("\n".join(_line(path, error) for error in exc.errors())) from exc


def _line(path: Path, error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"{path}: {key} is not a known key."
    if error["type"] == "missing":
        return f"{path}: {key} is missing."
    return f"{path}: {key} is {error['input']!r}; allowed: {error['msg']}."
