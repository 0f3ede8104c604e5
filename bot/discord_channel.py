"""Where Discord replies go: a channel's messages, or the answers to a slash command.

Both implement `bot.types.Channel`. Every send and edit goes out with mentions switched off, and
every error of the library becomes SlowDown, ChannelGone or MessageGone here. Messages are addressed
by id through whatever client is connected at the moment, so that a reply outlives a reconnection.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import aiohttp
import discord

from bot.delivery import MessageGone
from bot.types import ChannelGone, SlowDown

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 2000  # code points
MAX_BACKOFF_S = 30.0
NO_CLIENT_WAIT_S = 1.0
NO_MENTIONS = discord.AllowedMentions.none()

UNKNOWN_MESSAGE = 10008
UNKNOWN_INTERACTION = 10062
INTERACTION_OVER = (10015, UNKNOWN_INTERACTION, 50027)  # unknown webhook, unknown interaction, bad token
REPLY_REFUSED = (50035, 160002)  # unknown reference; no permission to read the history

GetClient = Callable[[], discord.Client | None]


class MessageChannel:
    """One channel, thread or DM, bound to one message that is answered.

    Args:
        get_client: the connected client, or None between two connections.
        channel_id: where to write.
        reply_to: the message that the first part refers to, and the root of the nonces.
        edit_interval_s: pace.
        sent_before: parts that an earlier process sent; they have used up their nonces.
    """

    limit = MESSAGE_LIMIT

    def __init__(
        self,
        get_client: GetClient,
        channel_id: int,
        reply_to: int,
        edit_interval_s: float,
        *,
        refer: bool = True,
        sent_before: int = 0,
    ) -> None:
        self.edit_interval_s = edit_interval_s
        self._get_client = get_client
        self._channel_id = channel_id
        self._reply_to = reply_to
        self._refer = refer
        self._count = sent_before
        self._shown: dict[str, str] = {}
        self._backoff = Backoff()

    async def send(self, text: str, *, final: bool) -> str:
        """Send a message; the first one refers to the message that is answered.

        The nonce is made of that message's id, so a send that was repeated because its answer got
        lost, even by a restarted process, is not shown twice.
        """
        try:
            message = await self._send(text)
            if message.content.strip() != text.strip():  # the nonce was known: this is an older text
                await self._renew(message, text)
        except Exception as exc:
            await self._backoff.fail(exc)
        self._count += 1
        self._backoff.reset()
        self._shown[str(message.id)] = text
        return str(message.id)

    async def _send(self, text: str) -> discord.Message:
        target = self._target()
        nonce = f"{self._reply_to}-{self._count}"
        if self._refer and self._count == 0:
            reference = discord.MessageReference(
                message_id=self._reply_to, channel_id=self._channel_id, fail_if_not_exists=False
            )
            try:
                return await target.send(
                    text, nonce=nonce, allowed_mentions=NO_MENTIONS, reference=reference, mention_author=False
                )
            except discord.HTTPException as exc:
                if exc.code not in REPLY_REFUSED:
                    raise
                log.info("discord: the reference was refused (%d), sending without", exc.code)
        return await target.send(text, nonce=nonce, allowed_mentions=NO_MENTIONS)

    async def _renew(self, message: discord.Message, text: str) -> None:
        try:
            await message.edit(content=text, allowed_mentions=NO_MENTIONS)
        except discord.NotFound as exc:  # and it was deleted: again, under the next nonce
            self._count += 1
            raise SlowDown(0.0) from exc

    async def edit(self, message_id: str, text: str, *, final: bool) -> None:
        """Replace a message's text; an unchanged text costs no call."""
        if self._shown.get(message_id) == text:
            return
        try:
            message = self._target().get_partial_message(int(message_id))
            await message.edit(content=text, allowed_mentions=NO_MENTIONS)
        except Exception as exc:
            await self._backoff.fail(exc)
        self._backoff.reset()
        self._shown[message_id] = text

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """The typing indicator, renewed for as long as it is entered."""
        async with self._target().typing():
            yield

    def _target(self) -> discord.PartialMessageable:
        client = self._get_client()
        if client is None or client.is_closed():
            raise SlowDown(NO_CLIENT_WAIT_S)
        return client.get_partial_messageable(self._channel_id)


