"""Answering on Telegram: a letter goes to the relay, the relay's stream goes to its chat.

Each letter is answered in a task of its own, and nothing that happens in one ends another. This
module knows nothing of polling; `take` returns when a letter is safe in the relay's storage.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from bot.delivery import WENT_WRONG, Delivered, deliver
from bot.notices import explain
from bot.telegram_channel import GROUP_EDIT_INTERVAL_S, Place, TelegramChannel
from bot.telegram_client import Client, fetch_text
from bot.telegram_inbox import Letter
from bot.telegram_pace import Paces
from bot.types import Event, Notice, Pending, RelayLike
from engine.errors import InputError

log = logging.getLogger(__name__)

STORE_WAIT_S = 30.0  # an update is acknowledged after this, stored or not
COMMAND_WAIT_S = 2.0  # commands are waited for only to keep their order
RESUMED_AT_ONCE = 4  # conversations that are caught up side by side after a restart
REMEMBERED = 2000  # recent messages, so that a command that comes twice runs once

SENT_PRIVATELY = "Sent to you privately."
NO_PRIVATE_CHAT = (
    "I answer that only in private, and cannot write to you there yet. Open https://t.me/{name}, press "
    "Start, and send the command again."
)


class Answers:
    """Everything that is being answered right now.

    Args:
        client: initialised; its name is shown where a private chat has to be opened first.
        relay: answers messages and runs commands.
        edit_interval_s: between two calls in one chat.
    """

    def __init__(self, client: Client, relay: RelayLike, edit_interval_s: float) -> None:
        self._client = client
        self._relay = relay
        self._edit_interval_s = edit_interval_s
        self._paces = Paces(edit_interval_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: OrderedDict[tuple[int, int], None] = OrderedDict()

    def __len__(self) -> int:
        """How many letters are being answered."""
        return len(self._tasks)

    async def close(self) -> None:
        """Stop all of them; the relay resumes what is unfinished at the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, letter: Letter) -> None:
        """Start answering a letter and return when it is stored."""
        if self._came_before(letter):
            return
        stored = asyncio.Event()
        self._spawn(self._answer(letter, stored))
        try:
            async with asyncio.timeout(COMMAND_WAIT_S if letter.command else STORE_WAIT_S):
                await stored.wait()
        except TimeoutError:
            if not letter.command:
                log.warning("message %d is not stored after %.0f s", letter.message_id, STORE_WAIT_S)

    def resume(self, pending: Sequence[Pending]) -> None:
        """Finish what an earlier process left, in order within a conversation."""
        conversations: dict[str, list[Pending]] = {}
        for item in pending:
            conversations.setdefault(item.incoming.conversation, []).append(item)
        gate = asyncio.Semaphore(RESUMED_AT_ONCE)
        for items in conversations.values():
            self._spawn(self._resume(items, gate))

    # --- letters ---------------------------------------------------------------------------

    async def _answer(self, letter: Letter, stored: asyncio.Event) -> None:
        channel = self._channel(letter.place, letter.message_id if letter.incoming.is_group else None)
        try:
            if letter.refusal:
                if self._relay.admits(letter.incoming):
                    await self._say(letter.refusal, channel)
            elif letter.command:
                await self._command(letter, channel, stored)
            else:
                await self._reply(letter, channel, stored)
        except Exception:
            log.exception("message %s of %s failed", letter.message_id, letter.incoming.key)
            await self._say(WENT_WRONG, channel)
        finally:
            stored.set()

    async def _reply(self, letter: Letter, channel: TelegramChannel, stored: asyncio.Event) -> None:
        incoming = letter.incoming
        if letter.document is not None and self._relay.admits(incoming):
            try:
                document = await fetch_text(self._client, letter.document)
            except InputError as exc:
                await self._say(explain(exc), channel)
                return
            incoming = replace(incoming, text=f"{incoming.text}\n\n{document}".strip())
        await self._deliver(_marking(self._relay.handle(incoming), stored), channel)

    async def _command(self, letter: Letter, channel: TelegramChannel, stored: asyncio.Event) -> None:
        name = "help" if letter.command == "start" else letter.command
        events = self._relay.command(name, letter.args, letter.incoming)
        first = await anext(events, None)
        stored.set()
        if isinstance(first, Notice) and first.private and letter.incoming.is_group:
            await self._whisper(first.text, letter, channel)
        elif first is not None:
            await self._deliver(_chain(first, events), channel)

    async def _whisper(self, text: str, letter: Letter, channel: TelegramChannel) -> None:
        """Tell something to the caller alone; the group only learns that it happened."""
        user_id = int(letter.incoming.user_id)
        outcome = "gone"
        if user_id > 0:  # an anonymous admin has no private chat
            outcome = (await self._say(text, self._channel(Place(user_id)))).outcome
        name = self._client.username
        await self._say(SENT_PRIVATELY if outcome != "gone" else NO_PRIVATE_CHAT.format(name=name), channel)

    async def _resume(self, items: Sequence[Pending], gate: asyncio.Semaphore) -> None:
        for item in items:
            async with gate:
                try:
                    incoming = item.incoming
                    reply_to = int(incoming.message_id) if incoming.is_group else None
                    channel = self._channel(Place.parse(incoming.conversation), reply_to)
                    await self._deliver(self._relay.resume(item), channel, item.drafts)
                except Exception:
                    log.exception("m%d could not be resumed", item.message_pk)

    # --- small parts -----------------------------------------------------------------------

    def _channel(self, place: Place, reply_to: int | None = None) -> TelegramChannel:
        slow = GROUP_EDIT_INTERVAL_S if place.is_group else 0.0
        interval_s = max(self._edit_interval_s, slow)
        return TelegramChannel(self._client, place, self._paces.of(place.chat_id), interval_s, reply_to)

    async def _deliver(
        self, events: AsyncIterator[Event], channel: TelegramChannel, drafts: Sequence[str] = ()
    ) -> Delivered:
        return await deliver(events, channel, self._relay, drafts=drafts, length=channel.length)

    async def _say(self, text: str, channel: TelegramChannel) -> Delivered:
        return await self._deliver(_chain(Notice(text)), channel)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _came_before(self, letter: Letter) -> bool:
        """Whether a command came before; messages are told apart by the relay, across restarts."""
        if not letter.command and not letter.refusal:
            return False
        key = (letter.place.chat_id, letter.message_id)
        again = key in self._seen
        self._seen[key] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return again


async def _marking(events: AsyncIterator[Event], stored: asyncio.Event) -> AsyncIterator[Event]:
    """The same events; `stored` is set with the first of them, or at the end when there are none."""
    try:
        async for event in events:
            stored.set()
            yield event
    finally:
        stored.set()
        await _close(events)


async def _chain(first: Event, rest: AsyncIterator[Event] | None = None) -> AsyncIterator[Event]:
    try:
        yield first
        if rest is not None:
            async for event in rest:
                yield event
    finally:
        if rest is not None:
            await _close(rest)


async def _close(events: AsyncIterator[Event]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
