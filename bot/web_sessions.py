"""Browser sessions, and which of their messages have no reply.

A browser is told apart by a random cookie; its conversation is named after a hash of it, so that
neither the database nor the log holds what would let somebody take the session over.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "understudy_session"
COOKIE_MAX_AGE_S = 365 * 24 * 3600
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Session:
    """One browser."""

    token: str
    fresh: bool = False
    """The browser does not have the cookie yet."""

    @property
    def id(self) -> str:
        """Sixteen hex digits, the same for as long as the cookie lives."""
        return hashlib.sha256(self.token.encode("ascii")).hexdigest()[:16]

    @property
    def conversation(self) -> str:
        """Name of its conversation within the platform web."""
        return f"session:{self.id}"

    @property
    def key(self) -> str:
        """Globally unique key of its conversation."""
        return f"web:{self.conversation}"

    def attach(self, response: Response, *, secure: bool) -> None:
        """Hand the cookie to a browser that has none.

        The page's own requests do this, never the page itself: a strict cookie is withheld when
        somebody follows a link to the page, and the page would replace it.
        """
        if self.fresh:
            response.set_cookie(
                COOKIE, self.token, COOKIE_MAX_AGE_S, httponly=True, samesite="strict", secure=secure
            )


async def session_of(request: Request) -> Session:
    """The session that the request's cookie names, or a new one."""
    token = request.cookies.get(COOKIE, "")
    if _TOKEN.fullmatch(token):
        return Session(token)
    return Session(secrets.token_hex(16), fresh=True)


@dataclass(slots=True, eq=False)
class Stream:
    """A message that is being answered."""

    text: str
    superseded: bool = False
    """A later message or a new conversation took its place, so nobody asks for it again."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message whose stream ended before its reply was complete."""

    message_pk: int
    text: str


class OpenMessages:
    """The messages without a reply: those being answered now and those left behind.

    History reads complete exchanges only, so the page learns of these here.

    Args:
        max_sessions: conversations remembered; the longest untouched are given up first.
    """

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._running: dict[str, list[Stream]] = {}
        self._left: OrderedDict[str, Unanswered] = OrderedDict()
        self._given_up: list[int] = []

    @contextmanager
    def running(self, key: str, text: str) -> Iterator[Stream]:
        """Enter while a conversation's message is being answered."""
        stream = Stream(text)
        self._running.setdefault(key, []).append(stream)
        try:
            yield stream
        finally:
            self._running[key].remove(stream)
            if not self._running[key]:
                del self._running[key]

    def leave(self, key: str, message: Unanswered, stream: Stream | None = None) -> None:
        """Remember a message that was not answered, unless another one took its place meanwhile."""
        if stream is not None and stream.superseded:
            self._given_up.append(message.message_pk)
            return
        self._give_up(key)
        self._left[key] = message
        while len(self._left) > self._max_sessions:
            self._given_up.append(self._left.popitem(last=False)[1].message_pk)

    def settle(self, key: str) -> list[int]:
        """Nobody will ask for the conversation's open messages again; returns the rows to close."""
        for stream in self._running.get(key, ()):
            stream.superseded = True
        self._give_up(key)
        given_up, self._given_up = self._given_up, []
        return given_up

    def status(self, key: str) -> dict[str, object] | None:
        """The conversation's open message as the page shows it."""
        if key in self._running:
            return {"text": self._running[key][-1].text, "running": True}
        if key in self._left:
            return {"text": self._left[key].text, "running": False}
        return None

    def _give_up(self, key: str) -> None:
        if key in self._left:
            self._given_up.append(self._left.pop(key).message_pk)
