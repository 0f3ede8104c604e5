"""A relay with its commands over a real history, an engine whose model is scripted, and short passages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.admin import Admin
from bot.commands import Commands
from bot.relay import Relay
from bot.types import Event, Notice
from engine.config import Config
from engine.engine import Engine
from engine.errors import AdapterError
from engine.fakes import ListRetriever, ScriptedGenerator
from engine.history import SqlHistory
from engine.personas import Persona
from engine.prompt import Renderer
from engine.types import AdapterInfo, Delta, Incoming, Passage


class FakeControl:
    """Adapters that are only a list."""

    def __init__(self) -> None:
        self.loaded = {"identity": AdapterInfo("identity", "a" * 12, 8, 1.0)}

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return tuple(self.loaded.values())

    async def load_adapter(
        self, folder: Path, name: str | None = None, *, strength: float = 1.0
    ) -> AdapterInfo:
        if name is None or folder.name != name:
            raise AdapterError(f"{folder} holds no adapter.")
        self.loaded[name] = AdapterInfo(name, "b" * 12, 32, strength)
        return self.loaded[name]

    async def unload_adapter(self, name: str) -> None:
        if self.loaded.pop(name, None) is None:
            raise AdapterError(f"No adapter named {name} is loaded.")

    async def reload_adapter(self, name: str) -> AdapterInfo:
        self.loaded[name] = replace(self.loaded[name], hash="c" * 12)
        return self.loaded[name]

    async def set_strength(self, name: str, value: float) -> AdapterInfo:
        self.loaded[name] = replace(self.loaded[name], strength=value)
        return self.loaded[name]


class Setup:
    """A relay with everything below it."""

    def __init__(self, config: Config, persona: Persona, renderer: Renderer, history: SqlHistory) -> None:
        self.history = history
        self.control = FakeControl()
        self.generator = ScriptedGenerator(["one", "two", "three"])
        self.retriever = ListRetriever([Passage("It opens on 3 May.", "Harlow Bridge", "https://e.org/b")])
        self.engine = Engine(config, persona, history, self.retriever, self.generator, renderer, self.control)
        self.relay = Relay(self.engine, history, config.limits)
        self.refreshed = 0
        admin = Admin(
            config.limits,
            self.control,
            persona.adapters_path,
            self.relay,
            self._refresh,
            self._status,
            config.strength_of,
        )
        self.relay.commands = Commands(self.relay, history, persona, admin)

    async def _refresh(self) -> str:
        self.refreshed += 1
        return "Knowledge: 3 documents."

    async def _status(self) -> dict[str, object]:
        return {"model": {"ok": True}}

    async def say(
        self, text: str, user: str = "u", mid: str = "", place: str = "c", **more: object
    ) -> list[Event]:
        incoming = Incoming("discord", place, mid or f"{id(object())}-{text}", user, "Ann", text, **more)  # type: ignore[arg-type]
        return [e async for e in self.relay.handle(incoming)]

    async def command(self, name: str, args: str = "", user: str = "u", place: str = "c") -> list[Event]:
        caller = Incoming("discord", place, "x", user, "Ann", "")
        return [e async for e in self.relay.command(name, args, caller)]


def text_of(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, Delta | Notice))
