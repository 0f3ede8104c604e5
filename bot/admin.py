"""Admin commands: adapters, strength, news, channels, status. Same text on every platform."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from engine.adapter_versions import install, rollback
from engine.config import LimitsConfig
from engine.errors import AdapterError, BusyError, InputError, PermissionDenied
from engine.types import AdapterInfo, Incoming

NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


class AdapterControl(Protocol):
    """What admin commands need of the worker."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters in stacking order."""

    async def load_adapter(
        self, folder: Path, name: str | None = None, *, strength: float = 1.0
    ) -> AdapterInfo:
        """Load an adapter, dialled to `strength`. Raises AdapterError."""

    async def unload_adapter(self, name: str) -> None:
        """Unload it. Raises AdapterError."""

    async def reload_adapter(self, name: str) -> AdapterInfo:
        """Read it again from its folder. Raises AdapterError."""

    async def set_strength(self, name: str, value: float) -> AdapterInfo:
        """Default strength 0..1 for new replies. Raises AdapterError."""


class ChannelSwitch(Protocol):
    """What admin commands need of the relay."""

    async def set_always_on(self, key: str, on: bool) -> None:
        """Answer in this conversation without a mention, or no longer."""


class Admin:
    """Runs `/admin …` for those who may.

    Args:
        limits: names the admins.
        control: the worker.
        adapters_path: the persona's adapters folder; names are looked up only there.
        channels: the relay.
        refresh: rebuilds the knowledge index and returns a sentence about it.
        status: parts of the service and how they are.
        strength_of: where the profile dials an adapter to when it is loaded, 0..1.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        control: AdapterControl,
        adapters_path: Path,
        channels: ChannelSwitch,
        refresh: Callable[[], Awaitable[str]],
        status: Callable[[], Awaitable[dict[str, Any]]],
        strength_of: Callable[[str], float] = lambda name: 1.0,
    ) -> None:
        self._admins = frozenset(limits.admins)
        self._control = control
        self._adapters_path = adapters_path
        self._channels = channels
        self._refresh = refresh
        self._status = status
        self._strength_of = strength_of

    def is_admin(self, caller: Incoming) -> bool:
        """The ids in `[limits] admins`, and whoever sits at the terminal."""
        return caller.platform == "console" or f"{caller.platform}:{caller.user_id}" in self._admins

    def usage(self) -> list[str]:
        """One line a command."""
        return [
            "/admin adapters list | load NAME | unload NAME | reload NAME | rollback NAME",
            "/admin strength NAME 0..1",
            "/admin news refresh",
            "/admin channel on | off (answer here without a mention)",
            "/admin status",
        ]

    async def run(self, args: str, caller: Incoming) -> str:
        """Run one admin command.

        Raises:
            PermissionDenied: the caller is no admin.
            InputError: the words are off; the message shows the usage.
            AdapterError, RetrievalError, StorageError: from what the command does.
        """
        if not self.is_admin(caller):
            raise PermissionDenied(
                f"Only admins may do that. The operator can add "
                f'"{caller.platform}:{caller.user_id}" to admins under [limits] in config.toml.'
            )
        try:
            words = shlex.split(args)
        except ValueError as exc:
            raise InputError(f"That cannot be read: {exc}.") from exc
        match words:
            case ["adapters", "list"] | ["adapters"]:
                return self._list()
            case ["adapters", "load", name]:
                info = await self._control.load_adapter(
                    self._folder(name), name, strength=self._strength_of(name)
                )
                return f"Loaded {_line(info)}."
            case ["adapters", "unload", name]:
                await self._control.unload_adapter(name)
                return f"Unloaded {name}. {self._list()}"
            case ["adapters", "reload", name]:
                old = {a.name: a.hash for a in self._control.adapters()}.get(name, "")
                info = await self._control.reload_adapter(name)
                changed = "unchanged" if info.hash == old else f"was {old}"
                return f"Reloaded {_line(info)} ({changed})."
            case ["adapters", "rollback", name]:
                return await self._roll_back(name)
            case ["strength", name, value]:
                await self._control.set_strength(name, _strength(value))
                return f"{name} answers at strength {float(value):g} from the next reply on."
            case ["news", "refresh"]:
                return await self._refresh_now()
            case ["channel", ("on" | "off") as word]:
                await self._channels.set_always_on(caller.key, word == "on")
                return (
                    "I answer every message here from now on."
                    if word == "on"
                    else "I answer here only when spoken to."
                )
            case ["status"]:
                return "\n".join(f"{k}: {_flat(v)}" for k, v in (await self._status()).items())
            case _:
                raise InputError("Admin commands:\n" + "\n".join(self.usage()))

    async def _roll_back(self, name: str) -> str:
        """Back to the version before; a version that cannot be served leaves the one that was live."""
        folder = self._folder(name)
        old, new = await asyncio.to_thread(rollback, folder)
        if name not in {a.name for a in self._control.adapters()}:
            return f"{name} is back at {new} on disk (was {old}); it is not loaded."
        try:
            info = await self._control.reload_adapter(name)
        except AdapterError:
            await asyncio.to_thread(install, folder, folder.with_name(f"{name}@{old}"))
            raise
        return f"Rolled back to {_line(info)} (was {old})."

    async def _refresh_now(self) -> str:
        try:
            return await self._refresh()
        except BusyError as exc:  # another refresh is running, and the text says so
            return str(exc)

    def _list(self) -> str:
        loaded = self._control.adapters()
        names = {a.name for a in loaded}
        folder = self._adapters_path
        there = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
        there = [name for name in there if NAME.match(name)]  # earlier versions have an @ in their name
        lines = [_line(a) for a in loaded] or ["No adapter is loaded: the base model answers."]
        idle = [name for name in there if name not in names]
        if idle:
            lines.append(f"On disk, not loaded: {', '.join(idle)}")
        return "\n".join(lines)

    def _folder(self, name: str) -> Path:
        if not NAME.match(name):
            raise InputError(f"{name[:64]!r} is no adapter name; allowed: a-z, 0-9, - and _.")
        return self._adapters_path / name


def _line(info: AdapterInfo) -> str:
    return f"{info.name} {info.hash}, rank {info.rank}, strength {info.strength:g}"


def _strength(value: str) -> float:
    try:
        number = float(value)
    except ValueError as exc:
        raise InputError(f"Strength is {value[:20]!r}; allowed: a number from 0 to 1.") from exc
    if not 0.0 <= number <= 1.0:
        raise InputError(f"Strength is {number:g}; allowed: 0 to 1.")
    return number


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
