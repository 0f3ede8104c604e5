"""A Telegram chat or topic as a `bot.types.Channel`: sending, editing, typing, and what 400s mean.

Text that is still growing goes out plain; the final text goes out as MarkdownV2, and plain again
when the server cannot parse it. This module knows no updates and no relay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import telegram
from telegram.constants import ChatAction, MessageLimit, ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.delivery import MessageGone
from bot.splitting import split
from bot.telegram_client import brief, retry_after_s, says
from bot.telegram_format import to_markdown_v2, utf16_length, without_pings
from bot.telegram_pace import ChatPace
from bot.types import ChannelGone, SlowDown

log = logging.getLogger(__name__)

GROUP_EDIT_INTERVAL_S = 3.0  # twenty a minute is all that a group may get
TYPING_EVERY_S = 4.0  # the indicator goes out after five
RETRY_DELAYS_S = (0.5, 1.0, 2.0)
SLOW_DOWN_S = 5.0  # after those
REVOKED_S = 60.0  # until a reply is tried again while the token is refused
SHORTEST_PIECE = 64  # a message of this length that is "too long" is refused for good
INVISIBLE = "…"  # stands for a text in which Telegram finds nothing to show
NO_PREVIEW = telegram.LinkPreviewOptions(is_disabled=True)

TOO_LONG = ("message is too long", "message_too_long", "text is too long")
UNPARSABLE = ("can't parse entities", "text is empty", "must be non-empty")
EMPTY = ("text is empty", "must be non-empty")
NOT_THERE = ("message to edit not found", "message can't be edited", "message_id_invalid")

T = TypeVar("T")
Put = Callable[[str, str | None], Awaitable[T]]
"""Sends or edits: text and parse mode."""


@dataclass(frozen=True, slots=True)
class Place:
    """A chat, or a topic of it."""

    chat_id: int
    topic_id: int | None = None

    @property
    def conversation(self) -> str:
        """The key of its history."""
        topic = f"/topic:{self.topic_id}" if self.topic_id is not None else ""
        return f"chat:{self.chat_id}{topic}"

    @classmethod
    def parse(cls, conversation: str) -> Place:
        """The place of a conversation's key. Raises ValueError for a key of another kind."""
        chat, _, topic = conversation.partition("/")
        return cls(int(chat.removeprefix("chat:")), int(topic.removeprefix("topic:")) if topic else None)

    @property
    def is_group(self) -> bool:
        """Groups have negative ids."""
        return self.chat_id < 0


