"""The one path from an incoming message to events, alike on every platform.

Allow lists, rate limits, deduplication, the order within a conversation, and the mapping of every
error to a sentence happen here; commands are handed to `bot.commands`. The relay knows no platform.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.notices import explain, failure_reason
from bot.types import Event, Notice, Pending, Started
from engine.config import LimitsConfig
from engine.engine import Engine
from engine.errors import InputError, StorageError, UnderstudyError
from engine.feedback import Ballot
from engine.history import SqlHistory
from engine.types import Decision, Delta, Incoming, Result

if TYPE_CHECKING:
    from bot.audiences import Audiences
    from bot.commands import Commands

log = logging.getLogger(__name__)

ALWAYS_ON = "always_on"
MAX_TRACKED_USERS = 10_000


class ConversationLocks:
    """One FIFO lock a conversation, dropped when nobody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Enter when everybody who came earlier for this key has left."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)


class RateLimit:
    """At most `per_minute` replies a user in any minute; 0 is no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, user: str, now: float) -> float:
        """Count one reply; 0.0 when it is admitted, else seconds until the next one is."""
        if not self._per_minute:
            return 0.0
        times = self._seen.setdefault(user, deque())
        self._seen.move_to_end(user)
        while len(self._seen) > MAX_TRACKED_USERS:
            self._seen.popitem(last=False)
        while times and now - times[0] >= 60.0:
            times.popleft()
        if len(times) >= self._per_minute:
            return 60.0 - (now - times[0])
        times.append(now)
        return 0.0


class Relay:
    """Implements `bot.types.RelayLike` over an engine and its history."""

    def __init__(self, engine: Engine, history: SqlHistory, limits: LimitsConfig) -> None:
        self._engine = engine
        self._history = history
        self._limits = limits
        self._locks = ConversationLocks()
        self._rate = RateLimit(limits.replies_per_minute)
        self._always_on: set[str] = set()
        self.commands: Commands | None = None
        """Set by the composition root; commands need the relay and the relay its commands."""
        self.audiences: Audiences | None = None
        """Set by the composition root; without it everybody is answered alike."""

    async def start(self) -> None:
        """Read the conversations that are answered without a mention, and people's audiences."""
        self._always_on = set(await self._history.settings(ALWAYS_ON))
        if self.audiences is not None:
            await self.audiences.start()

    # --- who may talk ----------------------------------------------------------------------

    def admits(self, incoming: Incoming) -> bool:
        """Whether the allow and block lists let this user talk here; admins always may."""
        user = f"{incoming.platform}:{incoming.user_id}"
        places = {incoming.key} | {f"{incoming.platform}:{part}" for part in _ids(incoming.conversation)}
        limits = self._limits
        if user in limits.admins:
            return True
        if user in limits.blocked_users or places & set(limits.blocked_conversations):
            return False
        if limits.allowed_users and user not in limits.allowed_users:
            return False
        return not limits.allowed_conversations or bool(places & set(limits.allowed_conversations))

    def always_on(self, key: str) -> bool:
        """Whether an admin set this conversation to be answered without a mention."""
        return key in self._always_on

    async def set_always_on(self, key: str, on: bool) -> None:
        """Answer in this conversation without a mention, or no longer. Raises StorageError."""
        await self._history.set_setting(key, ALWAYS_ON, "1" if on else None)
        (self._always_on.add if on else self._always_on.discard)(key)

    # --- messages --------------------------------------------------------------------------

    async def handle(self, incoming: Incoming) -> AsyncGenerator[Event, None]:
        """Answer a message; yields nothing for a duplicate or for somebody who is not admitted."""
        if not self.admits(incoming):
            return
        try:
            self._check(incoming)
            receipt = await self._history.receive(incoming)
        except UnderstudyError as exc:
            yield Notice(explain(exc))
            return
        if not receipt.fresh:
            log.info("m%d came again on %s, not answered twice", receipt.message_pk, incoming.platform)
            return
        wait_s = self._rate.wait_s(f"{incoming.platform}:{incoming.user_id}", time.monotonic())
        if wait_s:
            await self.failed(receipt.message_pk, "rate limit")
            yield Notice(f"That is a lot of messages at once. Please try again in {wait_s:.0f} s.")
            return
        async with aclosing(self._answer(receipt.message_pk, incoming)) as events:
            async for event in events:
                yield event

    async def resume(self, pending: Pending) -> AsyncGenerator[Event, None]:
        """Finish what a stopped process left: the stored reply again, or a new one."""
        if pending.reply is None:
            async with aclosing(self._answer(pending.message_pk, pending.incoming)) as events:
                async for event in events:
                    yield event
            return
        yield Started(pending.message_pk)
        yield Delta(pending.reply)
        stored = await self._history.last(pending.incoming.key)
        if stored and stored[2] == pending.message_pk:
            yield stored[1]
        else:  # a later message was answered meanwhile; only this one's text is at hand
            yield Result(pending.reply, Decision(False, 0.0), (), (), {}, message_pk=pending.message_pk)

    async def retry(self, caller: Incoming) -> AsyncGenerator[Event, None]:
        """Answer the conversation's last message anew, with another seed."""
        last = await self._history.last(caller.key)
        if last is None:
            yield Notice("There is nothing to retry yet.", private=True)
            return
        incoming, _, message_pk = last
        again = replace(incoming, options=caller.options)
        async with aclosing(self._answer(message_pk, again)) as events:
            async for event in events:
                yield event

    async def _answer(self, message_pk: int, incoming: Incoming) -> AsyncGenerator[Event, None]:
        yield Started(message_pk)
        try:
            meant = self.audiences.applied(incoming) if self.audiences else incoming
            stream = self._engine.answer(message_pk, meant)
            async with self._locks.hold(incoming.key), aclosing(stream) as parts:
                async for part in parts:
                    yield part
        except UnderstudyError as exc:
            log.warning(
                "m%d failed: %s", message_pk, type(exc).__name__, exc_info=not isinstance(exc, InputError)
            )
            await self._give_up(message_pk, exc)
            yield Notice(explain(exc))

    async def rate(self, ballot: Ballot) -> bool:
        """Count somebody's thumb for a reply, or take it back.

        Returns:
            False when it does not count: it is no reply of ours, or that person may not talk here.

        Raises:
            StorageError: the database failed.
        """
        shown = await self._history.shown(ballot)
        if shown is None:
            return False
        if not self.admits(Incoming(ballot.platform, shown.conversation, "", ballot.user_id, "", "")):
            return False
        await self._history.vote(shown.reply_pk, ballot)
        log.info("reply %d: thumb %s on %s", shown.reply_pk, ballot.thumb or "taken back", ballot.platform)
        return True

    def command(self, name: str, args: str, caller: Incoming) -> AsyncGenerator[Event, None]:
        """Run a command; see `bot.commands`."""
        if self.commands is None:
            raise RuntimeError("the composition root has not set the relay's commands")
        return self.commands.run(name, args, caller)

    def _check(self, incoming: Incoming) -> None:
        allowed = self._limits.max_message_chars
        if len(incoming.text) > allowed:
            raise InputError(
                f"That message has {len(incoming.text):,} characters; at most {allowed:,} are read. "
                "Please shorten it."
            )
        if not any(c.isprintable() and not c.isspace() for c in incoming.text):
            raise InputError("That message is empty. Please write something.")

    async def _give_up(self, message_pk: int, exc: UnderstudyError) -> None:
        """The user was told why, so the message is not answered again after a restart."""
        if isinstance(exc, StorageError):
            return
        await self.failed(message_pk, failure_reason(exc))

    # --- delivery state --------------------------------------------------------------------

    async def pending(self, platform: str) -> Sequence[Pending]:
        """What a stopped process left undone on a platform, oldest first."""
        rows = await self._history.pending(platform)
        return [Pending(r.message_pk, r.incoming, tuple(r.drafts), r.reply) for r in rows]

    async def drafted(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record platform messages that show a part of the reply."""
        await self._history.drafted(message_pk, ids)

    async def sent(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record that the whole reply is on the platform."""
        await self._history.sent(message_pk, ids)

    async def failed(self, message_pk: int, reason: str) -> None:
        """Record that it will not be answered; a broken database is logged, not raised again."""
        try:
            await self._history.failed(message_pk, reason)
        except StorageError:
            log.exception("m%d could not be marked as failed", message_pk)

    async def last_seen(self, platform: str) -> dict[str, str]:
        """For each conversation of a platform, the id of the last message that was handled."""
        return await self._history.last_seen(platform)


def _ids(conversation: str) -> list[str]:
    """The bare ids in a key such as guild:1/channel:2, so that allow lists may name either."""
    return [part.rpartition(":")[2] for part in conversation.split("/")] + conversation.split("/")
