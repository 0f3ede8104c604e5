"""The terminal adapter: `understudy chat`, a conversation or one question.

Replies go to stdout as they are generated, everything else to stderr. It knows no model and no
database: like the other adapters it only talks to the relay.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

from bot.result_json import result_json
from bot.types import Event, Notice, RelayLike, Started
from engine.types import Delta, Incoming, ReplyOptions, Result

PROMPT = "> "


class Console:
    """One terminal conversation."""

    def __init__(self, relay: RelayLike, session: str = "", options: ReplyOptions | None = None) -> None:
        self._relay = relay
        self._session = session or uuid.uuid4().hex
        self._options = options or ReplyOptions()

    def incoming(self, text: str) -> Incoming:
        """The terminal's message as the relay wants it."""
        return Incoming(
            platform="console",
            conversation=f"session:{self._session}",
            message_id=uuid.uuid4().hex,
            user_id="local",
            user_name=_user_name(),
            text=text,
            options=self._options,
        )

    async def once(self, text: str, *, as_json: bool) -> int:
        """Answer one message; returns the exit status (1 when there was no reply)."""
        events = self._relay.handle(self.incoming(text))
        result, notice = await self._stream(events, quiet=as_json)
        if as_json:
            body = result_json(result) if result else {"error": notice}
            print(json.dumps(body, ensure_ascii=False))
        elif result is None:
            print(notice, file=sys.stderr)
        return 0 if result else 1

    async def chat(self, greeting: str) -> int:
        """Read lines until end of input or /quit."""
        print(f"{greeting}\n(/help for commands, /quit to leave)\n", file=sys.stderr)
        while True:
            line = await asyncio.to_thread(_read_line)
            if line is None or line.strip() in ("/quit", "/exit"):
                return 0
            text = line.strip()
            if not text:
                continue
            message = self.incoming(text)
            if text.startswith("/"):
                name, _, args = text[1:].partition(" ")
                events = self._relay.command(name, args.strip(), message)
            else:
                events = self._relay.handle(message)
            result, notice = await self._stream(events, quiet=False)
            print(notice if notice else _sources_line(result), file=sys.stderr)

    async def _stream(self, events: AsyncIterator[Event], *, quiet: bool) -> tuple[Result | None, str]:
        """Print deltas as they come; returns the result and any notice."""
        result: Result | None = None
        notice, message_pk, shown = "", 0, False
        async for event in events:
            match event:
                case Started():
                    message_pk = event.message_pk
                case Delta() if not quiet:
                    sys.stdout.write(event.text)
                    sys.stdout.flush()
                    shown = True
                case Result():
                    result = event
                case Notice():
                    notice = event.text
        if shown:
            print(flush=True)
        if result is not None:
            await self._relay.sent(message_pk, [])
        return result, notice


def _sources_line(result: Result | None) -> str:
    if result is None or not result.sources:
        return ""
    return "  " + "\n  ".join(f"[{i}] {p.title} {p.url}" for i, p in enumerate(result.sources, 1)) + "\n"


def _read_line() -> str | None:
    with suppress(EOFError, KeyboardInterrupt):
        if sys.stdin.isatty():
            return input(PROMPT)
        line = sys.stdin.readline()
        return line or None
    return None


def _user_name() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "you"
