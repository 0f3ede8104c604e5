"""A reply's way from the relay's stream into a channel: typing, paced edits, parts, footer.

`deliver` compares what should be visible with what is visible and makes one platform call at a
time, always with the newest text, so that a slow platform costs intermediate states and never the
final one. This module knows no platform: a `Channel` sends and edits, and says when to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from bot.inflow import Clock, Inflow, LoopClock, finish
from bot.sources import plain_footer, source_footer
from bot.splitting import Measure, close_fence, split
from bot.types import Channel, ChannelGone, Event, RelayLike, SlowDown
from engine.errors import StorageError
from engine.types import Result

__all__ = ["Clock", "Delivered", "LoopClock", "MessageGone", "deliver", "plain_footer", "source_footer"]

log = logging.getLogger(__name__)

NO_ANSWER = "I have no answer to that just now."
WENT_WRONG = "Something went wrong on my side. Please try again in a moment."
UNFINISHED = " …"  # marks a reply that broke off
LEFTOVER = "…"  # what becomes of a draft that the new reply does not need

T = TypeVar("T")
Outcome = Literal["sent", "noticed", "nothing", "pending", "gone"]


class MessageGone(Exception):
    """The message to be edited was deleted; `Channel.edit` may raise it."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a stream."""

    outcome: Outcome
    """sent: all of it is visible. noticed: only notices came. nothing: nothing came (a duplicate).
    pending: it broke off and is left for recovery. gone: the channel cannot be written to."""
    ids: tuple[str, ...] = ()
    """Platform messages that show the reply, in order."""
    message_pk: int = 0
    result: Result | None = None


_LOOP_CLOCK = LoopClock()


async def deliver(
    events: AsyncIterator[Event],
    channel: Channel,
    relay: RelayLike,
    *,
    footer: Callable[[Result], str] = plain_footer,
    drafts: Sequence[str] = (),
    length: Measure = len,
    clock: Clock = _LOOP_CLOCK,
) -> Delivered:
    """Show a relay's stream in a channel, and tell the relay what is visible.

    Args:
        events: Started, Delta…, Result; or notices; or nothing.
        channel: bound to this one request.
        relay: is told of drafts, of the whole reply being out, and of a channel that is gone.
        footer: text under the reply, usually its sources; a part of its own where it does not fit.
        drafts: messages that an earlier process left with a part of this reply; edited, not repeated.
        length: how the channel's limit counts.
        clock: time for pacing.

    Returns:
        What became of it. Cancelling leaves everything pending.
    """
    stream = Inflow(clock)
    reader = asyncio.create_task(stream.read(events))
    desk = _Desk(stream, channel, relay, footer, drafts, length, clock)
    try:
        return await desk.run()
    finally:
        await finish(reader)
        await desk.stop_typing()


@dataclass(frozen=True, slots=True)
class _Step:
    """One platform call. `index` is the message to edit; None sends a new one."""

    text: str
    final: bool
    index: int | None = None
    notice: bool = False


