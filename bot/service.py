"""The composition root: builds every part from config.toml and runs the adapters.

Order of start: database, persona, model and adapters, index, engine, relay, then the platforms.
Heavy packages are imported here, inside functions, so that `--help` stays instant.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bot.knowledge import Knowledge
from engine.config import Config
from engine.errors import AdapterError, ConfigError, RetrievalError, UnderstudyError
from engine.personas import Persona, load_persona
from engine.secrets import DISCORD_NAMES, NEWSAPI_NAMES, TELEGRAM_NAMES, Secret, first_secret
from engine.types import AdapterInfo, Result, Turn

if TYPE_CHECKING:
    from bot.relay import Relay
    from bot.retraining import Retraining
    from engine.engine import Engine
    from engine.history import SqlHistory
    from engine.model.worker import ModelWorker
    from engine.reader import PassageReader

log = logging.getLogger(__name__)


class Platform(Protocol):
    """An adapter that runs until it is closed."""

    async def start(self) -> None:
        """Connect. Raises ConfigError when the settings or token are wrong."""

    async def run(self) -> None:
        """Serve until closed."""

    async def close(self) -> None:
        """Disconnect. Idempotent."""

    def status(self) -> dict[str, Any]:
        """How it is, for /healthz and /admin status."""


@dataclass(slots=True)
class Core:
    """Everything below the adapters, started."""

    config: Config
    persona: Persona
    history: SqlHistory
    worker: ModelWorker
    engine: Engine
    relay: Relay
    knowledge: Knowledge


class Service:
    """Starts, supervises and stops the whole.

    Args:
        config: all settings.
        env: environment and .env, where the tokens are.
        say: where progress is told to the operator, a line each.
    """

    def __init__(self, config: Config, env: dict[str, str], say: Callable[[str], None]) -> None:
        self._config = config
        self._env = env
        self._say = say
        self._stack = AsyncExitStack()
        self._platforms: dict[str, Platform] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.web_url = ""
        """Where the page is; empty until it is served."""
        self._started_at = time.monotonic()
        self.core: Core | None = None
        self._retraining: Retraining | None = None

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- core ------------------------------------------------------------------------------

    async def start_core(self) -> Core:
        """Database, model, index, engine and relay. Raises UnderstudyError with what to mend."""
        from bot.admin import Admin
        from bot.audiences import Audiences
        from bot.commands import Commands
        from bot.relay import Relay
        from engine.collection import index_folder
        from engine.embedder import Embedder, embedder_ref
        from engine.engine import Engine
        from engine.model.load import load_tokenizer
        from engine.model.worker import ModelWorker
        from engine.prompt import Renderer
        from engine.reader import configured_reader
        from engine.retriever import ChromaRetriever
        from engine.tools.build import make_toolbox

        config = self._config
        persona = load_persona(config.persona_path)
        history = await self._start_history()

        self._say(f"Loading {config.active_profile.model} …")
        worker = ModelWorker(config.model_ref, config.active_profile, config.worker)
        await worker.start()
        self._stack.push_async_callback(worker.close)
        await self._load_adapters(worker, persona)

        embedder = Embedder(embedder_ref(config))
        self._stack.callback(embedder.close)
        folder = index_folder(config.data_path, persona.id)
        retriever = ChromaRetriever(config.retriever, folder, embedder, persona.name)
        self._stack.push_async_callback(retriever.close)
        news_key = first_secret(self._env, NEWSAPI_NAMES)
        knowledge = Knowledge(config, persona, embedder, retriever, news_key, self._say)
        self._stack.push_async_callback(knowledge.close)

        # Its own tokenizer: the worker's belongs to the worker's thread.
        renderer = Renderer(await asyncio.to_thread(load_tokenizer, config.model_ref))
        toolbox = make_toolbox(config.tools, persona.tools, self._env)
        self._stack.push_async_callback(toolbox.close)
        reader = await self._started_reader(configured_reader(config, persona))
        engine = Engine(config, persona, history, retriever, worker, renderer, worker, toolbox, reader)
        relay = Relay(engine, history, config.limits)
        admin = Admin(
            config.limits,
            worker,
            persona.adapters_path,
            relay,
            knowledge.refresh_now,
            self.status,
            config.strength_of,
        )
        relay.commands = Commands(relay, history, persona, admin)
        relay.audiences = Audiences(config.audience, history, worker)
        await relay.start()
        self.core = Core(config, persona, history, worker, engine, relay, knowledge)
        return self.core

    async def _start_history(self) -> SqlHistory:
        from engine.database import migrate
        from engine.history import SqlHistory

        await asyncio.to_thread(migrate, self._config.history_url)
        history = SqlHistory(self._config.history_url)
        await history.start()
        self._stack.push_async_callback(history.close)
        return history

    async def _started_reader(self, reader: PassageReader | None) -> PassageReader | None:
        """The reader, loaded; None where it cannot be, since replies go on without it."""
        if reader is None:
            return None
        self._stack.push_async_callback(reader.close)
        try:
            await reader.start()
        except RetrievalError as exc:
            self._say(f"The reader is left out: {exc}")
            return None
        return reader

    async def _load_adapters(self, worker: ModelWorker, persona: Persona) -> None:
        for name in self._config.adapters.load:
            try:
                strength = self._config.strength_of(name)
                info = await worker.load_adapter(persona.adapters_path / name, name, strength=strength)
                dialled = f", strength {info.strength:g}" if info.strength != 1 else ""
                self._say(f"Adapter {info.name} {info.hash}, rank {info.rank}{dialled}")
            except AdapterError as exc:
                if self._config.adapters.required:
                    raise
                self._say(f"Adapter {name} is left out: {exc}")
        for audience, name in self._config.audience.adapters.items():
            try:
                if name not in {a.name for a in worker.adapters()}:
                    await worker.load_adapter(persona.adapters_path / name, name, strength=0.0)
                self._say(f"Audience {audience}: adapter {name}")
            except AdapterError as exc:
                self._say(f"Audience {audience} is left out: {exc}")

    def _started(self) -> Core:
        if self.core is None:
            raise RuntimeError("start_core comes first")
        return self.core

    # --- adapters --------------------------------------------------------------------------

    async def start_platforms(self) -> None:
        """The web page, and Discord and Telegram for each token; tells what is missing."""
        core = self._started()
        if self._config.web.enabled:
            await self._start_web(core)
        await self._start_discord(core, first_secret(self._env, DISCORD_NAMES))
        await self._start_telegram(core, first_secret(self._env, TELEGRAM_NAMES))
        await self._start_retraining(core)
        if not self.web_url and not self._platforms:
            raise ConfigError("Nothing to serve: [web] enabled is false and no platform could be started.")

    async def _start_web(self, core: Core) -> None:
        from bot.completer import EngineCompleter
        from bot.finetuning import FineTuning
        from bot.finetuning_routes import FineTuningRoutes
        from bot.web import PersonaCard, WebServer

        card = PersonaCard(
            id=core.persona.id,
            name=core.persona.name,
            greeting=core.persona.greeting,
            disclosure=core.persona.disclosure,
            model=core.config.active_profile.model,
            suggestions=tuple(core.persona.suggestions),
        )
        settings = core.config.finetuning
        assistant = FineTuning(core.config, core.engine, core.worker, _recipes())
        await assistant.start()
        self._stack.push_async_callback(assistant.close)
        learning = FineTuningRoutes(assistant, settings, core.config.web.api_keys)
        server = WebServer(
            core.config.web, core.relay, self, card, EngineCompleter(core.engine),
            more=[learning.router], upload_bytes=settings.max_upload_bytes,
        )  # fmt: skip
        await server.start()
        self._stack.push_async_callback(server.close)
        self.web_url = server.url
        self._say(f"Web chat: {server.url}   API: {server.url}/v1")

    async def _start_retraining(self, core: Core) -> None:
        from bot.retraining import Retraining

        if not core.config.retraining.enabled:
            return
        self._retraining = Retraining(core.config, core.worker, _recipes())
        self._stack.push_async_callback(self._retraining.close)
        await self._retraining.start()
        self._say(f"Adapter {core.config.retraining.adapter} is trained again by schedule.")

    async def _start_discord(self, core: Core, token: Secret) -> None:
        if not self._config.discord.enabled:
            return
        if not token:
            self._say("Discord is off: set DISCORD_TOKEN in .env (docs/discord.md).")
            return
        from bot.discord_bot import DiscordBot

        bot = DiscordBot(self._config.discord, token, core.relay, core.persona.name, self._config.limits)
        if await self._launch("discord", bot):
            invite = f"Invite: {bot.invite_url}" if bot.invite_url else "Still connecting."
            self._say(f"Discord is on. {invite}")

    async def _start_telegram(self, core: Core, token: Secret) -> None:
        if not self._config.telegram.enabled:
            return
        if not token:
            self._say("Telegram is off: set TELEGRAM_BOT_TOKEN in .env (docs/telegram.md).")
            return
        from bot.telegram_bot import TelegramBot

        bot = TelegramBot(self._config.telegram, token, core.relay, core.persona.name)
        if await self._launch("telegram", bot):
            self._say("Telegram is on.")

    async def _launch(self, name: str, platform: Platform) -> bool:
        """Start a platform and keep it running; a wrong token costs only this platform."""
        try:
            await platform.start()
        except UnderstudyError as exc:
            self._say(f"{name.capitalize()} is off: {exc}")
            await platform.close()
            return False
        self._platforms[name] = platform
        self._tasks[name] = asyncio.create_task(self._supervise(name, platform), name=name)
        return True

    async def _supervise(self, name: str, platform: Platform) -> None:
        """Run a platform again when it ends by itself, later each time, up to a minute."""
        delay_s = 1.0
        while True:
            try:
                await platform.run()
                return
            except ConfigError as exc:
                self._say(f"{name.capitalize()} is off: {exc}")
                return
            except Exception:  # an adapter must come back whatever its library raised
                log.exception("%s ended, starting again in %.0f s", name, delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(60.0, delay_s * 2)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        await stop.wait()

    async def close(self) -> None:
        """Stop the platforms, then everything below them. Idempotent."""
        for platform in self._platforms.values():
            with suppress(UnderstudyError):
                await platform.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._platforms.clear()
        self._tasks.clear()
        await self._stack.aclose()

    # --- the web page's panel ----------------------------------------------------------------

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters in stacking order."""
        return self.core.worker.adapters() if self.core else ()

    async def why(self, key: str) -> Result | None:
        """How the last reply of a conversation came about."""
        last = await self.core.history.last(key) if self.core else None
        return last[1] if last else None

    async def history(self, key: str, limit: int) -> Sequence[Turn]:
        """The last turns of a conversation, oldest first."""
        return await self.core.history.turns(key, limit) if self.core else ()

    async def health(self) -> dict[str, object]:
        """`status` is ok, or degraded when a part is down; then each part."""
        parts = await self.status()
        down = [k for k, v in parts.items() if isinstance(v, dict) and v.get("ok") is False]
        return {"status": "degraded" if down else "ok", **parts}

    async def status(self) -> dict[str, Any]:
        """Each part of the service and how it is."""
        if self.core is None:
            return {"service": {"ok": False}}
        core = self.core
        parts: dict[str, Any] = {"uptime_s": round(time.monotonic() - self._started_at)}
        parts["model"] = {"ok": True, **core.worker.info()}
        try:
            parts["index"] = {"ok": True, **await core.knowledge.status()}
        except RetrievalError as exc:
            parts["index"] = {"ok": False, "error": str(exc)}
        try:
            stats = await core.history.stats(None)
            parts["database"] = {"ok": True, "messages": stats.messages, "replies": stats.replies}
        except UnderstudyError as exc:
            parts["database"] = {"ok": False, "error": str(exc)}
        if self._retraining is not None:
            parts["retraining"] = self._retraining.status()
        for name, platform in self._platforms.items():
            parts[name] = platform.status()
        return parts


def _recipes() -> Path:
    import trainer

    return Path(trainer.__file__).parent / "configs"