class TelegramChannel:
    """Where one reply goes.

    Args:
        bot: the client.
        place: chat or topic.
        pace: the budget of the chat.
        edit_interval_s: for progress; longer in groups.
        reply_to: the message that the first part replies to.
    """

    limit: int = MessageLimit.MAX_TEXT_LENGTH

    def __init__(
        self,
        bot: telegram.Bot,
        place: Place,
        pace: ChatPace,
        edit_interval_s: float,
        reply_to: int | None = None,
    ) -> None:
        self._bot = bot
        self._place = place
        self._pace = pace
        self._reply_to = reply_to
        self.edit_interval_s = edit_interval_s

    def length(self, text: str) -> int:
        """UTF-16 units of a text as it will be sent."""
        return utf16_length(text) + (text.count("@") if self._place.is_group else 0)

    async def send(self, text: str, *, final: bool) -> str:
        """See `bot.types.Channel`. Raises SlowDown and ChannelGone."""
        try:
            message = await self._write(self._put_new, text, final)
        except BadRequest as exc:
            if says(exc, *TOO_LONG) and len(text) > SHORTEST_PIECE:
                return (await self._send_pieces(text, final))[0]
            raise _refused(exc) from exc
        self._reply_to = None
        return str(message.message_id)

    async def edit(self, message_id: str, text: str, *, final: bool) -> None:
        """See `bot.types.Channel`; progress is left out when the chat's budget is nearly used up.

        Raises:
            MessageGone: it was deleted or is too old.
            SlowDown, ChannelGone: as everywhere.
        """
        if not final and self._pace.scarce():
            return

        async def put(body: str, mode: str | None) -> telegram.Message | bool:
            return await self._bot.edit_message_text(
                body, self._place.chat_id, int(message_id), parse_mode=mode, link_preview_options=NO_PREVIEW
            )

        try:
            await self._write(put, text, final)
        except BadRequest as exc:
            if says(exc, "message is not modified"):
                return
            if says(exc, *NOT_THERE):
                raise MessageGone(f"message {message_id} cannot be edited any more") from exc
            if says(exc, *TOO_LONG) and len(text) > SHORTEST_PIECE:
                first, *rest = self._pieces(text)
                await self.edit(message_id, first, final=final)
                for piece in rest if final else ():
                    await self.send(piece, final=final)
                return
            raise _refused(exc) from exc

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """Shows "typing…" for as long as it is entered; trouble with it is no trouble."""
        task = asyncio.create_task(self._keep_typing())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_typing(self) -> None:
        while True:
            try:
                await self._bot.send_chat_action(
                    self._place.chat_id, ChatAction.TYPING, message_thread_id=self._place.topic_id
                )
            except TelegramError as exc:
                log.debug("no typing indicator: %s", type(exc).__name__)
            await asyncio.sleep(TYPING_EVERY_S)

    # --- writing ---------------------------------------------------------------------------

    async def _put_new(self, body: str, mode: str | None) -> telegram.Message:
        reply = None
        if self._reply_to is not None:
            reply = telegram.ReplyParameters(self._reply_to, allow_sending_without_reply=True)
        return await self._bot.send_message(
            self._place.chat_id,
            body,
            parse_mode=mode,
            message_thread_id=self._place.topic_id,
            reply_parameters=reply,
            link_preview_options=NO_PREVIEW,
        )

    async def _write(self, put: Put[T], text: str, final: bool) -> T:
        """Formatted where that is wanted and works, else plain, else a sign that is visible."""
        plain = text.encode("utf-8", "replace").decode()  # halves of characters cannot be sent
        quiet = self._place.is_group  # nobody is pinged because the model names them
        if final:
            marked = to_markdown_v2(plain)
            marked = without_pings(marked, markdown=True) if quiet else marked
            try:
                return await self._call(lambda: put(marked, ParseMode.MARKDOWN_V2))
            except BadRequest as exc:
                if not says(exc, *UNPARSABLE):
                    raise
                log.info("formatting was refused, sending plain text")
        plain = without_pings(plain) if quiet else plain
        try:
            return await self._call(lambda: put(plain, None))
        except BadRequest as exc:
            if not says(exc, *EMPTY):
                raise
        return await self._call(lambda: put(INVISIBLE, None))

    def _pieces(self, text: str) -> list[str]:
        return split(text, max(SHORTEST_PIECE // 2, self.length(text) // 2), length=self.length)

    async def _send_pieces(self, text: str, final: bool) -> list[str]:
        return [await self.send(piece, final=final) for piece in self._pieces(text)]

    async def _call(self, make: Callable[[], Awaitable[T]]) -> T:
        """Make a call when the chat's budget allows it, again after trouble on the way.

        Raises:
            SlowDown: the server asks to wait, cannot be reached or refuses the token.
            ChannelGone: the bot was blocked or removed.
            BadRequest: the caller decides what it means.
        """
        delays_s = iter(RETRY_DELAYS_S)
        while True:
            try:
                async with self._pace.turn():
                    return await make()
            except RetryAfter as exc:
                self._pace.pause(retry_after_s(exc))
                raise SlowDown(retry_after_s(exc)) from exc
            except Forbidden as exc:
                raise ChannelGone(brief(exc)) from exc
            except ChatMigrated as exc:
                self._place = replace(self._place, chat_id=exc.new_chat_id)
            except BadRequest:
                raise
            except InvalidToken as exc:
                raise SlowDown(REVOKED_S) from exc
            except NetworkError as exc:
                delay_s = next(delays_s, None)
                log.warning("Telegram could not be reached: %s", brief(exc))
                if delay_s is None:
                    raise SlowDown(SLOW_DOWN_S) from exc
                await asyncio.sleep(delay_s)
            except TelegramError as exc:
                raise SlowDown(SLOW_DOWN_S) from exc


def _refused(exc: BadRequest) -> ChannelGone:
    """The server will never take this: chat not found, no right to write, topic closed, and the like."""
    log.error("Telegram refused a message: %s", brief(exc))
    return ChannelGone(brief(exc))
