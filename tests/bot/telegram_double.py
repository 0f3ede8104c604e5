"""A small Bot API server on loopback, for driving the real client library.

It holds long polls, honours offsets, keeps the messages it is sent, refuses what Telegram refuses
(bad MarkdownV2, long or empty or unchanged texts) and can be told to fail.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from telegram_markdown import MarkdownError, parse, units

TOKEN = "123456:AAEtestTOKENtestTOKENtestTOKENtest"
LIMIT = 4096
OBJECTS = ("allowed_updates", "commands", "reply_parameters", "link_preview_options")  # sent as JSON
ADA = {"id": 42, "is_bot": False, "first_name": "Ada", "last_name": "Lovelace", "username": "ada"}
GROUP = {"id": -1001, "type": "supergroup", "title": "Friends"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    method: str
    params: dict[str, Any]
    at_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer that goes wrong. `drop` closes the connection; `done` does the work first."""

    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int = 0
    migrate_to: int = 0
    drop: bool = False
    done: bool = False


@dataclass(slots=True)
class Shown:
    """A message that the bot sent, as people see it."""

    chat_id: int
    text: str
    formatted: bool
    params: dict[str, Any]
    entities: list[Any] = field(default_factory=list)


class Refusal(Exception):
    """A 400 as Telegram words it."""


