"""Tokens from the environment or .env, in a type that never prints itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine.errors import ConfigError

DISCORD_NAMES = ("DISCORD_TOKEN", "DISCORD_BOT_TOKEN")
TELEGRAM_NAMES = ("TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN")
NEWSAPI_NAMES = ("NEWSAPI_KEY", "NEWS_API_KEY")


class Secret:
    """A string whose repr and str hide it; `reveal` is the only way to read it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; hand it straight to the client that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('…')" if self._value else "Secret('')"

    __str__ = __repr__


def read_env(path: Path) -> dict[str, str]:
    """The environment over the file `.env` (KEY=value lines, # comments, optional quotes).

    Raises:
        ConfigError: a line of .env is no KEY=value; the message gives its number, not its text.
    """
    values: dict[str, str] = {}
    if path.is_file():
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip().removeprefix("export ").strip()
            if not line or line.startswith("#"):
                continue
            key, sep, value = line.partition("=")
            if not sep or not key.strip().replace("_", "").isalnum():
                raise ConfigError(f"{path}, line {number}: expected KEY=value.")
            values[key.strip()] = value.strip().strip("'\"")
    return {**values, **os.environ}


def first_secret(env: Mapping[str, str], names: tuple[str, ...]) -> Secret:
    """The first of `names` that is set, or an empty Secret."""
    return Secret(next((env[n].strip() for n in names if env.get(n, "").strip()), ""))
