"""Whom replies are explained to: each person's choice, as an adapter beside those that speak already.

A choice belongs to a person on a platform and outlives restarts. It changes nothing but the stack of
that person's own replies: the adapters of all audiences are loaded at strength 0 in the one worker, and
each request names its own. This module knows no platform and generates nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from engine.config import AudienceConfig
from engine.errors import InputError
from engine.feedback import opt_out_scope
from engine.types import AdapterInfo, Incoming

log = logging.getLogger(__name__)

AUDIENCE = "audience"
"""Name of the setting; its scope is the person."""
OFF = ("off", "none", "everyone")


class Settings(Protocol):
    """What is needed of the history."""

    async def settings(self, name: str) -> dict[str, str]:
        """Values by scope."""

    async def set_setting(self, scope: str, name: str, value: str | None) -> None:
        """Set durably, or remove. Raises StorageError."""


class Shelf(Protocol):
    """What is needed of the worker."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters."""


class Audiences:
    """Remembers who is explained to how.

    Args:
        config: `[audience]`: names and their adapters.
        settings: where choices are kept.
        shelf: which adapters are loaded.
    """

    def __init__(self, config: AudienceConfig, settings: Settings, shelf: Shelf) -> None:
        self._config = config
        self._settings = settings
        self._shelf = shelf
        self._chosen: dict[str, str] = {}

    async def start(self) -> None:
        """Read the choices. Raises StorageError."""
        self._chosen = dict(await self._settings.settings(AUDIENCE))

    async def command(self, args: str, caller: Incoming) -> str:
        """`/audience`, `/audience NAME` or `/audience off`.

        Raises:
            InputError: there is no such audience.
            StorageError: the choice cannot be kept.
        """
        if not self._config.adapters:
            return "No audiences are set up here; the operator can add some (docs/audience.md)."
        names = ", ".join(self._config.adapters)
        wanted = "-".join(args.casefold().split())
        scope = _scope(caller)
        if not wanted:
            now = self._chosen.get(scope)
            how = f"for {now}" if now else "as to everyone"
            return f"I explain things {how}. /audience NAME, of: {names}, off."
        if wanted in OFF:
            await self._settings.set_setting(scope, AUDIENCE, None)
            self._chosen.pop(scope, None)
            return "I explain things as to everyone again."
        if wanted not in self._config.adapters:
            raise InputError(f"There is no audience {args.strip()[:40]!r}; there are {names}, and off.")
        await self._settings.set_setting(scope, AUDIENCE, wanted)
        self._chosen[scope] = wanted
        missing = self._config.adapters[wanted] not in {a.name for a in self._shelf.adapters()}
        return f"From now on I explain things for: {wanted}." + (
            " Its adapter is not loaded at the moment, so you will notice nothing yet." if missing else ""
        )

    def applied(self, incoming: Incoming) -> Incoming:
        """The message with its sender's audience in its stack; a stack of its own is left alone."""
        audience = self._chosen.get(_scope(incoming))
        adapter = self._config.adapters.get(audience or "")
        if not adapter or incoming.options.strengths is not None:
            return incoming
        loaded = self._shelf.adapters()
        if adapter not in {a.name for a in loaded}:
            log.warning("audience %s has no adapter %s loaded", audience, adapter)
            return incoming
        stack = {a.name: a.strength for a in loaded if a.strength > 0} if self._config.keep_stack else {}
        strengths = {**stack, adapter: self._config.strength}
        return replace(incoming, options=replace(incoming.options, defaults=strengths))


def _scope(incoming: Incoming) -> str:
    """The same scope as a person's other settings."""
    return opt_out_scope(incoming.platform, incoming.user_id)