class TelegramDouble:
    """Use as `async with TelegramDouble() as server`."""

    def __init__(self, token: str = TOKEN, *, reads_all: bool = True, limit: int = LIMIT) -> None:
        self.token = token
        self.limit = limit
        self.me = {
            "id": 7,
            "is_bot": True,
            "first_name": "Mark",
            "username": "TwainBot",
            "can_join_groups": True,
            "can_read_all_group_messages": reads_all,
            "supports_inline_queries": False,
        }
        self.calls: list[Call] = []
        self.messages: dict[int, Shown] = {}
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.queue: list[dict[str, Any]] = []
        self.junk: list[Any] = []
        """Comes along with the next updates, and is no update."""
        self._last: dict[str, Any] = {}
        self.polls_held = 0
        self.holds = True
        self._news = asyncio.Event()
        self._update_id = 1000
        self._message_id = 100
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> TelegramDouble:
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_get("/file/bot{token}/{path:.*}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        self._news.set()
        await self._runner.cleanup()

    # --- what tests do ---------------------------------------------------------------------

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of a method go wrong, one after another."""
        self.faults[method].extend(faults)

    def write(
        self,
        text: str = "",
        *,
        chat: dict[str, Any] | None = None,
        sender: dict[str, Any] | None = None,
        topic: int = 0,
        **fields: Any,
    ) -> int:
        """Somebody writes; returns the message id. Entities are found as Telegram would."""
        sender = sender or ADA
        chat = chat or {"id": sender["id"], "type": "private", "first_name": sender["first_name"]}
        self._message_id += 1
        message: dict[str, Any] = {
            "message_id": self._message_id,
            "date": int(time.time()),
            "chat": chat,
            "from": sender,
        }
        if text:
            message |= {"text": text, "entities": entities(text, str(self.me["username"]))}
        if topic:
            message |= {"message_thread_id": topic, "is_topic_message": True}
        self.push({"message": message | fields})
        return self._message_id

    def react(
        self,
        message_id: int,
        *emojis: str,
        before: tuple[str, ...] = (),
        chat: dict[str, Any] | None = None,
        sender: dict[str, Any] | None = None,
    ) -> None:
        """Somebody's reactions to a message are now `emojis`; only who asks for them is told."""
        sender = sender or ADA
        self.push(
            {
                "message_reaction": {
                    "chat": chat or {"id": sender["id"], "type": "private"},
                    "message_id": message_id,
                    "user": sender,
                    "date": int(time.time()),
                    "old_reaction": [{"type": "emoji", "emoji": e} for e in before],
                    "new_reaction": [{"type": "emoji", "emoji": e} for e in emojis],
                }
            }
        )

    def push(self, update: dict[str, Any]) -> int:
        """Queue any update; returns its id."""
        self._update_id += 1
        self._last = update
        self.queue.append({"update_id": self._update_id, **update})
        self._news.set()
        return self._update_id

    def again(self) -> dict[str, Any]:
        """The last update, to be pushed once more."""
        return self._last

    def of(self, *methods: str) -> list[Call]:
        """Calls of these methods, in order."""
        return [call for call in self.calls if call.method in methods]

    def texts(self, chat_id: int | None = None) -> list[str]:
        """What people see, in order."""
        return [m.text for m in self.messages.values() if chat_id is None or m.chat_id == chat_id]

    # --- the server ------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        params = {k: _decoded(k, v) for k, v in (await request.post()).items() if isinstance(v, str)}
        params |= dict(request.query)
        self.calls.append(Call(method, params, time.monotonic()))
        if request.match_info["token"] != self.token:
            return _error(404 if ":" not in request.match_info["token"] else 401, "Unauthorized")
        fault = self.faults[method].popleft() if self.faults[method] else None
        if fault is not None:
            if fault.done:
                await self._do(method, params)
            if fault.drop:
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return _fault(fault)
        try:
            return web.json_response({"ok": True, "result": await self._do(method, params)})
        except Refusal as exc:
            return _error(400, f"Bad Request: {exc}")

    async def _do(self, method: str, params: dict[str, Any]) -> Any:
        match method:
            case "getMe":
                return self.me
            case "getUpdates":
                return await self._updates(params)
            case "sendMessage":
                return self._send(params)
            case "editMessageText":
                return self._edit(params)
            case "getFile":
                return {
                    "file_id": params["file_id"],
                    "file_unique_id": "u",
                    "file_path": f"docs/{params['file_id']}",
                }
            case "sendChatAction" | "setMyCommands" | "deleteWebhook":
                return True
        raise Refusal(f"method {method} not found")

    async def _updates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        if offset := int(params.get("offset") or 0):
            self.queue = [u for u in self.queue if u["update_id"] >= offset]
        deadline = time.monotonic() + float(params.get("timeout") or 0) * self.holds
        self.polls_held += 1
        try:
            while not self.queue and (left := deadline - time.monotonic()) > 0:
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), left)
                except TimeoutError:
                    break
                if self._runner is None or not self.queue:
                    break
        finally:
            self.polls_held -= 1
        junk, self.junk = self.junk, []
        if "message_reaction" not in (params.get("allowed_updates") or ()):
            self.queue = [u for u in self.queue if "message_reaction" not in u]
        return junk + self.queue[: int(params.get("limit") or 100)]

    def _text(self, params: dict[str, Any]) -> tuple[str, list[Any]]:
        text, entities = str(params.get("text", "")), []
        if params.get("parse_mode") == "MarkdownV2":
            try:
                text, entities = parse(text)
            except MarkdownError as exc:
                raise Refusal(f"can't parse entities: {exc}") from exc
        if not text.strip(" \n\t\u200b\u2060"):
            raise Refusal("message text is empty")
        if units(text) > self.limit:
            raise Refusal("message is too long")
        return text.strip(), entities

    def _send(self, params: dict[str, Any]) -> dict[str, Any]:
        text, found = self._text(params)
        self._message_id += 1
        chat_id = int(params["chat_id"])
        self.messages[self._message_id] = Shown(chat_id, text, "parse_mode" in params, params, found)
        return self._as_message(self._message_id)

    def _edit(self, params: dict[str, Any]) -> dict[str, Any]:
        text, found = self._text(params)
        shown = self.messages.get(int(params["message_id"]))
        if shown is None or shown.chat_id != int(params["chat_id"]):
            raise Refusal("message to edit not found")
        if (shown.text, shown.entities) == (text, found):
            raise Refusal("message is not modified: specified new message content is exactly the same")
        shown.text, shown.entities, shown.formatted = text, found, "parse_mode" in params
        return self._as_message(int(params["message_id"]))

    def _as_message(self, message_id: int) -> dict[str, Any]:
        shown = self.messages[message_id]
        kind = "private" if shown.chat_id > 0 else "supergroup"
        chat = {"id": shown.chat_id, "type": kind}
        return {"message_id": message_id, "date": int(time.time()), "chat": chat, "text": shown.text}

    async def _file(self, request: web.Request) -> web.Response:
        self.calls.append(Call("file", {"path": request.match_info["path"]}, time.monotonic()))
        data = self.files.get(request.match_info["path"].removeprefix("docs/"))
        if data is None or request.match_info["token"] != self.token:
            return _error(404, "Not Found")
        return web.Response(body=data)


def entities(text: str, username: str) -> list[dict[str, Any]]:
    """Mentions and commands in a text, with offsets in UTF-16 units."""
    found = []
    for word in text.replace(",", " ").replace(":", " ").split():
        start = units(text[: text.index(word)])
        if word.lower() == f"@{username}".lower() or word.startswith("@"):
            found.append({"type": "mention", "offset": start, "length": units(word)})
        elif word.startswith("/"):
            found.append({"type": "bot_command", "offset": start, "length": units(word)})
    return found


def _decoded(name: str, value: str) -> Any:
    return json.loads(value) if name in OBJECTS else value


def _error(status: int, description: str, **parameters: int) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.json_response(body, status=status)


def _fault(fault: Fault) -> web.Response:
    if fault.retry_after:
        text = f"Too Many Requests: retry after {fault.retry_after}"
        return _error(429, text, retry_after=fault.retry_after)
    if fault.migrate_to:
        text = "Bad Request: group chat was upgraded to a supergroup chat"
        return _error(400, text, migrate_to_chat_id=fault.migrate_to)
    return _error(fault.status, fault.description)
