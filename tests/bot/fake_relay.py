"""A relay that streams what a test wrote down, and remembers what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from bot.commands import PRIVATE
from bot.types import Event, Notice, Pending, Started
from engine.feedback import Ballot
from engine.types import Decision, Delta, Incoming, Passage, Result

Script = Sequence[Event | float | Exception]
"""Events; a number is a pause in seconds, an exception is raised."""

TWAIN = Passage(
    "…", "The *Times*", "https://news.example/a", datetime(2026, 11, 18, tzinfo=UTC), similarity=0.8
)


def result(reply: str, *sources: Passage, pk: int = 0) -> Result:
    """A finished reply."""
    return Result(reply, Decision(bool(sources), 0.5), tuple(sources), (), {"total": 1.0}, message_pk=pk)


def reply(text: str, *sources: Passage, pk: int = 1, pause_s: float = 0.0) -> list[Event | float | Exception]:
    """Started, the text word by word, and its Result."""
    words = text.split(" ")
    deltas = [Delta(word + (" " if n < len(words) - 1 else "")) for n, word in enumerate(words)]
    out: list[Event | float | Exception] = [Started(pk)]
    for delta in deltas:
        out += [delta, pause_s] if pause_s else [delta]
    return [*out, result(text, *sources, pk=pk)]


async def play(script: Script, sleep: Callable[[float], object] = asyncio.sleep) -> AsyncIterator[Event]:
    """A relay stream that follows a script."""
    for item in script:
        if isinstance(item, Exception):
            raise item
        if isinstance(item, float):
            await sleep(item)  # type: ignore[misc]
        else:
            yield item


class FakeRelay:
    """`RelayLike`: answers by `answer(incoming)`, a command by `answer_command(name, args)`; dedupes."""

    def __init__(self) -> None:
        self.answer: Callable[[Incoming], Script] = lambda incoming: reply(
            f"You said: {incoming.text}", pk=len(self.handled)
        )
        self.answer_command: Callable[[str, str], Script] = lambda name, args: [
            Notice(f"/{name} {args}".strip(), private=name == "admin" or name in PRIVATE)
        ]
        self.handled: list[Incoming] = []
        self.duplicates: list[Incoming] = []
        self.commands: list[tuple[str, str, Incoming]] = []
        self.resumed: list[Pending] = []
        self.drafts: dict[int, tuple[str, ...]] = {}
        self.sent_ids: dict[int, tuple[str, ...]] = {}
        self.failures: dict[int, str] = {}
        self.seen: dict[str, str] = {}
        self.ballots: list[Ballot] = []
        self.left: list[Pending] = []
        self.on_keys: set[str] = set()
        self.blocked: set[str] = set()
        self._known: set[tuple[str, str]] = set()

    async def handle(self, incoming: Incoming) -> AsyncIterator[Event]:
        if (incoming.conversation, incoming.message_id) in self._known:
            self.duplicates.append(incoming)
            return
        self._known.add((incoming.conversation, incoming.message_id))
        self.handled.append(incoming)
        self.seen[incoming.conversation] = incoming.message_id
        async for event in play(self.answer(incoming)):
            yield event

    async def command(self, name: str, args: str, caller: Incoming) -> AsyncIterator[Event]:
        self.commands.append((name, args, caller))
        async for event in play(self.answer_command(name, args)):
            yield event

    def admits(self, incoming: Incoming) -> bool:
        return incoming.user_id not in self.blocked

    def always_on(self, key: str) -> bool:
        return key in self.on_keys

    async def pending(self, platform: str) -> Sequence[Pending]:
        return list(self.left)

    async def resume(self, pending: Pending) -> AsyncIterator[Event]:
        self.resumed.append(pending)
        async for event in play(reply(pending.reply or "resumed", pk=pending.message_pk)):
            yield event

    async def drafted(self, message_pk: int, ids: Sequence[str]) -> None:
        self.drafts[message_pk] = tuple(ids)

    async def sent(self, message_pk: int, ids: Sequence[str]) -> None:
        self.sent_ids[message_pk] = tuple(ids)

    async def failed(self, message_pk: int, reason: str) -> None:
        self.failures[message_pk] = reason

    async def rate(self, ballot: Ballot) -> bool:
        self.ballots.append(ballot)
        return True

    async def last_seen(self, platform: str) -> dict[str, str]:
        return dict(self.seen)