class InteractionChannel:
    """The answers to one slash command: first the deferred one, then followups.

    When Discord no longer takes answers (after 15 minutes, or when the first one came too late),
    public ones go to `fallback` and private ones are given up.
    """

    limit = MESSAGE_LIMIT

    def __init__(self, interaction: discord.Interaction[discord.Client], fallback: MessageChannel) -> None:
        self.edit_interval_s = fallback.edit_interval_s
        self._interaction = interaction
        self._fallback = fallback
        self._private = False
        self._waiting = False  # "thinking…" is shown and takes the first answer
        self._expired = False
        self._original = ""
        self._backoff = Backoff()

    async def defer(self, *, private: bool) -> None:
        """Tell Discord within its three seconds that an answer will come."""
        self._private = private
        try:
            await self._interaction.response.defer(ephemeral=private, thinking=True)
            self._waiting = True
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as exc:
            log.warning("discord: a command could not be acknowledged in time: %s", type(exc).__name__)
            self._expired = True

    async def make_private(self) -> None:
        """Show the answers to the caller alone though they were announced to everybody."""
        if self._private:
            return
        self._private = True
        if self._waiting:
            self._waiting = False
            await self.withdraw()

    async def withdraw(self) -> None:
        """Take the "thinking…" back."""
        try:
            await self._interaction.delete_original_response()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as exc:
            log.debug("discord: the deferred answer could not be withdrawn: %s", type(exc).__name__)

    async def send(self, text: str, *, final: bool) -> str:
        """Fill the deferred answer, or add a followup."""
        message: discord.Message
        if not self._expired:
            try:
                if self._waiting:
                    message = await self._interaction.edit_original_response(
                        content=text, allowed_mentions=NO_MENTIONS
                    )
                    self._original, self._waiting = str(message.id), False
                else:
                    message = await self._interaction.followup.send(
                        text, wait=True, ephemeral=self._private, allowed_mentions=NO_MENTIONS
                    )
                self._backoff.reset()
                return str(message.id)
            except Exception as exc:
                await self._note(exc)
        if self._private:
            raise ChannelGone("the command's answer came too late for Discord")
        return await self._fallback.send(text, final=final)

    async def edit(self, message_id: str, text: str, *, final: bool) -> None:
        """Replace an answer's text."""
        if not self._expired:
            try:
                if message_id == self._original:
                    await self._interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)
                else:
                    await self._interaction.followup.edit_message(
                        int(message_id), content=text, allowed_mentions=NO_MENTIONS
                    )
                self._backoff.reset()
                return
            except Exception as exc:
                await self._note(exc)
        if self._private:
            raise ChannelGone("the command's answer came too late for Discord")
        await self._fallback.edit(message_id, text, final=final)

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        """The deferred answer shows that something is coming."""
        yield

    async def _note(self, exc: Exception) -> None:
        """Remember that the interaction is over, or raise what delivery understands."""
        if isinstance(exc, discord.HTTPException) and (exc.code in INTERACTION_OVER or exc.status == 401):
            log.info("discord: an interaction has expired")
            self._expired = True
            return
        await self._backoff.fail(exc)


class Backoff:
    """Maps the library's errors; passing ones ask for a wait that doubles up to half a minute."""

    def __init__(self) -> None:
        self._wait_s = 0.0

    def reset(self) -> None:
        """A call went through."""
        self._wait_s = 0.0

    async def fail(self, exc: Exception) -> NoReturn:
        """Raise what delivery understands of `exc`, or `exc` itself when it is none of the platform's."""
        if isinstance(exc, discord.RateLimited):
            raise SlowDown(exc.retry_after) from exc
        if isinstance(exc, discord.HTTPException):
            raise await self._mapped(exc) from exc
        passing = isinstance(exc, (aiohttp.ClientError, OSError, TimeoutError))
        if passing or (
            isinstance(exc, RuntimeError) and "closed" in str(exc)
        ):  # the client is being replaced
            raise self._later(exc) from exc
        raise exc

    async def _mapped(self, exc: discord.HTTPException) -> Exception:
        if exc.status == 429:
            return SlowDown(await _retry_after_s(exc))
        if exc.status >= 500 or exc.status in (401, 408):
            return self._later(exc)
        if exc.code == UNKNOWN_MESSAGE:
            return MessageGone("the message was deleted")
        return ChannelGone(f"Discord refused the message: {exc.status} (code {exc.code})")

    def _later(self, exc: Exception) -> SlowDown:
        self._wait_s = min(MAX_BACKOFF_S, self._wait_s * 2 or 0.5)
        log.warning("discord: %s, trying again in %.1f s", type(exc).__name__, self._wait_s)
        return SlowDown(self._wait_s)


async def _retry_after_s(exc: discord.HTTPException) -> float:
    """Seconds that a 429 asks for: its header, else its body, else a guess."""
    response = exc.response
    value: object = response.headers.get("Retry-After")
    if value is None and isinstance(response, aiohttp.ClientResponse):
        try:
            body = await response.json(content_type=None)
            value = body.get("retry_after") if isinstance(body, dict) else None
        except (ValueError, aiohttp.ClientError):
            log.debug("discord: a 429 without a readable body")
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return 5.0
