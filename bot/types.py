"""What passes between the relay and the platform adapters.

An adapter turns a platform's event into an `Incoming`, asks the relay for a stream of `Event`s and
delivers it to a `Channel`. It decides only what the platform knows: was the bot mentioned, is this
a DM, how is a message sent and edited. Everything else is the relay's, so that it is alike everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from engine.feedback import Ballot
from engine.types import Delta, Incoming, Result


@dataclass(frozen=True, slots=True)
class Started:
    """A message was stored and its reply begins."""

    message_pk: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence of the service itself (command output, "busy", an error), not of the persona."""

    text: str
    private: bool = False
    """Show it to the caller alone where the platform can (Discord: ephemeral)."""


Event = Started | Delta | Result | Notice
"""A reply is Started, Delta…, Result; a command answers one Notice; a duplicate yields nothing."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that a stopped process left without a reply, or a reply that was not fully sent."""

    message_pk: int
    incoming: Incoming
    drafts: tuple[str, ...] = ()
    """Platform ids of messages that already show a part of the reply; they are edited, not repeated."""
    reply: str | None = None
    """The stored reply when it was generated but not sent."""


class SlowDown(Exception):
    """The platform asks to wait; raised by a Channel, obeyed by delivery."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"retry after {retry_after_s} s")
        self.retry_after_s = retry_after_s


class ChannelGone(Exception):
    """The channel or user cannot be written to any more (deleted, blocked, no permission)."""


class Channel(Protocol):
    """Where a reply is delivered to: one Discord channel or Telegram chat, bound to one request."""

    limit: int
    """Longest message in the platform's own units."""
    edit_interval_s: float
    """Never edit or send faster than this."""

    async def send(self, text: str, *, final: bool) -> str:
        """Send a new message and return its platform id. `final`: formatting may be applied."""

    async def edit(self, message_id: str, text: str, *, final: bool) -> None:
        """Replace a message's text. An unchanged text is no error."""

    def typing(self) -> AbstractAsyncContextManager[None]:
        """Shows "typing…" for as long as it is entered."""


class RelayLike(Protocol):
    """What an adapter may ask of the relay (`bot.relay.Relay` implements it)."""

    def handle(self, incoming: Incoming) -> AsyncIterator[Event]:
        """Answer a message: dedupes, keeps a conversation's order, maps every error to a Notice."""

    def command(self, name: str, args: str, caller: Incoming) -> AsyncIterator[Event]:
        """Run a command (help, new, reset, retry, why, stats, admin …); `caller.text` is not used."""

    def admits(self, incoming: Incoming) -> bool:
        """Whether the allow and block lists let this user talk here."""

    def always_on(self, key: str) -> bool:
        """Whether an admin set this conversation to be answered without a mention."""

    async def pending(self, platform: str) -> Sequence[Pending]:
        """What a stopped process left undone on a platform, oldest first."""

    def resume(self, pending: Pending) -> AsyncIterator[Event]:
        """Finish one of them: the stored reply again, or a new one."""

    async def drafted(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record platform messages that show a part of the reply."""

    async def sent(self, message_pk: int, ids: Sequence[str]) -> None:
        """Record that the whole reply is on the platform."""

    async def failed(self, message_pk: int, reason: str) -> None:
        """Record that it can never be delivered (channel gone), so that it is not tried again."""

    async def rate(self, ballot: Ballot) -> bool:
        """Count somebody's thumb for a reply, or take it back; False when it does not count."""

    async def last_seen(self, platform: str) -> dict[str, str]:
        """For each conversation of a platform, the id of the last message that was handled."""