class _Desk:
    """What is visible, and the calls that bring it up to what has come."""

    def __init__(
        self,
        stream: Inflow,
        channel: Channel,
        relay: RelayLike,
        footer: Callable[[Result], str],
        drafts: Sequence[str],
        length: Measure,
        clock: Clock,
    ) -> None:
        self._stream, self._channel, self._relay = stream, channel, relay
        self._footer, self._length, self._clock = footer, length, clock
        self._ids = list(drafts)
        self._shown: list[tuple[str, bool] | None] = [None] * len(self._ids)  # None: not known
        self._inherited = set(drafts)
        self._written = False  # whether any of this reply's text is visible
        self._notices: deque[str] = deque()
        self._final: list[str] | None = None
        self._not_before_s = 0.0
        self._typing: asyncio.Task[None] | None = None

    async def run(self) -> Delivered:
        """Make calls until all is visible and the stream has ended."""
        stream, sent = self._stream, False
        try:
            while True:
                stream.changed.clear()
                self._follow_typing()
                step = self._next_step()
                if step is not None:
                    await self._make(step)
                elif stream.result is not None and not sent:
                    sent = True
                    await self._tell(self._relay.sent, self._reply_ids())
                elif stream.ended:
                    break
                else:
                    await stream.changed.wait()
        except ChannelGone as exc:
            log.warning("reply %d: the channel is gone: %s", stream.message_pk, exc)
            await self._tell(self._relay.failed, str(exc))
            return self._delivered("gone")
        if sent:
            return self._delivered("sent")
        if stream.message_pk and (self._written or stream.error is not None or not stream.noticed):
            return self._delivered("pending")
        return self._delivered("noticed" if stream.noticed else "nothing")

    async def stop_typing(self) -> None:
        """End the typing indicator."""
        if self._typing is not None:
            await finish(self._typing)
            self._typing = None

    # --- what to do ------------------------------------------------------------------------

    def _next_step(self) -> _Step | None:
        """The first difference between what should be visible and what is."""
        stream = self._stream
        if stream.error is not None and not self._written and not stream.noticed:
            stream.notices.append(WENT_WRONG)
            stream.noticed = True
        while stream.notices:
            self._notices += split(stream.notices.popleft(), self._channel.limit, length=self._length)
        if self._notices:
            return _Step(self._notices[0], True, notice=True)
        wanted = self._wanted()
        for index, want in enumerate(wanted):
            if index >= len(self._ids):
                return _Step(*want)
            if self._shown[index] != want:
                return _Step(*want, index=index)
        if stream.result is not None:
            for index in range(len(wanted), len(self._ids)):
                if self._shown[index] != (LEFTOVER, True):
                    return _Step(LEFTOVER, True, index=index)
        return None

    def _wanted(self) -> list[tuple[str, bool]]:
        """The messages that should be visible now, each with whether it is final."""
        stream, limit = self._stream, self._channel.limit
        if stream.result is not None:
            return [(part, True) for part in self._final_parts(stream.result)]
        if stream.ended:
            if not self._written:
                return []
            marked = close_fence(stream.text.rstrip()) + UNFINISHED
            return [(part, True) for part in split(marked, limit, length=self._length)]
        parts = split(stream.text.rstrip(), limit, length=self._length)
        wanted = [(part, True) for part in parts[:-1]]
        for last in parts[-1:]:
            closed = close_fence(last)
            wanted.append((closed if self._length(closed) <= limit else last, False))
        return wanted

    def _final_parts(self, result: Result) -> list[str]:
        """The whole reply with its footer, in messages."""
        if self._final is None:
            limit, reply = self._channel.limit, result.reply.strip()
            parts = split(reply, limit, length=self._length)
            if not parts:
                parts = split(NO_ANSWER, limit, length=self._length)
            elif footer := self._footer(result):
                joined = f"{parts[-1]}\n{footer}"
                if self._length(joined) <= limit:
                    parts[-1] = joined
                else:
                    parts += split(footer, limit, length=self._length)
            self._final = parts
        return self._final

    # --- doing it --------------------------------------------------------------------------

    async def _make(self, step: _Step) -> None:
        """Wait until the step is due, or make it if it is; after a wait it is worked out again."""
        now, stream = self._clock.now(), self._stream
        if now < self._not_before_s:
            await self._clock.sleep(self._not_before_s - now)
            return
        few_words = not (self._written or step.notice or step.final or stream.ended or stream.has_sentence)
        patience_s = stream.text_since_s + self._channel.edit_interval_s - now
        if few_words and patience_s > 0:
            await stream.change_within(patience_s)
            return
        try:
            await self._call(step)
        except SlowDown as exc:
            log.info("reply %d: told to wait %.1f s", stream.message_pk, exc.retry_after_s)
            self._pause(max(exc.retry_after_s, self._channel.edit_interval_s))
            return
        except MessageGone as exc:
            self._forget(step, exc)
        self._pause(self._channel.edit_interval_s)

    async def _call(self, step: _Step) -> None:
        """One call to the platform, and the books that go with it."""
        if step.notice:
            await self._channel.send(step.text, final=True)
            self._notices.popleft()
        elif step.index is None:
            self._ids.append(await self._channel.send(step.text, final=step.final))
            self._shown.append((step.text, step.final))
            self._written = True
            await self._tell(self._relay.drafted, tuple(self._ids))
        else:
            await self._channel.edit(self._ids[step.index], step.text, final=step.final)
            self._shown[step.index] = (step.text, step.final)
            self._written = True

    def _forget(self, step: _Step, exc: MessageGone) -> None:
        """A draft of an earlier process may be gone; a reply deleted while it is written is not wanted."""
        if step.index is None or self._ids[step.index] not in self._inherited:
            raise ChannelGone("the reply was deleted while it was being written") from exc
        del self._ids[step.index], self._shown[step.index]

    def _pause(self, seconds: float) -> None:
        self._not_before_s = self._clock.now() + seconds

    async def _tell(self, record: Callable[[int, T], Awaitable[None]], what: T) -> None:
        """Tell the relay; a database that fails must not keep the rest of the reply from its reader."""
        pk = self._stream.message_pk
        try:
            if pk:
                await record(pk, what)
        except StorageError as exc:
            log.error("reply %d: its delivery could not be recorded: %s", pk, exc)

    def _follow_typing(self) -> None:
        """Typing is shown from Started until the first text or the end."""
        stream = self._stream
        if self._written or stream.ended or stream.result is not None:
            if self._typing is not None:
                self._typing.cancel()
        elif stream.message_pk and self._typing is None:
            self._typing = asyncio.create_task(self._show_typing())

    async def _show_typing(self) -> None:
        try:
            async with self._channel.typing():
                await asyncio.Event().wait()
        except Exception as exc:  # a reply without a typing indicator is still a reply
            log.debug("reply %d: no typing indicator: %s", self._stream.message_pk, type(exc).__name__)

    def _reply_ids(self) -> tuple[str, ...]:
        return tuple(self._ids[: len(self._wanted())])

    def _delivered(self, outcome: Outcome) -> Delivered:
        ids = self._reply_ids() if self._written else ()
        return Delivered(outcome, ids, self._stream.message_pk, self._stream.result)
