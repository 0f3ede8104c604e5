"""Which Discord messages are answered, and those that were missed while no session was there.

This module knows no connection: it asks for the client of the moment.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import discord

from bot.delivery import deliver, source_footer
from bot.discord_channel import MessageChannel
from bot.discord_messages import (
    PLATFORM,
    Place,
    clean_content,
    ignored_line,
    incoming_of,
    is_addressed,
    is_automatic,
    is_hidden,
    is_speech,
    parse_place,
    place_of,
    read_files,
)
from bot.inflow import one_notice
from bot.types import Pending, RelayLike
from engine.config import DiscordConfig
from engine.types import Result

log = logging.getLogger(__name__)

INTENT = (
    "Discord withholds the text of messages: open https://discord.com/developers/applications, choose the "
    "application, then Bot, switch on Message Content Intent, and start again (docs/discord.md)."
)
CATCH_UP_CONVERSATIONS = 200  # most recent first
CATCH_UP_MESSAGES = 50  # of each conversation
CATCH_UP_AGE_S = 24 * 3600.0  # older messages are no longer waiting for an answer
MAX_TRACKED = 10_000  # conversations kept in memory counters
FOOTER_CHARS = 900
PASSING = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Listener:
    """Answers the messages that are for the bot.

    Args:
        config: the [discord] section.
        relay: answers messages.
        bot_replies: replies to bots in a row, without a human, after which it stays silent.
        get_client: the connected client, or None between two connections.
        spawn: runs work beside the gateway and logs its errors.
    """

    def __init__(
        self,
        config: DiscordConfig,
        relay: RelayLike,
        bot_replies: int,
        get_client: Callable[[], discord.Client | None],
        spawn: Spawn,
    ) -> None:
        self._config = config
        self._relay = relay
        self._bot_replies = bot_replies
        self._get_client = get_client
        self._spawn = spawn
        self._pending: list[Pending] | None = None  # None: not asked for yet
        self._seen: dict[str, str] | None = None  # what had been handled when the connection was lost
        self._threads: OrderedDict[str, None] = OrderedDict()  # those it has been talked to in
        self._loops: OrderedDict[str, int] = OrderedDict()  # replies to bots since a human spoke
        self._intent_told = False

    def channel(self, channel_id: int, root: int, *, refer: bool = True, parts: int = 0) -> MessageChannel:
        """Where the answer to message (or interaction) `root` goes; `parts` of it were sent before."""
        pace_s = self._config.edit_interval_s
        return MessageChannel(self._get_client, channel_id, root, pace_s, refer=refer, sent_before=parts)

    # --- messages --------------------------------------------------------------------------

    async def on_message(self, message: discord.Message, *, late: bool = False) -> None:
        """Answer a message if it is for the bot. `late`: it was found when catching up."""
        client = self._get_client()
        if client is None or client.user is None or not is_speech(message):
            return
        me = client.user.id
        if message.author.id == me:
            return
        place = await self._place(message)
        if not self._is_for_me(message, me, place):
            return
        channel = self.channel(place.channel_id, message.id)
        if is_hidden(message) and place.guild_id is not None:
            await self._tell_intent(channel, late)
            return
        files, ignored = await read_files(message)
        text = "\n\n".join(part for part in (clean_content(message, me), files) if part)
        if not text and ignored:
            if not late:
                notice = one_notice(ignored_line(ignored).removeprefix("-# "))
                await deliver(notice, channel, self._relay)
            return
        if place.thread:
            _remember(self._threads, place.conversation, None)
        incoming = incoming_of(message, place, text)
        await deliver(
            self._relay.handle(incoming), channel, self._relay, footer=lambda r: discord_footer(r, ignored)
        )

    def _is_for_me(self, message: discord.Message, me: int, place: Place) -> bool:
        """The rules of when to answer."""
        automatic = is_automatic(message)
        if not automatic:
            self._loops.pop(place.conversation, None)
        elif not self._config.answer_bots:
            return False
        probe = incoming_of(message, place, "")
        addressed = is_addressed(message, me, place) or place.conversation in self._threads
        if not (addressed or self._relay.always_on(probe.key)) or not self._relay.admits(probe):
            return False
        return not automatic or self._may_answer_bot(place.conversation)

    def _may_answer_bot(self, conversation: str) -> bool:
        """Count one reply to a bot; false when there were enough in a row without a human."""
        count = self._loops.get(conversation, 0)
        if count >= self._bot_replies:
            log.info("discord: %d replies to bots in a row, staying silent", count)
            return False
        _remember(self._loops, conversation, count + 1)
        return True

    async def _place(self, message: discord.Message) -> Place:
        """Where it was written; a channel that the library does not know is asked for."""
        place = place_of(message.channel, message.guild.id if message.guild else None)
        if place.guild_id is not None and isinstance(message.channel, discord.PartialMessageable):
            try:
                return place_of(await self._fetch(place.channel_id), place.guild_id)
            except PASSING as exc:
                log.info("discord: a channel is not known: %s", type(exc).__name__)
        return place

    async def _tell_intent(self, channel: MessageChannel, late: bool) -> None:
        """Say once that Discord withholds what people write."""
        if not self._intent_told and not late:
            self._intent_told = True
            log.error(INTENT)
            await deliver(one_notice(INTENT), channel, self._relay)

    # --- what was missed -------------------------------------------------------------------

    async def prepare(self) -> None:
        """Before connecting: what an earlier process left, and how far it had come.

        Asked for later, the messages that a new session brings would be among what is pending, and
        would be answered twice.
        """
        if self._pending is None:
            self._pending = list(await self._relay.pending(PLATFORM))
        await self.note_seen()

    async def note_seen(self) -> None:
        """When the connection is lost: remember how far it had come.

        Once a new session is up, messages that arrive move the relay's own mark past those that
        were missed, so the mark is taken here. An older mark only costs a look at known messages.
        """
        if self._seen is None:
            self._seen = await self._relay.last_seen(PLATFORM)

    def forget_seen(self) -> None:
        """The session was resumed: nothing was missed."""
        self._seen = None

    async def recover(self) -> None:
        """Finish what an earlier process left, then answer what was missed between two sessions."""
        await self.note_seen()
        seen, self._seen = self._seen or {}, None
        places = {key: place for key in seen if (place := parse_place(key)) is not None}
        for place in places.values():
            if place.thread:
                _remember(self._threads, place.conversation, None)
        for pending in self._pending or ():
            self._spawn(self._resume(pending))
        self._pending = []
        recent = sorted(places, key=lambda key: seen[key].zfill(20), reverse=True)
        for key in recent[:CATCH_UP_CONVERSATIONS]:
            if seen[key].isdecimal():
                await self._catch_up(places[key], int(seen[key]))

    async def _resume(self, pending: Pending) -> None:
        """Finish a reply that a stopped process left, in the messages that already show a part of it."""
        place = parse_place(pending.incoming.conversation)
        root = pending.incoming.message_id
        if place is None or not root.isdecimal():
            await self._relay.failed(pending.message_pk, "its Discord channel cannot be told from its key")
            return
        channel = self.channel(place.channel_id, int(root), parts=len(pending.drafts))
        stream = self._relay.resume(pending)
        await deliver(stream, channel, self._relay, footer=discord_footer, drafts=pending.drafts)

    async def _catch_up(self, place: Place, after: int) -> None:
        """Answer what was written to the bot in a conversation while no session was there to hear it."""
        try:
            channel = await self._fetch(place.channel_id)
            last = getattr(channel, "last_message_id", None)
            if not isinstance(channel, discord.abc.Messageable) or (last is not None and last <= after):
                return
            oldest = discord.utils.utcnow().timestamp() - CATCH_UP_AGE_S
            missed = channel.history(limit=CATCH_UP_MESSAGES, after=discord.Object(after), oldest_first=True)
            async for message in missed:
                if message.created_at.timestamp() >= oldest:
                    self._spawn(self.on_message(message, late=True))
        except PASSING as exc:
            log.warning("discord: a conversation could not be caught up with: %s", type(exc).__name__)

    async def _fetch(self, channel_id: int) -> Any:
        client = self._get_client()
        if client is None:
            raise ConnectionError("not connected")
        return client.get_channel(channel_id) or await client.fetch_channel(channel_id)


def discord_footer(result: Result, ignored: Sequence[str] = ()) -> str:
    """Sources and the files that were left out, in small print."""
    lines = (source_footer(result, FOOTER_CHARS, markup="discord"), ignored_line(ignored))
    return "\n".join(line for line in lines if line)


def _remember(table: OrderedDict[str, Any], key: str, value: object) -> None:
    """Set a key of a bounded table; the oldest one makes room."""
    table[key] = value
    table.move_to_end(key)
    while len(table) > MAX_TRACKED:
        table.popitem(last=False)
