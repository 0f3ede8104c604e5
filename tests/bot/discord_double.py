"""A small Discord: REST and gateway on loopback, for tests that drive the real client library.

It keeps channels with their messages, records every REST call with its time, replays missed events
on RESUME, and can be told to misbehave: fail or drop chosen calls, break connections, refuse intents.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]

EPOCH_MS = 1_420_070_400_000
APP, BOT, GUILD, GENERAL, DM = 900, 900, 100, 200, 300
ALICE, BOB, ROBOT = 501, 502, 503
TOKEN = "double.token"
PREFIX = "/api/v10"
_ids = itertools.count(1)


def snowflake(age_s: float = 0.0) -> str:
    """A fresh id whose time is now, or some seconds ago."""
    return str((int((time.time() - age_s) * 1000) - EPOCH_MS << 22) + next(_ids) % 4096)


def user(user_id: int, name: str, bot: bool = False) -> Json:
    """A user object."""
    return {"id": str(user_id), "username": name, "discriminator": "0", "avatar": None, "bot": bot}


USERS = {
    BOT: user(BOT, "Understudy", bot=True),
    ALICE: user(ALICE, "Alice"),
    BOB: user(BOB, "Bob"),
    ROBOT: user(ROBOT, "Robot", bot=True),
}


@dataclass
class Call:
    """One REST call as it arrived."""

    method: str
    path: str
    body: Json
    at_s: float
    status: int = 0


@dataclass
class Fault:
    """An answer for the next `times` calls that match; status 0 drops the TCP connection."""

    method: str
    pattern: str
    status: int
    body: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1


@dataclass
class Answers:
    """What was answered to one interaction."""

    deferred: Json | None = None
    messages: dict[str, Json] = field(default_factory=dict)
    original: str = ""


class DiscordDouble:
    """Start it, point `[discord] api_url` and `gateway_url` at it, and speak as Alice or Bob."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.channels: dict[int, list[Json]] = {GENERAL: [], DM: []}
        self.threads: dict[int, Json] = {}
        self.commands: list[Json] = []
        self.command_path = ""
        self.interactions: dict[str, Answers] = {}
        self.files: dict[str, tuple[bytes, str]] = {}
        self.identified = 0
        self.resumes = 0
        self.refuse_intents = False
        self.bare_ready = False
        self._nonces: dict[tuple[int, str], Json] = {}
        self._sockets: list[web.WebSocketResponse] = []
        self._session = ""
        self._log: list[tuple[int, str, Json]] = []
        self._sequence = 0
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/gateway", self._gateway)
        app.router.add_get("/files/{name}", self._file)
        app.router.add_route("*", PREFIX + "/{tail:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    async def until(self, condition: Callable[[], object], timeout_s: float = 8.0) -> None:
        """Wait for something that calls or connections bring about."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                waiter = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait([waiter], timeout=0.02)
                waiter.cancel()

    # --- speaking --------------------------------------------------------------------------

    async def say(
        self,
        text: str,
        *,
        author: int = ALICE,
        channel: int = GENERAL,
        mentions: tuple[int, ...] = (),
        reply_to: str = "",
        push: bool = True,
        age_s: float = 0.0,
        **extra: Any,
    ) -> str:
        """Write a message; `push=False` leaves it in the channel's history alone. Returns its id."""
        message: Json = self.message(text, author, channel, age_s)
        message["mentions"] = [USERS[m] for m in mentions]
        if channel != DM and "webhook_id" not in extra:
            message["member"] = self._member()
        if reply_to:
            message |= {"type": 19, "message_reference": {"message_id": reply_to, "channel_id": str(channel)}}
            message["referenced_message"] = self.find(reply_to)
        message |= extra
        self.channels[channel].append(message)
        if push:
            await self.push("MESSAGE_CREATE", message)
        return str(message["id"])

    def message(self, text: str, author: int, channel: int, age_s: float = 0.0) -> Json:
        """A message object."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - age_s)) + ".000000+00:00"
        message: Json = {
            "id": snowflake(age_s),
            "channel_id": str(channel),
            "author": USERS[author],
            "content": text,
            "timestamp": stamp,
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 0,
        }
        if channel != DM:
            message["guild_id"] = str(GUILD)
        return message

    def attach(self, name: str, data: bytes, content_type: str) -> Json:
        """An attachment object whose bytes this server hands out."""
        self.files[name] = (data, content_type)
        url = f"http://127.0.0.1:{self.port}/files/{name}"
        return {
            "id": snowflake(),
            "filename": name,
            "content_type": content_type,
            "size": len(data),
            "url": url,
            "proxy_url": url,
        }

    async def react(
        self,
        message_id: str,
        emoji: str,
        *,
        author: int = ALICE,
        channel: int = GENERAL,
        take_back: bool = False,
    ) -> None:
        """React to a message, or take the reaction back."""
        message = self.find(message_id)
        event: Json = {
            "user_id": str(author),
            "channel_id": str(channel),
            "message_id": message_id,
            "emoji": {"id": None, "name": emoji},
            "type": 0,
        }
        if channel != DM:
            event["guild_id"] = str(GUILD)
        if not take_back:
            event["message_author_id"] = message["author"]["id"] if message else str(BOT)
            if channel != DM:
                event["member"] = self._member() | {"user": USERS[author]}
        await self.push(f"MESSAGE_REACTION_{'REMOVE' if take_back else 'ADD'}", event)

    async def thread(self, thread_id: int, owner: int) -> None:
        """Open a thread under the general channel."""
        self.channels[thread_id] = []
        self.threads[thread_id] = thread = {
            "id": str(thread_id),
            "guild_id": str(GUILD),
            "parent_id": str(GENERAL),
            "owner_id": str(owner),
            "name": "a thread",
            "type": 11,
            "last_message_id": None,
            "message_count": 0,
            "member_count": 1,
            "rate_limit_per_user": 0,
            "thread_metadata": {
                "archived": False,
                "auto_archive_duration": 60,
                "archive_timestamp": "2026-01-01T00:00:00.000000+00:00",
                "locked": False,
            },
        }
        await self.push("THREAD_CREATE", thread)

    async def use(self, path: str, *, author: int = ALICE, channel: int = GENERAL, **values: Any) -> Answers:
        """Use a slash command such as "admin adapters load" with its arguments."""
        name, *rest = path.split(" ")
        kinds = {str: 3, int: 4, bool: 5, float: 10}
        options: list[Json] = [
            {"name": key, "type": kinds[type(value)], "value": value} for key, value in values.items()
        ]
        for depth, sub in enumerate(reversed(rest)):
            options = [{"name": sub, "type": 1 if depth == 0 else 2, "options": options}]
        token = f"token{snowflake()}"
        self.interactions[token] = Answers()
        event: Json = {
            "id": snowflake(),
            "application_id": str(APP),
            "type": 2,
            "token": token,
            "version": 1,
            "data": {"id": "1", "name": name, "type": 1, "options": options},
            "channel": {"id": str(channel), "type": 1 if channel == DM else 0, "recipients": [USERS[author]]},
            "channel_id": str(channel),
            "locale": "en-US",
            "entitlements": [],
            "attachment_size_limit": 1,
        }
        if channel == DM:
            event["user"] = USERS[author]
        else:
            event |= {"guild_id": str(GUILD), "member": self._member() | {"user": USERS[author]}}
        await self.push("INTERACTION_CREATE", event)
        return self.interactions[token]

    def _member(self) -> Json:
        return {
            "roles": [],
            "joined_at": "2026-01-01T00:00:00.000000+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": "0",
        }

    # --- reading what the bot did ----------------------------------------------------------

    def find(self, message_id: str) -> Json | None:
        """A message by its id."""
        return next((m for c in self.channels.values() for m in c if m["id"] == message_id), None)

    def said(self, channel: int = GENERAL) -> list[str]:
        """What the bot has written in a channel, as it stands now."""
        return [m["content"] for m in self.channels[channel] if m["author"]["id"] == str(BOT)]

    def writes(self, channel: int = GENERAL) -> list[Call]:
        """Sends and edits in a channel, in order."""
        pattern = re.compile(rf"/channels/{channel}/messages(/\d+)?$")
        return [c for c in self.calls if c.method in ("POST", "PATCH") and pattern.fullmatch(c.path)]

    def fail(self, method: str, pattern: str, status: int, **options: Any) -> None:
        """Answer the next matching call (or `times` of them) like this; status 0 drops the connection."""
        self.faults.append(Fault(method, pattern, status, **options))

    # --- gateway ---------------------------------------------------------------------------

    async def push(self, event: str, data: Json) -> None:
        """Dispatch an event; who is not connected gets it on RESUME."""
        self._sequence += 1
        self._log.append((self._sequence, event, data))
        for socket in list(self._sockets):
            await self._send(socket, {"op": 0, "t": event, "s": self._sequence, "d": data})

    async def abort(self) -> None:
        """Break every connection without a word."""
        for socket in self._sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        await self._none_left()

    async def tell_reconnect(self) -> None:
        """Op 7: come back and resume."""
        for socket in list(self._sockets):
            await self._send(socket, {"op": 7, "d": None})
        await self._none_left()

    async def invalidate(self) -> None:
        """Op 9: the session is over, and what it would have replayed is lost."""
        self._session, self._log = "", []
        for socket in list(self._sockets):
            await self._send(socket, {"op": 9, "d": False})
        await self._none_left()

    async def _none_left(self) -> None:
        sockets = list(self._sockets)
        await self.until(lambda: not any(socket in self._sockets for socket in sockets))

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self._send(socket, {"op": 10, "d": {"heartbeat_interval": 41_000}})
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                if not await self._frame(socket, json.loads(frame.data)):
                    break
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
            self._changed.set()
        return socket

    async def _frame(self, socket: web.WebSocketResponse, frame: Json) -> bool:
        if frame["op"] == 1:
            await self._send(socket, {"op": 11})
        elif frame["op"] == 2:
            self.identified += 1
            if self.refuse_intents:
                await socket.close(code=4014, message=b"Disallowed intent(s).")
                return False
            await self._welcome(socket)
        elif frame["op"] == 6:
            if frame["d"]["session_id"] != self._session:
                await self._send(socket, {"op": 9, "d": False})
                return True
            self.resumes += 1
            self._sockets.append(socket)
            for sequence, event, data in self._log:
                if sequence > frame["d"]["seq"]:
                    await self._send(socket, {"op": 0, "t": event, "s": sequence, "d": data})
            self._sequence += 1
            await self._send(socket, {"op": 0, "t": "RESUMED", "s": self._sequence, "d": {}})
        self._changed.set()
        return True

    async def _welcome(self, socket: web.WebSocketResponse) -> None:
        self._session = snowflake()
        self._log = []
        self._sockets.append(socket)
        ready = {
            "v": 10,
            "user": USERS[BOT],
            "guilds": [{"id": str(GUILD), "unavailable": True}],
            "session_id": self._session,
            "resume_gateway_url": "ws://gateway.invalid",
            "application": {"id": str(APP), "flags": 1 << 18},
        }
        await self.push("READY", ready)
        if not self.bare_ready:
            await self.push("GUILD_CREATE", self._guild())

    def _guild(self) -> Json:
        last = self.channels[GENERAL][-1]["id"] if self.channels[GENERAL] else None
        general = {"id": str(GENERAL), "type": 0, "name": "general", "position": 0, "last_message_id": last}
        return {
            "id": str(GUILD),
            "name": "The River",
            "owner_id": str(ALICE),
            "channels": [{**general, "permission_overwrites": [], "parent_id": None, "nsfw": False}],
            "threads": list(self.threads.values()),
            "roles": [{"id": str(GUILD), "name": "@everyone", "permissions": "0", "position": 0}],
            "members": [],
            "emojis": [],
            "stickers": [],
            "features": [],
            "member_count": 3,
        }

    async def _send(self, socket: web.WebSocketResponse, frame: Json) -> None:
        try:
            await socket.send_str(json.dumps(frame))
        except (ConnectionError, RuntimeError):
            return

    # --- REST ------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.Response:
        data, content_type = self.files[request.match_info["name"]]
        return web.Response(body=data, headers={"Content-Type": content_type})

    async def _rest(self, request: web.Request) -> web.Response:
        raw = await request.text()
        call = Call(
            request.method,
            request.path.removeprefix(PREFIX),
            json.loads(raw) if raw else {},
            asyncio.get_running_loop().time(),
        )
        if isinstance(call.body, list):
            call.body = {"list": call.body}
        self.calls.append(call)
        fault = self._fault(call)
        if fault is not None and fault.status == 0:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPInternalServerError
        if fault is not None:
            status, body, headers = fault.status, fault.body, fault.headers
        elif request.headers.get("Authorization") not in (f"Bot {TOKEN}", None):
            status, body, headers = 401, {"message": "401: Unauthorized", "code": 0}, {}
        else:
            status, body = self._route(call, request)
            headers = {}
        call.status = status
        self._changed.set()
        if status == 204:
            return web.Response(status=204)
        # bytes, so that no charset is added: the library wants exactly application/json
        data = json.dumps(body).encode()
        return web.Response(status=status, body=data, content_type="application/json", headers=headers)

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == call.method and re.search(fault.pattern, call.path):
                fault.times -= 1
                return fault
        return None

    def _route(self, call: Call, request: web.Request) -> tuple[int, Any]:
        routes: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
            ("GET", r"/users/@me", lambda: (200, USERS[BOT])),
            ("GET", r"/oauth2/applications/@me", lambda: (200, self._application())),
            ("PUT", rf"/applications/{APP}(?:/guilds/\d+)?/commands", lambda: self._register(call)),
            ("GET", r"/channels/(\d+)", self._channel),
            ("POST", r"/channels/(\d+)/typing", lambda _: (204, None)),
            ("GET", r"/channels/(\d+)/messages", lambda c: self._history(int(c), request)),
            ("POST", r"/channels/(\d+)/messages", lambda c: self._post(int(c), call.body)),
            ("PATCH", r"/channels/(\d+)/messages/(\d+)", lambda _, m: self._patch(m, call.body)),
            ("POST", r"/interactions/(\d+)/(\w+)/callback", lambda i, t: self._callback(i, t, call.body)),
            ("POST", rf"/webhooks/{APP}/(\w+)", lambda t: self._followup(t, call.body)),
            ("PATCH", rf"/webhooks/{APP}/(\w+)/messages/(\S+)", lambda t, m: self._refine(t, m, call.body)),
            ("DELETE", rf"/webhooks/{APP}/(\w+)/messages/(\S+)", self._delete),
        ]
        for method, pattern, handler in routes:
            match = re.fullmatch(pattern, call.path)
            if match is not None and method == call.method:
                return handler(*match.groups())
        return 404, {"message": "404: Not Found", "code": 0}

    def _application(self) -> Json:
        return {
            "id": str(APP),
            "name": "Understudy",
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "00",
            "flags": 1 << 18,
            "owner": USERS[ALICE],
            "team": None,
        }

    def _register(self, call: Call) -> tuple[int, Any]:
        self.commands, self.command_path = call.body["list"], call.path
        rows = [{**c, "id": snowflake(), "application_id": str(APP), "version": "1"} for c in self.commands]
        return 200, rows

    def _channel(self, channel_id: str) -> tuple[int, Any]:
        number = int(channel_id)
        if number == DM:
            return 200, {"id": channel_id, "type": 1, "recipients": [USERS[ALICE]], "last_message_id": None}
        if number in self.threads:
            return 200, self.threads[number]
        if number == GENERAL:
            return 200, {**self._guild()["channels"][0], "guild_id": str(GUILD)}
        return 404, {"message": "Unknown Channel", "code": 10003}

    def _history(self, channel: int, request: web.Request) -> tuple[int, Any]:
        after = int(request.query.get("after", 0))
        rows = [{**m, "thread": None} for m in self.channels.get(channel, []) if int(m["id"]) > after]
        return 200, rows[: int(request.query.get("limit", 50))][::-1]

    def _post(self, channel: int, body: Json) -> tuple[int, Any]:
        if channel not in self.channels:
            return 404, {"message": "Unknown Channel", "code": 10003}
        content = body.get("content") or ""
        if not content.strip():
            return 400, {"message": "Cannot send an empty message", "code": 50006}
        if len(content) > 2000:
            return 400, {"message": "Invalid Form Body", "code": 50035}
        key = (channel, str(body.get("nonce", "")))
        if body.get("enforce_nonce") and key in self._nonces:
            return 200, self._nonces[key]
        reference = body.get("message_reference")
        if reference and self.find(str(reference["message_id"])) is None and reference["fail_if_not_exists"]:
            return 400, {"message": "Invalid Form Body", "code": 50035}
        message = self.message(content.strip(), BOT, channel)
        message.pop("guild_id", None)
        self.channels[channel].append(message)
        self._nonces[key] = message
        return 200, message

    def _patch(self, message_id: str, body: Json) -> tuple[int, Any]:
        message = self.find(message_id)
        if message is None:
            return 404, {"message": "Unknown Message", "code": 10008}
        if len(body["content"]) > 2000 or not body["content"].strip():
            return 400, {"message": "Invalid Form Body", "code": 50035}
        message["content"] = body["content"].strip()
        return 200, message

    # --- interactions ----------------------------------------------------------------------

    def _callback(self, interaction: str, token: str, body: Json) -> tuple[int, Any]:
        answers = self.interactions[token]
        answers.deferred = body
        answers.original = snowflake()
        flags = body.get("data", {}).get("flags", 0)
        message = {**self.message("", BOT, GENERAL), "id": answers.original, "flags": flags | 128}
        head = {"id": interaction, "type": 2, "response_message_id": answers.original}
        head |= {"response_message_loading": True, "response_message_ephemeral": bool(flags & 64)}
        return 200, {"interaction": head, "resource": {"type": 5, "message": message}}

    def _followup(self, token: str, body: Json) -> tuple[int, Any]:
        message = {**self.message(body["content"], BOT, GENERAL), "flags": body.get("flags", 0)}
        self.interactions[token].messages[message["id"]] = message
        return 200, message

    def _refine(self, token: str, message_id: str, body: Json) -> tuple[int, Any]:
        answers = self.interactions[token]
        key = answers.original if message_id == "@original" else message_id
        flags = (answers.deferred or {}).get("data", {}).get("flags", 0)
        message = answers.messages.setdefault(
            key, {**self.message("", BOT, GENERAL), "id": key, "flags": flags}
        )
        message["content"] = body["content"]
        return 200, message

    def _delete(self, token: str, message_id: str) -> tuple[int, Any]:
        self.interactions[token].original = ""
        return 204, None
