"""The web server: one page, its routes, and the OpenAI-compatible API on one port.

`WebServer` builds the application in its constructor, binds in `start` and lets go in `close`. It
installs no signal handlers: whoever owns the process decides when to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from bot.openai_api import Completer, OpenAIRoutes
from bot.sse import HEARTBEAT_S
from bot.types import RelayLike
from bot.web_chat import ChatRoutes
from bot.web_errors import install
from bot.web_guard import MAX_BODY_BYTES, Guard, allowed_hosts
from engine.config import WebConfig
from engine.errors import ConfigError
from engine.types import AdapterInfo, Result, Turn

log = logging.getLogger(__name__)

PAGE_PATH = Path(__file__).with_name("web")
HEALTH_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
VITAL_PARTS = ("service", "model", "database")
"""Without one of these nobody is answered; without the others replies go on."""


@dataclass(frozen=True, slots=True)
class PersonaCard:
    """The persona as the page introduces it."""

    id: str
    """Its model name in the OpenAI-compatible API, such as mark-twain."""
    name: str
    greeting: str
    disclosure: str
    """Plain words that this is an AI."""
    model: str
    """Name of the base model."""
    suggestions: tuple[str, ...] = ()
    """Questions to start with."""


class Panel(Protocol):
    """What the page shows besides replies."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters in stacking order."""

    async def health(self) -> dict[str, object]:
        """`status` is ok or degraded; every part is a mapping with `ok`."""

    async def why(self, key: str) -> Result | None:
        """How the last reply of a conversation came about."""

    async def history(self, key: str, limit: int) -> Sequence[Turn]:
        """The last turns of a conversation, oldest first."""


class WebServer:
    """Serves the page and the API.

    Args:
        config: the section [web].
        relay: answers the page's messages and commands.
        panel: what the page shows besides replies.
        persona: who speaks.
        completer: answers the API's callers.
        heartbeat_s: comments on quiet streams.
        more: further routes.
        upload_bytes: longest body of those that take documents.
    """

    def __init__(
        self,
        config: WebConfig,
        relay: RelayLike,
        panel: Panel,
        persona: PersonaCard,
        completer: Completer,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        more: Sequence[APIRouter] = (),
        upload_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._config = config
        self._panel = panel
        self._closing = asyncio.Event()
        self._chat = ChatRoutes(relay, panel, persona, config.max_sessions, self._closing, heartbeat_s)
        api = OpenAIRoutes(completer, persona.id, config.api_keys, self._closing, heartbeat_s)
        routers = (self._chat.router, api.router, *more)
        self.app = Guard(self._application(routers), allowed_hosts(config.host), upload_bytes)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._address = ("", 0)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page."""
        host, port = self._address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: host or port cannot be used.
            StorageError: what a stopped process left cannot be read.
        """
        listener = await _bind(self._config.host, self._config.port)
        try:
            await self._chat.recover()
        except Exception:
            listener.close()
            raise
        self._address = listener.getsockname()[:2]
        self._server = _Server(
            uvicorn.Config(
                self.app,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._task = asyncio.create_task(self._server.serve([listener]), name="web")
        await self._server.ready.wait()
        log.info("web page on %s", self.url)

    async def close(self) -> None:
        """End the streams and let the port go. Idempotent."""
        self._closing.set()
        server, task, self._server, self._task = self._server, self._task, None, None
        if server is None or task is None:
            return
        server.should_exit = True
        _, late = await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)
        for straggler in late:
            straggler.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _application(self, routers: Sequence[APIRouter]) -> FastAPI:
        # The interactive API pages load scripts from elsewhere; everything here is local.
        app = FastAPI(title="understudy", openapi_url=None, docs_url=None, redoc_url=None)
        install(app)
        for router in routers:
            app.include_router(router)
        app.api_route("/healthz", methods=["GET", "HEAD"])(self._healthz)
        app.api_route("/", methods=["GET", "HEAD"])(self._page)
        app.mount("/static", StaticFiles(directory=PAGE_PATH))
        return app

    async def _page(self) -> FileResponse:
        return FileResponse(PAGE_PATH / "index.html")

    async def _healthz(self) -> JSONResponse:
        """200 while messages are answered, 503 when a vital part is down."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                health = await self._panel.health()
        except Exception:  # whatever a part raises, the probe gets an answer
            log.exception("the health check failed")
            return JSONResponse({"status": "down"}, 503)
        if any(_is_down(health.get(part)) for part in VITAL_PARTS):
            return JSONResponse({**health, "status": "down"}, 503)
        return JSONResponse(health)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with an event for when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _is_down(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("ok") is False


async def _bind(host: str, port: int) -> socket.socket:
    """A listening socket on the first address that `host` resolves to."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as exc:
        raise ConfigError(f'[web] host is "{host}", which cannot be resolved: {exc.strerror}.') from exc
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # Without this a restarted service would wait for the old connections' time-out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
        listener.setblocking(False)
    except OSError as exc:
        listener.close()
        raise ConfigError(_bind_problem(host, port, exc)) from exc
    return listener


def _bind_problem(host: str, port: int, exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; set [web] port in config.toml to a free one (0 picks one)."
    if exc.errno == errno.EADDRNOTAVAIL:
        return f'[web] host is "{host}", which is no address of this machine; allowed: 127.0.0.1, 0.0.0.0, …'
    if exc.errno == errno.EACCES:
        return f"Port {port} on {host} needs privileges that this user lacks; set [web] port above 1023."
    return f"[web] cannot listen on {host}, port {port}: {exc.strerror}."
